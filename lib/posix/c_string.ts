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

/** Longest name that a directory can hold, with its NUL. */
const NAME = 256;

/** Memory for one name at a time: calls take what stays in its place twice as fast as new memory. */
export class NameBuffer {
  readonly #bytes = new Uint8Array(NAME);

  /** `name` with a NUL behind it, until the next call. Throws EINVAL where one lies inside. */
  cString(name: string): Uint8Array {
    const bytes = this.#bytes;
    const { length } = name;
    if (length >= NAME) return cString(name);
    for (let i = 0; i < length; i++) {
      const code = name.charCodeAt(i);
      if (code === 0 || code > 0x7f) return cString(name);
      bytes[i] = code;
    }
    bytes[length] = 0;
    return bytes;
  }
}
