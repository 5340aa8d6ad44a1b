/**
 * The native libraries and the program in the binary: they lie, uncompressed and page-aligned, behind the
 * ELF image of the base executable, before the section that `deno compile` appends.
 *
 *   base executable | index (JSON, one page) | libduckdb.so | duckdb.node | libdeflate.so.0 |
 *   libzstd.so.1 | program.js | program.cache | section of deno compile
 *
 * In the section itself they would be read into memory at every start, which is what most of the
 * start-up time of such a binary goes into. Imports nothing: it is also part of the binary.
 */

const PAGE = 4096;

/** A file in the binary; offset from the start of the file and length in bytes. */
export interface PayloadFile {
  name: string;
  offset: number;
  length: number;
}

/** What `elfImage` reads of an ELF header. */
export interface ElfImage {
  /** e_machine: 62 is x86-64, 183 aarch64. */
  machine: number;
  /** Where the image ends: behind its section header table, which linkers write last. */
  end: number;
}

/**
 * Given at least the first 64 bytes of a file, returns its ELF image's machine and end.
 * Throws where it is no 64-bit little-endian ELF file.
 */
export function elfImage(header: Uint8Array): ElfImage {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  if (header.length < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint16(4) !== 0x0201) {
    throw new Error("not a 64-bit little-endian ELF file");
  }
  const sections = Number(view.getBigUint64(0x28, true));
  return {
    machine: view.getUint16(0x12, true),
    end: sections + view.getUint16(0x3a, true) * view.getUint16(0x3c, true),
  };
}

/** Where the index of an image that ends at `end` begins. */
export function indexOffset(end: number): number {
  return Math.ceil(end / PAGE) * PAGE;
}

/** Given an image's end and the libraries' sizes, says where each of them is to lie. */
export function layOut(end: number, files: { name: string; length: number }[]): PayloadFile[] {
  let offset = indexOffset(end) + PAGE;
  return files.map(({ name, length }) => {
    const file = { name, offset, length };
    offset = indexOffset(offset + length);
    return file;
  });
}

/** The index page: JSON, filled up with zeros. */
export function encodeIndex(files: PayloadFile[]): Uint8Array {
  const page = new Uint8Array(PAGE);
  const json = new TextEncoder().encode(JSON.stringify({ duckback: files }));
  if (json.length > PAGE) throw new Error("the index of native libraries does not fit its page");
  page.set(json);
  return page;
}

/** Reads the index of the executable at `path`; throws where it carries none. */
export function readIndex(path: string): PayloadFile[] {
  using file = Deno.openSync(path);
  const header = new Uint8Array(64);
  readFully(file, header);
  file.seekSync(indexOffset(elfImage(header).end), Deno.SeekMode.Start);
  const page = new Uint8Array(PAGE);
  readFully(file, page);
  const text = new TextDecoder().decode(page.subarray(0, page.indexOf(0)));
  return JSON.parse(text).duckback;
}

/** What the executable at `path` carries under `name`; null where there is no such file. */
export function readCarried(path: string, name: string): Uint8Array<ArrayBuffer> | null {
  const found = readIndex(path).find((file) => file.name === name);
  if (found === undefined) return null;
  using file = Deno.openSync(path);
  file.seekSync(found.offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(found.length);
  readFully(file, bytes);
  return bytes;
}

/** Fills `into` from where `file` is; throws where it ends before that. */
export function readFully(file: Deno.FsFile, into: Uint8Array): void {
  for (let at = 0; at < into.length;) {
    const n = file.readSync(into.subarray(at));
    if (n === null) throw new Error("the file ends too early");
    at += n;
  }
}
