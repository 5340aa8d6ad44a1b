/**
 * Whether an archive of mongodump is whole: a magic number, then documents and, between them, int32 -1
 * as a separator; what a collection consists of ends in a header with EOF set.
 * https://github.com/mongodb/mongo-tools/blob/master/common/archive/
 */
import type { DumpCheck } from "./dump_check.ts";

const MAGIC = 0x8199e26d;
const SEPARATOR = -1;
const LARGEST = 64 << 20;
/** Headers are read whole; documents only counted. */
const HEADER_MOST = 1 << 20;

type Expect = "magic" | "prelude" | "header" | "documents";

export class MongoArchiveCheck implements DumpCheck {
  readonly keep = null;
  #expect: Expect = "magic";
  #wrong: string | null = null;
  #word = new Uint8Array(4);
  #used = 0;
  /** Bytes of a document still to come, and those kept of a header. */
  #left = 0;
  #document: number[] | null = null;
  readonly #open = new Set<string>();

  feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#wrong === null;) {
      if (this.#left > 0) {
        const piece = bytes.subarray(at, at + this.#left);
        if (this.#document) { for (const byte of piece) this.#document.push(byte); }
        at += piece.length;
        this.#left -= piece.length;
        if (this.#left === 0) this.#endDocument();
        continue;
      }
      this.#word[this.#used++] = bytes[at++];
      if (this.#used < 4) continue;
      this.#used = 0;
      this.#takeWord(new DataView(this.#word.buffer).getInt32(0, true));
    }
  }

  problem(): string | null {
    if (this.#wrong !== null) return this.#wrong;
    if (this.#expect === "magic") return "it is empty";
    if (this.#expect !== "header" || this.#used > 0 || this.#left > 0) return "it ends too early";
    const [missing] = this.#open;
    return missing ? `it ends before collection ${missing} does` : null;
  }

  #takeWord(word: number): void {
    if (this.#expect === "magic") {
      if (word >>> 0 !== MAGIC) this.#wrong = "it is no archive of mongodump";
      this.#expect = "prelude";
    } else if (word === SEPARATOR) {
      if (this.#expect === "header") this.#wrong = "it holds a header too few";
      this.#expect = "header";
    } else if (word < 5 || word > LARGEST) {
      this.#wrong = "it holds something that is no document";
    } else {
      const isHeader = this.#expect === "header";
      if (isHeader && word > HEADER_MOST) this.#wrong = "it holds a header that is too long";
      this.#document = isHeader ? [...this.#word] : null;
      this.#left = word - 4;
    }
  }

  #endDocument(): void {
    if (!this.#document) return;
    const header = readHeader(Uint8Array.from(this.#document));
    this.#document = null;
    this.#expect = "documents";
    if (!header) return void (this.#wrong = "it holds a header that cannot be read");
    const name = `${header.db}.${header.collection}`;
    if (header.eof) this.#open.delete(name);
    else this.#open.add(name);
  }
}

/** `{db: string, collection: string, EOF: bool, CRC: int64}` in BSON. */
function readHeader(bytes: Uint8Array): { db: string; collection: string; eof: boolean } | null {
  const view = new DataView(bytes.buffer);
  const text = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to));
  const found: Record<string, string | boolean> = {};
  for (let at = 4; at < bytes.length - 1;) {
    const type = bytes[at++];
    const end = bytes.indexOf(0, at);
    if (end < 0) return null;
    const key = text(at, end);
    at = end + 1;
    if (type === 0x02 && at + 4 <= bytes.length) {
      const length = view.getInt32(at, true);
      if (length < 1 || at + 4 + length > bytes.length) return null;
      found[key] = text(at + 4, at + 3 + length);
      at += 4 + length;
    } else if (type === 0x08) found[key] = bytes[at++] === 1;
    else if (type === 0x10) at += 4;
    else if (type === 0x12 || type === 0x01 || type === 0x09) at += 8;
    else if (type !== 0x0a) return null;
  }
  const { db, collection, EOF } = found;
  if (typeof db !== "string" || typeof collection !== "string") return null;
  return { db, collection, eof: EOF === true };
}
