/** The map of a sparse file in GNU tar's own format: in the header, type "S", and blocks behind it. */
import { MOST_SEGMENTS } from "./sparse_reader.ts";
import { HeaderError, number } from "./tar_header.ts";

/** What GNU's own format says in its header. */
export interface HeaderMap {
  /** The file's real size. */
  size: number;
  /** Offset and length of each segment, alternately. */
  map: number[];
  /** True where the next block goes on with the map. */
  more: boolean;
}

const SLOT = 24;
const IN_HEADER = { at: 386, slots: 4, more: 482, size: 483 };
const BEHIND = { at: 0, slots: 21, more: 504 };

/** The map that begins in the header at `at`. Throws HeaderError. */
export function headerMap(bytes: Uint8Array, at: number): HeaderMap {
  const size = number(bytes, at, [IN_HEADER.size, 12], "real size");
  const map: HeaderMap = { size, map: [], more: false };
  addSlots(map, bytes, at, IN_HEADER);
  return map;
}

/** Adds what a block behind the header says. Throws HeaderError. */
export function continueMap(map: HeaderMap, bytes: Uint8Array, at: number): void {
  addSlots(map, bytes, at, BEHIND);
}

function addSlots(
  into: HeaderMap,
  bytes: Uint8Array,
  at: number,
  place: { at: number; slots: number; more: number },
): void {
  for (let i = 0; i < place.slots; i++) {
    const slot = place.at + i * SLOT;
    if (bytes[at + slot + 12] === 0) break; // the rest is not used
    if (into.map.length >= 2 * MOST_SEGMENTS) throw new HeaderError("a sparse map has no end");
    into.map.push(number(bytes, at, [slot, 12], "sparse map"));
    into.map.push(number(bytes, at, [slot + 12, 12], "sparse map"));
  }
  into.more = bytes[at + place.more] !== 0;
}
