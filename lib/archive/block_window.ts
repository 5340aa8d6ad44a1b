/** The blocks of an archive from any place on: one at a time, and no more of them than are needed. */
import { throwIfAborted } from "../core/errors.ts";
import type { ArchiveFile, Cut } from "./archive_file.ts";
import { CodecPool, defaultWorkers } from "./codec_pool.ts";
import { type Answer, perform, type Task } from "./codec_task.ts";
import { corrupt } from "./corrupt.ts";

/** A decompressed block; its bytes are valid until the window moves on. */
export interface Block {
  bytes: Uint8Array;
  /** Where it begins in the archive file. */
  offset: number;
}

interface Ahead {
  cut: Cut;
  answer: Promise<Answer> | Answer;
}

/** Tar stream from which on several threads are faster than one that is there already. */
const MANY = 16 << 20;

/** Threads that several windows share, started when the first of them wants them. */
export class SharedPool implements Disposable {
  #pool: CodecPool | null = null;

  get(): CodecPool {
    return this.#pool ??= new CodecPool(defaultWorkers());
  }

  [Symbol.dispose](): void {
    this.#pool?.[Symbol.dispose]();
  }
}

export class BlockWindow implements Disposable {
  #current: (Block & { end: number }) | null = null;
  #ahead: Ahead[] = [];
  #pool: CodecPool | null = null;

  /** `shared` is for reading much of the archive: blocks are then begun on before they are wanted. */
  constructor(
    readonly file: ArchiveFile,
    readonly signal?: AbortSignal,
    readonly shared: SharedPool | null = null,
  ) {}

  /** Where the current block begins; -1 before the first one. */
  get position(): number {
    return this.#current?.offset ?? -1;
  }

  /** The block that begins at `offset`. Throws ARCHIVE_CORRUPT where none does, IO, INTERRUPTED. */
  async at(offset: number): Promise<Block | null> {
    if (this.#current?.offset === offset) return this.#current;
    const follows = this.#current?.end === offset;
    while (this.#ahead.length > 0 && this.#ahead[0].cut.offset < offset) this.#ahead.shift();
    if (this.#ahead.length > 0 && this.#ahead[0].cut.offset > offset) this.#ahead = [];
    if (this.#ahead.length === 0 && !this.#load(offset)) return null;
    const block = await this.#take();
    if (this.shared !== null && follows) this.want(Infinity);
    return block;
  }

  /** The block behind the current one; null behind the last. */
  async next(): Promise<Block | null> {
    return await this.at(this.#current!.end);
  }

  /** Begins on blocks behind the current one until they hold `bytes` of tar stream. */
  want(bytes: number): void {
    if (this.#pool === null) {
      if (bytes < MANY || this.file.compression === "none") return;
      this.#pool = this.shared?.get() ?? new CodecPool(defaultWorkers());
    }
    const most = this.file.compression === "zstd" ? this.#pool.size : this.#pool.size * 2;
    let held = this.#ahead.reduce((sum, { cut }) => sum + cut.content, 0);
    while (held < bytes && this.#ahead.length < most) {
      const last = this.#ahead.at(-1)?.cut;
      if (!this.#load(last ? last.offset + last.length : this.#current!.end)) return;
      held += this.#ahead.at(-1)!.cut.content;
    }
  }

  #load(offset: number): boolean {
    const cut = this.file.cutAt(offset);
    if (cut === null) return false;
    const bytes = this.file.load(cut);
    const input = bytes.buffer;
    if (cut.codec === null) {
      this.#ahead.push({ cut, answer: { ok: true, output: bytes, input } });
      return true;
    }
    const { codec, content: size, length } = cut;
    const task: Task = { act: "decompress", codec, size, input, length };
    const answer = this.#pool === null ? perform(task) : this.#pool.run(task);
    // It is awaited later, in order; until then nobody handles it.
    if (answer instanceof Promise) answer.catch(() => {});
    this.#ahead.push({ cut, answer });
    return true;
  }

  async #take(): Promise<Block> {
    const { cut, answer } = this.#ahead.shift()!;
    const done = await answer;
    throwIfAborted(this.signal);
    if (!done.ok) throw corrupt(this.file.path, done.error, { offset: cut.offset });
    this.#release();
    this.#current = { bytes: done.output, offset: cut.offset, end: cut.offset + cut.length };
    return this.#current;
  }

  /** Frees the memory now: waiting for the collector costs a gigabyte. */
  #release(): void {
    (this.#current?.bytes.buffer as ArrayBuffer | undefined)?.transfer(0);
    this.#current = null;
  }

  [Symbol.dispose](): void {
    if (this.shared === null) this.#pool?.[Symbol.dispose]();
    this.#ahead = [];
    this.#release();
  }
}
