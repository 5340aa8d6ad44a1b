/** Linux names are bytes: strings carry each byte that is not valid UTF-8 as U+DC80..U+DCFF. */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

/** Bytes of a name or path to its string; the inverse of `encodePath` for every input. */
export function decodePath(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return decodeEscaped(bytes);
  }
}

function decodeEscaped(bytes: Uint8Array): string {
  let out = "";
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      out += String.fromCharCode(0xdc00 + bytes[at++]);
      continue;
    }
    out += strict.decode(bytes.subarray(at, at + length));
    at += length;
  }
  return out;
}

/** Length of the valid UTF-8 sequence at `at`, or 0 where there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
}

/** Longer texts are encoded faster by the runtime. */
const SHORT = 128;

/** The bytes of a path, escaped bytes given back as they were. */
export function encodePath(path: string): Uint8Array {
  if (path.length <= SHORT) {
    const bytes = new Uint8Array(path.length);
    let any = 0;
    for (let i = 0; i < path.length; i++) any |= bytes[i] = path.charCodeAt(i);
    // What an assignment gives is the whole unit, not the byte that was left of it.
    if (any < 0x80) return bytes;
  }
  // isWellFormed is a fast native scan; escaped bytes are lone surrogates.
  if (path.isWellFormed()) return utf8.encode(path);
  const out: number[] = [];
  for (const char of path) {
    const code = char.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) out.push(code - 0xdc00);
    else out.push(...utf8.encode(char));
  }
  return Uint8Array.from(out);
}

/** True where every byte of the path is valid UTF-8. */
export function isUtf8(path: string): boolean {
  return path.isWellFormed();
}

/**
 * A path or message for a terminal: control characters, escape sequences, bidirectional overrides
 * and undecodable bytes become visible `\x1b`-style escapes, so no file name can drive a terminal.
 */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) => {
    if (char === "\n") return "\\n";
    if (char === "\t") return "\\t";
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  }).replace(
    /[\udc80-\udcff]/g,
    (char, at: number, whole: string) => {
      const before = whole.charCodeAt(at - 1);
      if (before >= 0xd800 && before <= 0xdbff) return char; // second half of a real pair
      return `\\x${(char.charCodeAt(0) - 0xdc00).toString(16)}`;
    },
  );
}
