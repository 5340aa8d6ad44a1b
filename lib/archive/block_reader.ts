/** Reads an archive's blocks in order while a pool decompresses the next ones. */
import { throwIfAborted } from "../core/errors.ts";
import { ArchiveFile, type Cut } from "./archive_file.ts";
import { CodecPool, defaultWorkers } from "./codec_pool.ts";
import { type Answer, perform, type Task } from "./codec_task.ts";
import { corrupt } from "./corrupt.ts";

/** A piece of tar stream. */
export interface Chunk {
  bytes: Uint8Array;
  /** Where its block begins in the archive file, and where in the block `bytes` begin. */
  offset: number;
  inner: number;
}

/** What gives the tar stream piece by piece; null at its end. */
export interface ChunkSource {
  next(): Promise<Chunk | null>;
}

export interface BlockReaderOptions {
  signal?: AbortSignal;
  /** 0 decompresses in this thread: right for a few blocks, where starting a worker would cost more. */
  workers?: number;
  /** Called with the bytes of the file, in order, as they are read. */
  onRaw?: (bytes: Uint8Array) => void;
}

/** An archive this long is decompressed before a worker would have started. */
const SMALL = 512 << 10;

/** Buffers are a multiple of this long, so that most fit the next block too. */
const BUFFER_STEP = 256 << 10;

interface Ahead {
  cut: Cut;
  answer: Promise<Answer>;
}

export class BlockReader implements ChunkSource, Disposable {
  readonly #pool: CodecPool | null;
  readonly #ahead: Ahead[] = [];
  /** Buffers of compressed blocks, to be used again. */
  readonly #free: ArrayBuffer[] = [];
  /** Buffers for what blocks are decompressed to. */
  readonly #rooms: ArrayBuffer[] = [];
  /** What `next` gave last; its buffer is used again. */
  #given: Uint8Array | null = null;
  #raw: Uint8Array | null = null;
  readonly #most: number;
  #ended = false;
  /** Ends the workers, and with them whatever waits for one. */
  readonly #onAbort = () => this.#pool?.[Symbol.dispose]();

  constructor(readonly file: ArchiveFile, readonly options: BlockReaderOptions = {}) {
    const workers = options.workers ?? (file.size <= SMALL ? 0 : defaultWorkers());
    this.#pool = workers === 0 || file.compression === "none" ? null : new CodecPool(workers);
    // zstd's blocks are large: one for each worker is enough, and memory counts.
    this.#most = Math.max(1, file.compression === "zstd" ? workers : workers * 2);
    options.signal?.addEventListener("abort", this.#onAbort);
  }

  /**
   * The bytes are valid until the next call. Throws ARCHIVE_CORRUPT where a block is damaged, IO,
   * INTERRUPTED.
   */
  async next(): Promise<Chunk | null> {
    throwIfAborted(this.options.signal);
    this.#release();
    this.#readAhead();
    const head = this.#ahead.shift();
    if (head === undefined) return null;
    const answer = await this.#answer(head);
    const { offset } = head.cut;
    if (!answer.ok) throw corrupt(this.file.path, answer.error, { offset });
    this.#given = answer.output;
    if (head.cut.codec !== null) this.#raw = new Uint8Array(answer.input, 0, head.cut.length);
    return { bytes: answer.output, offset, inner: 0 };
  }

  /**
   * The bytes in the file of what `next` gave last, padding included; as valid as that. Null for an archive
   * that is not compressed.
   */
  get raw(): Uint8Array | null {
    return this.#raw;
  }

  async #answer(head: Ahead): Promise<Answer> {
    try {
      return await head.answer;
    } catch (error) {
      throwIfAborted(this.options.signal);
      throw error;
    }
  }

  #readAhead(): void {
    while (!this.#ended && this.#ahead.length < this.#most) {
      const cut = this.file.cut();
      if (cut === null) {
        this.#ended = true;
        if (this.file.table !== null) this.options.onRaw?.(this.file.table);
        return;
      }
      const bytes = this.file.load(cut, take(this.#free, cut.length));
      this.options.onRaw?.(bytes);
      this.#ahead.push({ cut, answer: this.#decompress(cut, bytes) });
    }
  }

  #release(): void {
    if (this.#raw !== null) this.#free.push(this.#raw.buffer as ArrayBuffer);
    this.#raw = null;
    const buffer = this.#given?.buffer as ArrayBuffer | undefined;
    this.#given = null;
    if (buffer === undefined) return;
    if (this.file.compression === "none") this.#free.push(buffer);
    else this.#rooms.push(buffer);
  }

  #decompress(cut: Cut, bytes: Uint8Array<ArrayBuffer>): Promise<Answer> {
    const { codec, content: size } = cut;
    const input = bytes.buffer;
    if (codec === null) return Promise.resolve({ ok: true, output: bytes, input });
    const room = take(this.#rooms, size);
    const task: Task = { act: "decompress", codec, size, input, length: bytes.length, room };
    if (this.#pool === null) return Promise.resolve(perform(task));
    const answer = this.#pool.run(task);
    answer.catch(() => {}); // It is awaited later, in order; until then nobody handles it.
    return answer;
  }

  [Symbol.dispose](): void {
    this.options.signal?.removeEventListener("abort", this.#onAbort);
    this.#pool?.[Symbol.dispose]();
    this.#release();
    for (const buffer of [...this.#free.splice(0), ...this.#rooms.splice(0)]) buffer.transfer(0);
  }
}

/** A buffer of at least `length` bytes: the last of `from` where that will do. */
function take(from: ArrayBuffer[], length: number): ArrayBuffer {
  const known = from.pop();
  if (known !== undefined && known.byteLength >= length) return known;
  known?.transfer(0); // Frees it now: waiting for the collector costs a gigabyte.
  return new ArrayBuffer(Math.ceil(length / BUFFER_STEP) * BUFFER_STEP);
}
