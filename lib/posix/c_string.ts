/** Paths as the C library wants them: bytes that end in NUL. */
import { encodePath } from "../core/paths.ts";
import { EINVAL } from "./libc.ts";
import { PosixError } from "./posix_error.ts";

/** The empty path, which AT_EMPTY_PATH takes for the descriptor itself. */
export const EMPTY = new Uint8Array(1);

/** Longer texts are encoded faster by the runtime. */
const SHORT = 128;

/** Bytes of `path` with a NUL behind them. Throws EINVAL where one lies inside. */
export function cString(path: string): Uint8Array {
  if (path.length <= SHORT) {
    const bytes = new Uint8Array(path.length + 1);
    let i = 0;
    for (; i < path.length; i++) {
      const code = path.charCodeAt(i);
      if (code === 0 || code > 0x7f) break;
      bytes[i] = code;
    }
    if (i === path.length) return bytes;
  }
  return cBytes(encodePath(path), path);
}

/** `bytes` with a NUL behind them. Throws EINVAL where one lies inside; `shown` is for the message. */
export function cBytes(bytes: Uint8Array, shown = ""): Uint8Array {
  if (bytes.includes(0)) throw new PosixError(EINVAL, "use", shown);
  const out = new Uint8Array(bytes.length + 1);
  out.set(bytes);
  return out;
}
