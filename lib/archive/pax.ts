/**
 * pax extended header records, `LENGTH KEY=VALUE\n`, with values as bytes.
 *
 * npm:tar's Pax class is not used: it knows a fixed set of keys, keeps values as strings (no names
 * that are not UTF-8, no xattrs) and times as Date (milliseconds).
 */

/** Largest body of an extended header that is read: nothing honest needs more, and it is held whole. */
export const MAX_PAX = 1 << 20;

/** Before the name of an extended attribute; an empty value is a value there. */
export const XATTR = "SCHILY.xattr.";
/** A name has 255 bytes at most, each of which may be escaped with three. */
const LONGEST_KEY = 1024;
const REPEATED = new Set(["GNU.sparse.offset", "GNU.sparse.numbytes"]);

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const SPACE = 0x20;
const EQUALS = 0x3d;
const ZERO = 0x30;

/** Collects records into one growing buffer that is used again for every entry. */
export class PaxBuilder {
  #bytes = new Uint8Array(4096);
  #used = 0;

  get length(): number {
    return this.#used;
  }

  clear(): void {
    this.#used = 0;
  }

  /** The records so far. A view: valid until the next call. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  /** Adds a record with an ASCII value. */
  text(key: string, value: string): void {
    const length = recordLength(key.length + value.length + 3);
    this.#reserve(length);
    this.#ascii(`${length} ${key}=${value}\n`);
  }

  /** Adds a record whose value is any bytes. */
  raw(key: string, value: Uint8Array): void {
    const length = recordLength(key.length + value.length + 3);
    this.#reserve(length);
    this.#ascii(`${length} ${key}=`);
    this.#bytes.set(value, this.#used);
    this.#used += value.length;
    this.#bytes[this.#used++] = NEWLINE;
  }

  #ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#used++] = text.charCodeAt(i);
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + length));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

/** Length of a record whose parts but the length's own digits take `rest` bytes. */
function recordLength(rest: number): number {
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length = rest + String(length).length;
  return length;
}

/** Seconds and nanoseconds as pax writes them: "-0.5" is half a second before 1970. */
export function formatTime(seconds: number, nanos: number): string {
  if (nanos === 0) return String(seconds);
  if (seconds >= 0) return `${seconds}.${String(nanos).padStart(9, "0")}`;
  // Seconds count down and nanoseconds up: -2 s + 0.5 s is -1.5.
  return `-${-(seconds + 1)}.${String(1_000_000_000 - nanos).padStart(9, "0")}`;
}

/** The inverse of `formatTime`; digits beyond nanoseconds are dropped. Null where it is no time. */
export function parseTime(text: string): { s: number; ns: number } | null {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (match === null) return null;
  const whole = Number(match[2]);
  const nanos = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { s: whole, ns: nanos };
  if (nanos === 0) return { s: whole === 0 ? 0 : -whole, ns: 0 };
  return { s: -whole - 1, ns: 1_000_000_000 - nanos };
}

/** Thrown by `readPax`; its message says what is wrong, the caller knows where. */
export class PaxError extends Error {
  override readonly name = "PaxError";
}

/**
 * Adds the records in `bytes` to `into`; an empty value removes a key. Keys are strings of bytes.
 * Throws PaxError.
 */
export function readPax(bytes: Uint8Array, into: Map<string, Uint8Array>): void {
  for (let at = 0; at < bytes.length;) {
    let length = 0;
    let i = at;
    for (; i < bytes.length && bytes[i] >= ZERO && bytes[i] <= ZERO + 9; i++) {
      length = length * 10 + bytes[i] - ZERO;
      if (length > MAX_PAX) break;
    }
    const end = at + length;
    if (i === at || bytes[i] !== SPACE || end > bytes.length || end < i + 2) {
      throw new PaxError("a pax record has a wrong length");
    }
    if (bytes[end - 1] !== NEWLINE) throw new PaxError("a pax record does not end in a newline");
    const equals = bytes.indexOf(EQUALS, i + 1);
    if (equals === -1 || equals >= end) throw new PaxError("a pax record has no value");
    const key = String.fromCharCode(
      ...bytes.subarray(i + 1, Math.min(equals, i + LONGEST_KEY + 1)),
    );
    const value = bytes.slice(equals + 1, end - 1);
    // GNU.sparse.offset and .numbytes, of an early form of sparse files, come once a segment.
    const again = REPEATED.has(key) ? into.get(key) : undefined;
    if (again !== undefined) into.set(key, joined(again, value));
    else if (value.length > 0 || key.startsWith(XATTR)) into.set(key, value);
    else into.delete(key);
    at = end;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const out = new Uint8Array(first.length + 1 + second.length);
  out.set(first);
  out[first.length] = COMMA;
  out.set(second, first.length + 1);
  return out;
}
