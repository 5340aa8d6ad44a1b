/**
 * Whether a Redis dump is whole: it ends in the opcode 255 and a CRC-64 over all before it (the
 * polynomial of Jones, reflected), little-endian; eight zeros where the server makes no checksums.
 * https://github.com/redis/redis/blob/7.0/src/rdb.c and crc64.c.
 */
import type { DumpCheck } from "./dump_check.ts";

const MAGIC = "REDIS";
const EOF = 0xff;
const CRC = 8;
/** Behind a dump that came without a length before it, redis-cli leaves the mark of the end. */
const MARK = 40;

/** Tables for the low and high halves of the checksum: a bigint for each byte would take minutes a GB. */
const LOW = new Uint32Array(256);
const HIGH = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = BigInt(byte);
  for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x95ac9329ac4bc9b5n : crc >> 1n;
  LOW[byte] = Number(crc & 0xffffffffn);
  HIGH[byte] = Number(crc >> 32n);
}

export class Crc64 {
  #low = 0;
  #high = 0;

  add(bytes: Uint8Array): void {
    let low = this.#low;
    let high = this.#high;
    for (let i = 0; i < bytes.length; i++) {
      const at = (low ^ bytes[i]) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ LOW[at];
      high = (high >>> 8) ^ HIGH[at];
    }
    this.#low = low >>> 0;
    this.#high = high >>> 0;
  }

  /** The eight bytes as a dump ends in them. */
  bytes(): Uint8Array {
    const out = new DataView(new ArrayBuffer(CRC));
    out.setUint32(0, this.#low, true);
    out.setUint32(4, this.#high, true);
    return new Uint8Array(out.buffer);
  }
}

/** Where the dump may end: at the end of the file, or before the mark. */
interface End {
  at: number;
  crc: Uint8Array | null;
}

export class RdbCheck implements DumpCheck {
  readonly #crc = new Crc64();
  readonly #ends: End[];
  readonly #tail: Uint8Array;
  #head = "";
  #at = 0;
  keep: number | null = null;

  /** `size`: bytes that will be fed. */
  constructor(readonly size: number) {
    this.#ends = [size - MARK, size].map((at) => ({ at, crc: null }));
    this.#tail = new Uint8Array(Math.min(size, MARK + CRC + 1));
  }

  feed(bytes: Uint8Array): void {
    const missing = MAGIC.length - this.#head.length;
    if (missing > 0) this.#head += String.fromCharCode(...bytes.subarray(0, missing));
    this.#keepTail(bytes);
    for (let from = 0; from < bytes.length;) {
      const next = this.#ends.find((end) => end.at - CRC > this.#at);
      const to = next ? Math.min(bytes.length, from + next.at - CRC - this.#at) : bytes.length;
      this.#crc.add(bytes.subarray(from, to));
      this.#at += to - from;
      from = to;
      for (const end of this.#ends) if (end.at - CRC === this.#at) end.crc = this.#crc.bytes();
    }
  }

  problem(): string | null {
    if (this.#head !== MAGIC) return "it is no Redis dump";
    const good = this.#ends.toReversed().find((end) => this.#isEnd(end));
    if (!good) return "it does not end as a Redis dump does, with its checksum";
    this.keep = good.at === this.size ? null : good.at;
    return null;
  }

  #isEnd({ at, crc }: End): boolean {
    const end = this.#tail.length - (this.size - at);
    if (crc === null || end < CRC + 1 || this.#tail[end - CRC - 1] !== EOF) return false;
    const found = this.#tail.subarray(end - CRC, end);
    return found.every((byte) => byte === 0) || found.every((byte, i) => byte === crc[i]);
  }

  #keepTail(bytes: Uint8Array): void {
    const { length } = this.#tail;
    if (bytes.length >= length) return this.#tail.set(bytes.subarray(-length));
    this.#tail.copyWithin(0, bytes.length);
    this.#tail.set(bytes, length - bytes.length);
  }
}
