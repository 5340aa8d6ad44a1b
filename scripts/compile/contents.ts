/** What is in a compiled binary, read back out of it. */
import { elfImage, type PayloadFile, readIndex } from "./payload.ts";

/** A file embedded by `deno compile`; `size` in bytes, without source map and transpiled form. */
export interface EmbeddedFile {
  path: string;
  size: number;
}

export interface BinaryContents {
  size: number;
  machine: number;
  /** Bytes of the base executable. */
  base: number;
  /** Native libraries and the program. */
  carried: PayloadFile[];
  /** Bytes of the section appended by `deno compile`. */
  section: number;
  files: EmbeddedFile[];
}

/** The tree as `deno compile` 2.7 serialises it: n name, e entries, o [offset, length]. */
type VfsEntry =
  | { Dir: { n: string; e: VfsEntry[] } }
  | { File: { n: string; o: [number, number] } }
  | { Symlink: { n: string } };

/** Reads the binary at `path`; throws where it was not made by compile.ts. */
export async function binaryContents(path: string): Promise<BinaryContents> {
  const bytes = await Deno.readFile(path);
  const { machine, end } = elfImage(bytes);
  const carried = readIndex(path);
  const last = carried[carried.length - 1];
  const start = last.offset + last.length;
  return {
    size: bytes.length,
    machine,
    base: end,
    carried,
    section: bytes.length - start,
    files: [...embedded(fileTree(bytes.subarray(start)))],
  };
}

/** The JSON of the file tree, which has its length (u64, little-endian) before it. */
function fileTree(section: Uint8Array): VfsEntry[] {
  const begin = new TextEncoder().encode('[{"Dir":{"n":"');
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength);
  for (let at = 8; at < section.length - begin.length; at++) {
    if (section[at] !== begin[0] || !begin.every((byte, i) => section[at + i] === byte)) continue;
    const length = Number(view.getBigUint64(at - 8, true));
    return JSON.parse(new TextDecoder().decode(section.subarray(at, at + length)));
  }
  throw new Error("Cannot read the binary: there is no table of embedded files");
}

function* embedded(entries: VfsEntry[], prefix = ""): Generator<EmbeddedFile> {
  for (const entry of entries) {
    if ("Dir" in entry) yield* embedded(entry.Dir.e, `${prefix}${entry.Dir.n}/`);
    else if ("File" in entry) yield { path: prefix + entry.File.n, size: entry.File.o[1] };
    else yield { path: prefix + entry.Symlink.n, size: 0 };
  }
}
