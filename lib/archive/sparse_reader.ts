/**
 * Reads sparse files of every format GNU tar has had: its own (type "S", the map in the header and
 * blocks behind it), pax 0.0 and 0.1 (the map in the pax header), pax 1.0 (the map before the data).
 * All of it is untrusted.
 */
import { decodePath } from "../core/paths.ts";
import { BLOCK } from "./tar_header.ts";

/** Thrown where a map is wrong; its message says what, the caller knows where. */
export class SparseError extends Error {
  override readonly name = "SparseError";
}

/** Segments that are read: an honest file of that many is 4 GiB of nothing but single blocks. */
export const MOST_SEGMENTS = 1 << 20;
/** Digits of a number in a map. */
const MOST_DIGITS = 16;

/** The map that an entry's pax records begin or hold; null where it is not sparse. */
export function mapOfRecords(
  records: Map<string, Uint8Array>,
  stored: number,
): SparseReader | null {
  const text = (key: string) => {
    const bytes = records.get(`GNU.sparse.${key}`);
    return bytes === undefined ? undefined : decodePath(bytes);
  };
  const size = text("realsize") ?? text("size");
  if (size === undefined) return null;
  if (text("major") === "1" && text("minor") === "0") {
    return new SparseReader(whole(size), stored, null);
  }
  const list = text("map");
  if (list !== undefined) return new SparseReader(whole(size), stored, numbers(list));
  const [offsets, lengths] = [numbers(text("offset") ?? ""), numbers(text("numbytes") ?? "")];
  if (offsets.length !== lengths.length) throw new SparseError("a sparse map is not complete");
  return new SparseReader(whole(size), stored, offsets.flatMap((at, i) => [at, lengths[i]]));
}

function numbers(list: string): number[] {
  return list === "" ? [] : list.split(",").map(whole);
}

function whole(text: string): number {
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new SparseError("a sparse map holds what is no number");
}

/** Tells holes and data of one file's stored content apart. */
export class SparseReader {
  /** True while the content is still the map. */
  inMap: boolean;
  /** Zeros to hand on before any more content is taken. */
  hole = 0;
  /** Content that may be given to `take` at once. */
  most = 0;
  readonly #map: number[] = [];
  #next = 0;
  /** Where in the file the data taken so far ends. */
  #end = 0;
  /** Of a map in the content: numbers it has (-1 before its first line), digits of the next one. */
  #wanted = -1;
  #digits = "";
  #taken = 0;

  /** `map` is null where the content begins with it. Throws SparseError. */
  constructor(readonly size: number, readonly stored: number, map: number[] | null) {
    this.inMap = map === null;
    if (map === null) this.most = BLOCK;
    else this.#begin(map, stored);
  }

  /** Takes up to `most` bytes of content: a piece of the map, or of one segment. Throws SparseError. */
  take(bytes: Uint8Array): void {
    if (this.inMap) return this.#takeMap(bytes);
    this.#end += bytes.length;
    if ((this.most -= bytes.length) === 0) this.#advance();
  }

  #takeMap(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length && this.#map.length !== this.#wanted; i++) {
      const byte = bytes[i];
      if (byte !== 0x0a) {
        this.#digits += String.fromCharCode(byte);
        if (this.#digits.length > MOST_DIGITS) whole(this.#digits);
        continue;
      }
      const value = whole(this.#digits);
      this.#digits = "";
      if (this.#wanted >= 0) this.#map.push(value);
      else {
        if (value > MOST_SEGMENTS) throw new SparseError("a sparse map has no end");
        this.#wanted = value * 2;
      }
    }
    this.#taken += bytes.length;
    this.most = BLOCK - this.#taken % BLOCK;
    if (this.most < BLOCK || this.#map.length !== this.#wanted) return;
    this.inMap = false;
    this.#begin(this.#map, this.stored - this.#taken);
  }

  #begin(map: number[], data: number): void {
    let end = 0;
    let sum = 0;
    for (let i = 0; i < map.length; i += 2) {
      const [offset, length] = [map[i], map[i + 1]];
      if (offset < end || offset + length > this.size) {
        throw new SparseError("a sparse map is not in order");
      }
      end = offset + length;
      sum += length;
    }
    if (map.length % 2 !== 0 || sum !== data) {
      throw new SparseError(`a sparse map names ${sum} bytes where ${data} are stored`);
    }
    if (this.#map !== map) this.#map.splice(0, this.#map.length, ...map);
    this.#advance();
  }

  /** Goes to the next segment that is not empty, or to the file's end. */
  #advance(): void {
    while (this.#next < this.#map.length) {
      const [offset, length] = [this.#map[this.#next], this.#map[this.#next + 1]];
      this.#next += 2;
      if (length === 0) continue;
      this.hole = offset - this.#end;
      this.#end = offset;
      this.most = length;
      return;
    }
    this.hole = this.size - this.#end;
    this.#end = this.size;
    this.most = 0;
  }
}
