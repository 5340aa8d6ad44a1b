/**
 * Cuts the tar stream into blocks, has a pool compress them, and writes them out in order. Headers
 * and file contents are put straight into the block's buffer; buffers go to a worker and come back.
 */
import { createHash } from "node:crypto";
import { DuckbackError, interrupted } from "../core/errors.ts";
import type { Compression } from "../core/model.ts";
import { BLOCK_BYTES, mostCompressed } from "./codec.ts";
import { CodecPool, defaultWorkers } from "./codec_pool.ts";
import { perform } from "./codec_task.ts";
import { BlockTable } from "./block_table.ts";
import { writeSeekTable } from "./seek_table.ts";

export interface BlockWriterOptions {
  compression: Compression;
  level: number;
  workers?: number;
  /** Called with one block after another; the bytes may be used again once it has returned. */
  write: (bytes: Uint8Array) => void | Promise<void>;
  /** Called after each block is written. */
  onWritten?: () => void;
  signal: AbortSignal;
}

/** A block's place in the archive; `offset` is -1 until everything before it is compressed. */
export interface BlockRef {
  offset: number;
}

/** A block's bytes as they are to be written; behind that their buffer goes to `home`, to be used again. */
interface Compressed {
  bytes: Uint8Array;
  home: ArrayBuffer[];
}

interface Sealed {
  ref: BlockRef;
  content: number;
  result: Promise<Compressed>;
}

/** Blocks no longer than this are not worth the way to another thread. */
const INLINE: Record<Compression, number> = { gzip: 256 << 10, zstd: 1 << 20, none: Infinity };

export class BlockWriter implements Disposable {
  /** The block being filled, and how much of it is. Write behind `used`, then call `advance`. */
  buffer: Uint8Array;
  used = 0;
  #ref: BlockRef = { offset: -1 };
  readonly #free: ArrayBuffer[] = [];
  /** Buffers for what blocks are compressed to. */
  readonly #rooms: ArrayBuffer[] = [];
  #mostSealed: number;
  /** Buffers that may still be made besides. */
  #spare = 0;
  /** What compresses; null where nothing is compressed. */
  readonly pool: CodecPool | null;
  readonly #sealed: Sealed[] = [];
  /** The blocks written so far. Contents may be corrected until `finish`. */
  table = new BlockTable();
  #hash = createHash("sha256");
  #written = 0;
  #content = 0;
  #draining = false;
  #failure: Error | null = null;
  #wake: (() => void) | null = null;
  readonly #onAbort = () => this.#fail(abortError(this.options.signal));

  constructor(readonly options: BlockWriterOptions) {
    const workers = options.workers ?? defaultWorkers();
    const blockBytes = BLOCK_BYTES[options.compression];
    this.pool = options.compression === "none" ? null : new CodecPool(workers);
    // One for each worker, and one that waits for a worker while the next is filled.
    for (let i = 0; i < workers + 1; i++) this.#free.push(new ArrayBuffer(blockBytes));
    this.#mostSealed = workers * 2 + 1;
    this.buffer = new Uint8Array(blockBytes);
    options.signal.addEventListener("abort", this.#onAbort);
    if (options.signal.aborted) this.#onAbort();
  }

  /** Bytes that still fit into the block being filled; never 0. */
  get space(): number {
    return this.buffer.length - this.used;
  }

  /** Uncompressed bytes so far. */
  get content(): number {
    return this.#content + this.used;
  }

  /** The block being filled: what is put next begins in it, at `used`. */
  get ref(): BlockRef {
    return this.#ref;
  }

  /**
   * True where at least one whole block can be put without waiting; otherwise `await wait()` first.
   * Must be asked before each `put`, and before each `advance` that may fill the block.
   */
  get ready(): boolean {
    return this.#free.length + this.#spare > 0 && this.#sealed.length < this.#mostSealed &&
      this.#failure === null;
  }

  /** Waits until `ready`. Throws what went wrong in a worker or in `write`, and INTERRUPTED. */
  async wait(): Promise<void> {
    while (!this.ready) {
      this.#check();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Puts up to a block's worth of bytes. */
  put(bytes: Uint8Array): void {
    const first = Math.min(bytes.length, this.space);
    this.buffer.set(first === bytes.length ? bytes : bytes.subarray(0, first), this.used);
    this.advance(first);
    if (first === bytes.length) return;
    this.buffer.set(bytes.subarray(first));
    this.advance(bytes.length - first);
  }

  /** Puts up to a block's worth of zeros. */
  zeros(count: number): void {
    const first = Math.min(count, this.space);
    this.buffer.fill(0, this.used, this.used + first);
    this.advance(first);
    if (first === count) return;
    this.buffer.fill(0, 0, count - first);
    this.advance(count - first);
  }

  /** Takes `count` bytes that were written behind `used`. */
  advance(count: number): void {
    this.used += count;
    if (this.used === this.buffer.length) this.#seal();
  }

  /** Ends the block being filled, even if there is room in it: what is put next begins a new one. */
  async flush(): Promise<void> {
    if (!this.ready) await this.wait();
    this.#seal();
  }

  /**
   * Writes a block that is compressed already, of `content` bytes of tar stream, as it is. What is being
   * filled ends before it. The bytes are copied.
   */
  async raw(bytes: Uint8Array, content: number): Promise<BlockRef> {
    await this.flush();
    if (!this.ready) await this.wait();
    const most = mostCompressed(this.buffer.length);
    const usual = bytes.length <= most;
    const room = (usual ? this.#rooms.pop() : null) ??
      new ArrayBuffer(Math.max(most, bytes.length));
    const copy = new Uint8Array(room, 0, bytes.length);
    copy.set(bytes);
    const ref = { offset: -1 };
    const result = Promise.resolve({ bytes: copy, home: usual ? this.#rooms : [] });
    this.#sealed.push({ ref, content, result });
    this.#content += content;
    void this.#drain();
    return ref;
  }

  #seal(): void {
    if (this.used === 0) return;
    const { used } = this;
    this.#sealed.push({ ref: this.#ref, content: used, result: this.#compress(used) });
    this.#content += used;
    this.#ref = { offset: -1 };
    this.used = 0;
    this.buffer = new Uint8Array(this.#free.pop() ?? this.#more());
    void this.#drain();
  }

  #more(): ArrayBuffer {
    // `ready` was true before the bytes were put, so there is one.
    if (this.#spare-- === 0) throw new DuckbackError("INTERNAL", "No block buffer is free");
    return new ArrayBuffer(this.buffer.length);
  }

  /**
   * Lets `bytes` more be put without waiting for their compression: while services are down, reading
   * is all that counts.
   */
  hasten(bytes: number): void {
    const blocks = Math.floor(bytes / this.buffer.length);
    this.#spare += blocks;
    this.#mostSealed += blocks;
  }

  /** Compresses the block being filled, of which `length` bytes are used. */
  #compress(length: number): Promise<Compressed> {
    const { compression: codec, level } = this.options;
    const buffer = this.buffer.buffer as ArrayBuffer;
    if (this.pool === null || codec === "none") {
      const bytes = this.buffer.subarray(0, length);
      return Promise.resolve({ bytes, home: this.#free });
    }
    const room = this.#rooms.pop() ?? new ArrayBuffer(mostCompressed(this.buffer.length));
    const task = { act: "compress" as const, codec, level, input: buffer, length, room };
    const answer = length <= INLINE[codec] ? perform(task) : this.pool.run(task);
    const result = Promise.resolve(answer).then((answer) => {
      if (!answer.ok) {
        throw new DuckbackError("INTERNAL", `Cannot compress a block: ${answer.error}`);
      }
      this.#free.push(answer.input);
      this.#wakeUp();
      return { bytes: answer.output, home: this.#rooms };
    });
    result.catch(() => {}); // It is awaited later, in order; until then nobody handles it.
    return result;
  }

  /** Writes finished blocks in order; runs while there are any. */
  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    try {
      for (let next = this.#sealed[0]; next !== undefined; next = this.#sealed[0]) {
        const { bytes, home } = await next.result;
        if (this.#failure !== null) return;
        next.ref.offset = this.#written;
        this.#written += bytes.length;
        this.table.add(next.content, next.ref.offset, bytes.length);
        await this.#writeOut(bytes);
        if (this.#failure !== null) return;
        home.push(bytes.buffer as ArrayBuffer);
        this.#sealed.shift();
        this.options.onWritten?.();
        this.#wakeUp();
      }
    } catch (error) {
      this.#fail(error as Error);
    } finally {
      this.#draining = false;
      this.#wakeUp();
    }
  }

  async #writeOut(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    const pending = this.options.write(bytes);
    if (pending !== undefined) await pending;
  }

  /** Ends the block being filled and waits until everything is written. Returns the bytes so far. */
  async settle(): Promise<number> {
    await this.flush();
    while (this.#sealed.length > 0) {
      this.#check();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    this.#check();
    return this.#written;
  }

  /**
   * Takes note that what was written was changed: it is now `bytes` long, which `read` gives in order.
   * For use behind `settle`; what is put next comes behind them.
   */
  async rewritten(bytes: number, read: () => AsyncIterable<Uint8Array>): Promise<void> {
    this.#hash = createHash("sha256");
    for await (const piece of read()) this.#hash.update(piece);
    this.#written = bytes;
  }

  /** Writes everything out. Returns the archive's length in bytes and its SHA-256 (hex). */
  async finish(): Promise<{ bytes: number; sha256: string }> {
    await this.settle();
    if (this.options.compression === "zstd") {
      const table = writeSeekTable(
        [...this.table].map(({ length, content }) => ({ compressed: length, content })),
      );
      this.#written += table.length;
      await Promise.race([this.#writeOut(table), this.#failed()]);
      this.#check();
    }
    return { bytes: this.#written, sha256: this.#hash.digest("hex") };
  }

  /** Ends the workers. Must be called on every way out. */
  [Symbol.dispose](): void {
    this.options.signal.removeEventListener("abort", this.#onAbort);
    this.#failure ??= new DuckbackError("INTERNAL", "Cannot write: the archive is closed");
    this.pool?.[Symbol.dispose]();
    // The collector may be long in coming, and verification needs as much again.
    for (const buffer of [...this.#free.splice(0), ...this.#rooms.splice(0)]) buffer.transfer(0);
    this.#wakeUp();
  }

  /** Resolves once something has failed. */
  async #failed(): Promise<void> {
    while (this.#failure === null) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  #check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof DuckbackError ? signal.reason : interrupted(signal.reason);
}
