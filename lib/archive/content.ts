/** The content of an entry from any byte on, whether it lies there as it is, with holes, or as a recipe. */
import type { ArchiveFile } from "./archive_file.ts";
import type { BlockWindow } from "./block_window.ts";
import type { Codec } from "./codec.ts";
import { corrupt } from "./corrupt.ts";
import { type EntryPlace, LONGEST_RECIPE, readRecipe, type Recipe } from "./recipe.ts";
import { RECIPES } from "./self_entries.ts";
import type { Pause } from "./seek_reader.ts";
import { BLOCK } from "./tar_header.ts";
import { type TarEntry, TarParser } from "./tar_parser.ts";

/** Where blocks of an archive are read. */
export interface Blocks {
  file: ArchiveFile;
  window: BlockWindow;
}

/** Who knows the archives. */
export interface Chain {
  /** The archive of a backup; the one the asking recipe lies in for null. */
  named(backup: string | null, asking: string): string;
  /** Blocks of an archive, near to `offset`. */
  blocks(archive: string, offset: number): Blocks;
  content(archive: string, place: EntryPlace): Promise<Content>;
}

export interface Sink {
  data(bytes: Uint8Array): void;
  hole(length: number): void;
  /** Instead of `data`, where there is this: a block of which all is content that is asked for. */
  block?(block: WholeBlock): void;
}

export interface WholeBlock {
  /** Its content. */
  bytes: Uint8Array;
  compression: Codec;
  /** The bytes in the archive's file, to be asked for at once. Throws IO. */
  raw(): Uint8Array;
}

/** A stretch of content. */
export interface Part {
  length: number;
  hole: boolean;
}

const SLICE = 256 << 10;
/** Recipes that are made of recipes are made of recipes...: no chain is that long. */
const DEEPEST = 200;

/** A stretch of the content: data from byte `stored` on of what is stored, or, for null, a hole. */
interface Segment {
  length: number;
  stored: number | null;
}

export class Content {
  #segments: Segment[] = [];
  /** What it is made of; null for what lies there itself. */
  recipe: Recipe | null = null;
  /** A block that was read, and where it begins, counted from the entry's first header. */
  #cursor: { offset: number; start: number; content: number; length: number } | null = null;
  /** Length of the headers. */
  #head = 0;

  private constructor(
    readonly chain: Chain,
    readonly archive: string,
    readonly place: EntryPlace,
  ) {}

  /** Reads the headers of the file at `place`. Throws ARCHIVE_CORRUPT, IO, INTERRUPTED. */
  static async open(chain: Chain, archive: string, place: EntryPlace): Promise<Content> {
    const self = new Content(chain, archive, place);
    let entry = null as TarEntry | null;
    const parser = new TarParser(archive, {
      entry: (found) => void (entry ??= found),
      data() {},
      hole() {},
      end() {},
    });
    for (let at = 0; entry === null; at += BLOCK) {
      // An extended header has 1 MiB at most.
      const data = (bytes: Uint8Array) => parser.feed(bytes, place.offset, place.inner + at);
      await self.#raw(at, BLOCK, { data });
      self.#head = at + BLOCK;
    }
    if (entry.type !== "file") throw self.#corrupt(`a ${entry.type} has no content`);
    if (entry.path.startsWith(RECIPES)) await self.#openRecipe(entry.stored);
    else if (parser.sparse) await self.#openSparse(entry);
    else self.#segments = [{ length: entry.size, stored: 0 }];
    return self;
  }

  async #openRecipe(size: number): Promise<void> {
    if (size > LONGEST_RECIPE) throw this.#corrupt("its recipe is too long");
    this.recipe = readRecipe(new TextDecoder().decode(await this.#all(0, size)));
    if (this.recipe === null) throw this.#corrupt("its recipe makes no sense");
  }

  /** Reads a map as `mapHeader` of sparse_map.ts writes it. */
  async #openSparse({ size, stored }: TarEntry): Promise<void> {
    let text = "";
    let read = 0;
    const numbers: number[] = [];
    for (let wanted = 1; numbers.length < wanted;) {
      if (read + BLOCK > stored) throw this.#corrupt("the map of a sparse file is not complete");
      text += new TextDecoder().decode(await this.#all(read, BLOCK));
      read += BLOCK;
      const lines = text.split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        if (numbers.length === wanted) break;
        numbers.push(Number(line));
        if (numbers.length === 1) wanted = 1 + 2 * numbers[0];
      }
    }
    let end = 0;
    let at = read;
    for (let i = 1; i < numbers.length; i += 2) {
      const [offset, length] = [numbers[i], numbers[i + 1]];
      if (!(offset >= end && offset + length <= size)) {
        throw this.#corrupt("a sparse map is not in order");
      }
      if (offset > end) this.#segments.push({ length: offset - end, stored: null });
      if (length > 0) this.#segments.push({ length, stored: at });
      at += length;
      end = offset + length;
    }
    if (end < size) this.#segments.push({ length: size - end, stored: null });
  }

  /** Hands on `length` bytes from `offset` on. Throws ARCHIVE_CORRUPT, IO, INTERRUPTED. */
  async copy(offset: number, length: number, to: Sink, pause: Pause, depth = 0): Promise<void> {
    if (depth > DEEPEST) throw this.#corrupt("its recipe leads nowhere");
    let start = 0;
    let done = 0;
    for (const part of this.recipe?.ranges ?? this.#segments) {
      const skip = Math.max(offset - start, 0);
      const count = Math.min(start + part.length, offset + length) - (start + skip);
      start += part.length;
      if (count <= 0) continue;
      if ("stored" in part) {
        if (part.stored === null) to.hole(count);
        else await this.#raw(this.#head + part.stored + skip, count, to, pause);
      } else if (part.from === null) to.hole(count);
      else {
        const archive = this.chain.named(part.from.backup, this.archive);
        const content = await this.chain.content(archive, part.from);
        await content.copy(part.from.at + skip, count, to, pause, depth + 1);
      }
      done += count;
      if (start >= offset + length) break;
    }
    if (done !== length) throw this.#corrupt("it is shorter than what is wanted of it");
  }

  /** What `copy` would hand on, as lengths of data and holes: only headers and recipes are read. */
  async *layout(offset: number, length: number, depth = 0): AsyncGenerator<Part> {
    if (depth > DEEPEST) throw this.#corrupt("its recipe leads nowhere");
    let start = 0;
    for (const part of this.recipe?.ranges ?? this.#segments) {
      const skip = Math.max(offset - start, 0);
      const count = Math.min(start + part.length, offset + length) - (start + skip);
      start += part.length;
      if (count <= 0) continue;
      if ("stored" in part) yield { length: count, hole: part.stored === null };
      else if (part.from === null) yield { length: count, hole: true };
      else {
        const archive = this.chain.named(part.from.backup, this.archive);
        const content = await this.chain.content(archive, part.from);
        yield* content.layout(part.from.at + skip, count, depth + 1);
      }
      if (start >= offset + length) break;
    }
  }

  async #all(from: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let used = 0;
    const data = (part: Uint8Array) => {
      bytes.set(part, used);
      used += part.length;
    };
    await this.#raw(this.#head + from, length, { data });
    return bytes;
  }

  /** Hands on `length` bytes of the tar stream, `from` bytes behind the entry's first header. */
  async #raw(
    from: number,
    length: number,
    to: Omit<Sink, "hole">,
    pause: Pause = () => undefined,
  ): Promise<void> {
    const { archive, chain, place } = this;
    for (let at = from; at < from + length;) {
      const { file, window } = chain.blocks(archive, this.#cursor?.offset ?? place.offset);
      let cursor = this.#cursor;
      if (cursor === null || cursor.start > at) {
        const cut = file.cutAt(place.offset);
        if (cut === null) throw this.#corrupt("no entry begins where its recipe says");
        const { offset, content, length } = cut;
        cursor = { offset, start: -place.inner, content, length };
      }
      while (cursor.start + cursor.content <= at) {
        const cut = file.cutAt(cursor.offset + cursor.length);
        if (cut === null) throw this.#corrupt("the archive is cut short");
        const { offset, content, length } = cut;
        cursor = { offset, start: cursor.start + cursor.content, content, length };
      }
      this.#cursor = cursor;
      const block = await window.at(cursor.offset);
      if (block === null) throw this.#corrupt("the archive is cut short");
      const end = Math.min(from + length, cursor.start + cursor.content);
      if (to.block && end - cursor.start === cursor.content && at === cursor.start) {
        const { offset, length, content } = cursor;
        const { compression } = file;
        if (compression !== "none") {
          const raw = () => file.load({ offset, length, content, codec: compression });
          to.block({ bytes: block.bytes, compression, raw });
          at = end;
          const wait = pause();
          if (wait !== undefined) await wait;
          continue;
        }
      }
      while (at < end) {
        const piece = block.bytes.subarray(
          at - cursor.start,
          Math.min(end, at + SLICE) - cursor.start,
        );
        to.data(piece);
        at += piece.length;
        const wait = pause();
        if (wait !== undefined) await wait;
      }
    }
  }

  #corrupt(state: string) {
    return corrupt(this.archive, state, { offset: this.place.offset, inner: this.place.inner });
  }
}
