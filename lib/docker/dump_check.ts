/** Whether a dump is whole: each kind says so in its own way, and one that does not is no backup. */
import type { DumpKind } from "./labels.ts";
import { MongoArchiveCheck } from "./mongo_archive_check.ts";
import { RdbCheck } from "./rdb_check.ts";

/** Is fed all bytes of a dump, in order, then asked. */
export interface DumpCheck {
  feed(bytes: Uint8Array): void;
  /** Why it is not whole, as the end of a sentence; null where it is. */
  problem(): string | null;
  /** Bytes from the beginning that are the dump, known after `problem`; null for all. */
  readonly keep: number | null;
}

/** `size`: bytes that will be fed. */
export function dumpCheck(kind: DumpKind, size: number): DumpCheck {
  switch (kind) {
    case "postgres":
      return new TextCheck(
        size,
        /^-- PostgreSQL database cluster dump\b/m,
        /^-- PostgreSQL database cluster dump complete$/m,
      );
    case "mysql":
    case "mariadb":
      return new TextCheck(size, /^(-- (MariaDB|MySQL) dump|\/\*M?!)/m, /^-- Dump completed\b/m);
    case "mongodb":
      return new MongoArchiveCheck();
    case "redis":
      return new RdbCheck(size);
    case "sqlite":
      return new SqliteCheck(size);
  }
}

/** How much of the beginning and the end is looked at. */
const LOOK = 4096;

/** A script that says at its end that it is complete. */
class TextCheck implements DumpCheck {
  readonly keep = null;
  readonly #head = new Ends(LOOK);

  constructor(readonly size: number, readonly begin: RegExp, readonly end: RegExp) {}

  feed(bytes: Uint8Array): void {
    this.#head.feed(bytes);
  }

  problem(): string | null {
    if (this.size === 0) return "it is empty";
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (!this.begin.test(text(this.#head.first))) return "it does not begin as such a dump does";
    if (this.end.test(text(this.#head.last))) return null;
    return "it does not say at its end that it is complete";
  }
}

/** https://www.sqlite.org/fileformat2.html: magic, size of a page at 16, number of pages at 28. */
class SqliteCheck implements DumpCheck {
  readonly keep = null;
  readonly #head = new Ends(100);

  constructor(readonly size: number) {}

  feed(bytes: Uint8Array): void {
    this.#head.feed(bytes);
  }

  problem(): string | null {
    // A database in which nothing was ever made is an empty file.
    if (this.size === 0) return null;
    const head = this.#head.first;
    if (
      head.length < 100 || new TextDecoder().decode(head.subarray(0, 16)) !== "SQLite format 3\0"
    ) {
      return "it is no SQLite database";
    }
    const view = new DataView(head.buffer, head.byteOffset);
    const page = view.getUint16(16) === 1 ? 65_536 : view.getUint16(16);
    const bytes = page * view.getUint32(28);
    return bytes === this.size ? null : `it has ${this.size} bytes of ${bytes}`;
  }
}

/** The first and the last bytes of a stream. */
class Ends {
  first = new Uint8Array(0);
  last = new Uint8Array(0);

  constructor(readonly most: number) {}

  feed(bytes: Uint8Array): void {
    if (this.first.length < this.most) {
      this.first = joined(this.first, bytes.subarray(0, this.most - this.first.length));
    }
    this.last = joined(this.last, bytes.subarray(-this.most)).slice(-this.most);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
