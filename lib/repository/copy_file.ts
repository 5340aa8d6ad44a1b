/** A file copied to another file system so that the first may go: durable, and read back from the disk. */
import { createHash } from "node:crypto";
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import { Slice } from "../core/turn.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "./durable.ts";
import { PendingArchive } from "./pending_archive.ts";

const PIECE = 4 << 20;

/**
 * `to` has its name only once it is whole and on the disk. `copied` is told of bytes written. Raises
 * DISK_FULL, NOT_WRITABLE, REFUSED (`to` exists), IO (also where the copy is not what was read) and
 * INTERRUPTED; `to` may be there all the same then.
 */
export async function copyFile(
  from: string,
  to: string,
  options: { signal: AbortSignal; copied: (bytes: number) => void },
): Promise<void> {
  const { signal, copied } = options;
  let written: string;
  {
    using output = PendingArchive.create(to);
    written = await digest(from, signal, (piece) => {
      output.write(piece);
      copied(piece.length);
    });
    output.finish();
  }
  forgetPages(to);
  if (await digest(to, signal, () => {}) !== written) {
    throw new DuckbackError("IO", `Cannot copy "${from}" to "${to}": what is read back differs`, {
      hint: "The disk or the memory of this machine is not sound: check both.",
    });
  }
}

/** SHA-256 (hex) of a file that is read once; `use` sees each piece before the next is read. */
async function digest(
  path: string,
  signal: AbortSignal,
  use: (piece: Uint8Array) => void,
): Promise<string> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(PIECE);
  const slice = new Slice();
  const fd = open(path);
  try {
    for (let at = 0, n; (n = posix.readAt(fd, buffer, at, path)) > 0; at += n) {
      const piece = buffer.subarray(0, n);
      hash.update(piece);
      use(piece);
      if (slice.over()) await slice.turn();
      throwIfAborted(signal);
    }
  } catch (cause) {
    throw diskError(`Cannot read "${path}"`, cause);
  } finally {
    posix.closeQuietly(fd);
  }
  return hash.digest("hex");
}

/** What is read back shall come from the disk. */
function forgetPages(path: string) {
  const fd = open(path);
  posix.forget(fd, 0, 0);
  posix.closeQuietly(fd);
}

function open(path: string): number {
  try {
    return posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW);
  } catch (cause) {
    throw diskError(`Cannot open "${path}"`, cause);
  }
}
