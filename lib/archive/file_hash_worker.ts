/** Hashes a file as far as it is told that others have read it. */
import { createHash } from "node:crypto";
import { readAt } from "../posix/files.ts";
import type { HashAnswer, HashOrder } from "./file_hash.ts";

const scope = globalThis as unknown as {
  onmessage: (event: MessageEvent<HashOrder>) => void;
  postMessage(answer: HashAnswer): void;
};

/** Few enough bytes to still be in the processor's cache when they are hashed. */
const piece = new Uint8Array(256 << 10);
const hash = createHash("sha256");
let at = 0;
let error: string | null = null;

scope.onmessage = ({ data }) => {
  if (data === "digest") {
    scope.postMessage(error === null ? { sha256: hash.digest("hex") } : { error });
  } else if (error === null) {
    try {
      take(data.fd, data.to);
    } catch (cause) {
      error = (cause as Error).message;
    }
  }
};

function take(fd: number, to: number): void {
  while (at < to) {
    const part = piece.subarray(0, Math.min(piece.length, to - at));
    const got = readAt(fd, part, at);
    if (got < part.length) throw new Error(`it ends after ${at + got} bytes`);
    hash.update(part);
    at += got;
  }
}
