/**
 * One 512-byte tar header: ustar is written; v7, ustar, pax and GNU headers are read.
 *
 * npm:tar's Header class is not used for either: it takes names as strings and so loses every name
 * that is not UTF-8, takes times as Date (milliseconds), and builds several objects an entry. The
 * tests hold the two against each other.
 */

export const BLOCK = 512;
/** tar's traditional record: duckback's archives are a multiple of it long. */
export const RECORD = 20 * BLOCK;
/** Largest values that fit the octal fields of a header; larger ones go into pax records. */
export const MAX_OCTAL_7 = 0o7777777;
export const MAX_OCTAL_11 = 0o77777777777;

/** What a header holds. Names are bytes; text fields end at their first NUL. */
export interface RawHeader {
  /** `prefix` and `name` put together. */
  name: Uint8Array;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds. */
  mtime: number;
  /** The character, "0" for the NUL of v7. */
  typeflag: string;
  link: Uint8Array;
  uname: Uint8Array;
  gname: Uint8Array;
  devmajor: number;
  devminor: number;
}

const ZERO = 0x30;
const SPACE = 0x20;
const SLASH = 0x2f;
const CHECKSUM = 148;
const CHECKSUM_FIELD = [CHECKSUM, 8] as const;

/** Where a header's fields lie: offset and length. */
const AT = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  typeflag: [156, 1],
  link: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  uname: [265, 32],
  gname: [297, 32],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const;

/**
 * Writes ustar headers. Most differ from the one before in name, size and time alone: the rest is kept,
 * with the sum of its bytes.
 */
export class HeaderWriter {
  #last: RawHeader | null = null;
  readonly #kept = new Uint8Array(BLOCK);
  #sum = 0;

  /**
   * Writes a header into the 512 bytes of `into` at `at`. Values that do not fit are cut (names) or left
   * 0 (numbers): pax records before this header then hold the true ones.
   */
  write(into: Uint8Array, at: number, header: RawHeader): void {
    if (!this.#isLikeLast(header)) this.#keep(header);
    into.set(this.#kept, at);
    const { size, mtime } = header;
    let sum = this.#sum;
    sum += text(into, at + AT.name[0], header.name, AT.name[1]);
    sum += octal(into, at + AT.size[0], size <= MAX_OCTAL_11 ? size : 0, 11);
    sum += octal(into, at + AT.mtime[0], mtime >= 0 && mtime <= MAX_OCTAL_11 ? mtime : 0, 11);
    octal(into, at + CHECKSUM, sum, 6);
    into[at + CHECKSUM + 6] = 0;
    into[at + CHECKSUM + 7] = SPACE;
  }

  #isLikeLast(header: RawHeader): boolean {
    const last = this.#last;
    return last !== null && last.mode === header.mode && last.uid === header.uid &&
      last.gid === header.gid && last.typeflag === header.typeflag &&
      last.link.length + header.link.length === 0 &&
      last.uname === header.uname && last.gname === header.gname &&
      last.devmajor === header.devmajor && last.devminor === header.devminor;
  }

  #keep(header: RawHeader): void {
    const into = this.#kept.fill(0);
    octal(into, AT.mode[0], header.mode, 7);
    octal(into, AT.uid[0], header.uid <= MAX_OCTAL_7 ? header.uid : 0, 7);
    octal(into, AT.gid[0], header.gid <= MAX_OCTAL_7 ? header.gid : 0, 7);
    into[AT.typeflag[0]] = header.typeflag.charCodeAt(0);
    text(into, AT.link[0], header.link, AT.link[1]);
    text(into, AT.magic[0], USTAR, USTAR.length);
    text(into, AT.uname[0], header.uname, AT.uname[1] - 1);
    text(into, AT.gname[0], header.gname, AT.gname[1] - 1);
    octal(into, AT.devmajor[0], header.devmajor, 7);
    octal(into, AT.devminor[0], header.devminor, 7);
    this.#sum = 8 * SPACE; // the checksum itself counts as spaces
    for (const byte of into) this.#sum += byte;
    this.#last = header;
  }
}

/** "ustar", NUL, version "00". */
const USTAR = Uint8Array.of(0x75, 0x73, 0x74, 0x61, 0x72, 0, ZERO, ZERO);

const USTAR_MAGIC = USTAR.subarray(0, 6);

/** Bit operations take up to 31 bits. */
const SMALL = 2 ** 31;

/**
 * Writes `value` as `digits` octal digits; the NUL behind them is there already. Returns the sum of the
 * bytes written.
 */
export function octal(into: Uint8Array, at: number, value: number, digits: number): number {
  let sum = 0;
  let rest = value;
  let i = at + digits - 1;
  // Sizes and times may need more bits.
  for (; rest >= SMALL; i--) {
    const higher = Math.floor(rest / 8);
    sum += into[i] = ZERO + (rest - higher * 8);
    rest = higher;
  }
  for (; i >= at; i--, rest >>= 3) sum += into[i] = ZERO + (rest & 7);
  return sum;
}

/** Returns the sum of the bytes written. */
function text(into: Uint8Array, at: number, bytes: Uint8Array, room: number): number {
  const length = bytes.length < room ? bytes.length : room;
  let sum = 0;
  for (let i = 0; i < length; i++) sum += into[at + i] = bytes[i];
  return sum;
}

/** True where all 512 bytes at `at` are zero: the mark of an archive's end. */
export function isZero(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Thrown by `readHeader`; its message says what is wrong, the caller knows where. */
export class HeaderError extends Error {
  override readonly name = "HeaderError";
}

/** What is read of a header: names of owners are not, since ids count. */
export type ReadHeader = Omit<RawHeader, "uname" | "gname">;

/** Reads the header in the 512 bytes at `at`. Throws HeaderError where it is not a valid one. */
export function readHeader(bytes: Uint8Array, at: number): ReadHeader {
  const stored = number(bytes, at, CHECKSUM_FIELD, "checksum");
  let unsigned = 8 * SPACE; // the checksum itself counts as spaces
  for (let i = at; i < at + CHECKSUM; i++) unsigned += bytes[i];
  for (let i = at + CHECKSUM + 8; i < at + BLOCK; i++) unsigned += bytes[i];
  // Some old tars added the bytes up as signed characters.
  if (stored !== unsigned && stored !== unsigned - 256 * highBytes(bytes, at)) {
    throw new HeaderError("the header's checksum is wrong");
  }
  const typeflag = bytes[at + AT.typeflag[0]];
  const ustar = startsWith(bytes, at + AT.magic[0], USTAR_MAGIC);
  const gnu = startsWith(bytes, at + AT.magic[0], GNU_TAR);
  return {
    name: fullName(bytes, at, ustar),
    mode: number(bytes, at, AT.mode, "mode") & 0o7777,
    uid: number(bytes, at, AT.uid, "uid"),
    gid: number(bytes, at, AT.gid, "gid"),
    size: number(bytes, at, AT.size, "size"),
    mtime: number(bytes, at, AT.mtime, "mtime", true),
    typeflag: typeflag === 0 ? "0" : String.fromCharCode(typeflag),
    link: field(bytes, at, AT.link),
    devmajor: ustar || gnu ? number(bytes, at, AT.devmajor, "device number") : 0,
    devminor: ustar || gnu ? number(bytes, at, AT.devminor, "device number") : 0,
  };
}

/** How many bytes outside the checksum are negative as signed characters. */
function highBytes(bytes: Uint8Array, at: number): number {
  let high = 0;
  for (let i = at; i < at + BLOCK; i++) {
    if (i < at + CHECKSUM || i >= at + CHECKSUM + 8) high += bytes[i] >> 7;
  }
  return high;
}

/** The names of owner and group in the 512 bytes at `at`. */
export function readOwners(bytes: Uint8Array, at: number): Pick<RawHeader, "uname" | "gname"> {
  return { uname: field(bytes, at, AT.uname), gname: field(bytes, at, AT.gname) };
}

/** "ustar", two spaces, NUL: magic and version in GNU's own format. */
const GNU_TAR = Uint8Array.of(0x75, 0x73, 0x74, 0x61, 0x72, SPACE, SPACE, 0);

function startsWith(bytes: Uint8Array, at: number, start: Uint8Array): boolean {
  for (let i = 0; i < start.length; i++) if (bytes[at + i] !== start[i]) return false;
  return true;
}

const NONE = new Uint8Array(0);

function fullName(bytes: Uint8Array, at: number, ustar: boolean): Uint8Array {
  const name = field(bytes, at, AT.name);
  // GNU's own format uses the place of the prefix for other things.
  const prefix = ustar ? field(bytes, at, AT.prefix) : NONE;
  if (prefix.length === 0) return name;
  const out = new Uint8Array(prefix.length + 1 + name.length);
  out.set(prefix);
  out[prefix.length] = SLASH;
  out.set(name, prefix.length + 1);
  return out;
}

/** A copy of a text field up to its first NUL. */
function field(bytes: Uint8Array, at: number, [offset, length]: readonly [number, number]) {
  const start = at + offset;
  let end = start;
  while (end < start + length && bytes[end] !== 0) end++;
  return end === start ? NONE : bytes.slice(start, end);
}

/** A number field: octal digits with spaces or NULs around them, or GNU's base-256. */
export function number(
  bytes: Uint8Array,
  at: number,
  [offset, length]: readonly [number, number],
  what: string,
  negative = false,
): number {
  const start = at + offset;
  const end = start + length;
  if (bytes[start] & 0x80) return base256(bytes, start, end, what, negative);
  let i = start;
  while (i < end && bytes[i] === SPACE) i++;
  let value = 0;
  for (; i < end && bytes[i] !== 0 && bytes[i] !== SPACE; i++) {
    const digit = bytes[i] - ZERO;
    if (digit < 0 || digit > 7) throw new HeaderError(`the header's ${what} is not a number`);
    value = value * 8 + digit;
  }
  for (; i < end; i++) {
    if (bytes[i] !== 0 && bytes[i] !== SPACE) {
      throw new HeaderError(`the header's ${what} is not a number`);
    }
  }
  return value;
}

/** GNU's form for large and negative numbers: big-endian two's complement, first bit set. */
function base256(
  bytes: Uint8Array,
  start: number,
  end: number,
  what: string,
  negative: boolean,
): number {
  const below = bytes[start] === 0xff;
  let value = below ? -1 : bytes[start] & 0x7f;
  for (let i = start + 1; i < end; i++) value = value * 256 + bytes[i];
  if (!Number.isSafeInteger(value) || (value < 0 && !negative)) {
    throw new HeaderError(`the header's ${what} is absurd`);
  }
  return value;
}
