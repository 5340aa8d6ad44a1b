/** `cat`: one file's content, straight out of its blocks, proved while it streams. */
import { ChainReader } from "../archive/chain_reader.ts";
import { corrupt } from "../archive/corrupt.ts";
import { DuckbackError } from "../core/errors.ts";
import type { ManifestEntry } from "../core/model.ts";
import { turn } from "../core/turn.ts";
import type { Context } from "./context.ts";
import { type Entries, entryAt, findEntries, noSuchPath, rowsOf } from "./entries.ts";
import { archivePath } from "./patterns.ts";

export interface CatRequest {
  /** A backup's id, or the path of an archive. */
  from: number | string;
  path: string;
}

/** Takes a piece of the content before the next one is made; false ends the reading in good order. */
export type Take = (bytes: Uint8Array) => Promise<boolean>;

/** Links that are followed from one to the next. */
const MOST_LINKS = 40;
const ZEROS = new Uint8Array(256 << 10);

/**
 * Hands a file's content to `take`. Raises NO_SUCH_BACKUP, NO_SUCH_PATH, ARCHIVE_MISSING, REFUSED where
 * the path is no file, before any of it; ARCHIVE_CORRUPT, also behind the last piece, where its SHA-256
 * is not the manifest's.
 */
export async function cat(ctx: Context, request: CatRequest, take: Take): Promise<void> {
  const entries = await findEntries(ctx, request.from);
  const row = await fileAt(ctx, entries, request);
  using reader = new ChainReader(entries.archives, ctx.signal);
  const pieces = new Pieces();
  try {
    await reader.read(row, pieces, () => pieces.waiting ? pieces.handOn(take) : undefined);
  } catch (thrown) {
    if (!(thrown instanceof Enough)) throw thrown;
  }
}

/** The file at the path, through hard links. */
async function fileAt(ctx: Context, entries: Entries, request: CatRequest) {
  let row = await entryAt(ctx, entries, archivePath(request.path));
  if (row === null) {
    const path = archivePath(request.path);
    for await (const batch of rowsOf(ctx, entries, [{ path, take: "all" }])) {
      if (batch.length > 0) throw noFile(request, { type: "directory", link: null });
    }
    throw noSuchPath([request.path], request.from);
  }
  for (let links = 0; row.type === "hardlink"; links++) {
    const to: ManifestEntry | null = await entryAt(ctx, entries, row.link!);
    if (to === null || links === MOST_LINKS) {
      throw corrupt(entries.archive, "it is a hard link to what is not there", {
        entry: row.path,
        offset: row.block_offset,
      });
    }
    row = to;
  }
  if (row.type !== "file") throw noFile(request, row);
  return row;
}

function noFile({ from, path }: CatRequest, { type, link }: Pick<ManifestEntry, "type" | "link">) {
  const state = type === "symlink"
    ? `it is a symlink to "${link}"`
    : `it is a ${NAMES[type] ?? type}`;
  const hint = type === "directory"
    ? `To list it: duckback ls ${from} PATH; to take it out: duckback restore ${from} PATH --target DIR`
    : type === "symlink"
    ? "Name the file that it leads to."
    : "Only files have content.";
  return new DuckbackError("REFUSED", `Cannot print "${path}": ${state}`, { hint });
}

const NAMES: Record<string, string> = { char: "character device", block: "block device" };

/** Thrown from within a read when nobody wants more. */
class Enough extends Error {}

/** Content on its way from the reader, which cannot wait, to `take`, which may. */
class Pieces {
  /** Longest hole at once: what is waiting stays small. */
  readonly holeStep = ZEROS.length;
  #pieces: Uint8Array[] = [];

  get waiting(): boolean {
    return this.#pieces.length > 0;
  }

  entry(): void {}
  end(): void {}

  data(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
  }

  hole(length: number): void {
    this.#pieces.push(ZEROS.subarray(0, length));
  }

  async handOn(take: Take): Promise<void> {
    for (const piece of this.#pieces) if (!await take(piece)) throw new Enough();
    this.#pieces = [];
    await turn();
  }
}
