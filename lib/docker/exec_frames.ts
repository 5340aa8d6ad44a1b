/** Takes the two outputs of a command apart that the engine sends over one connection. */

export type ExecStream = "stdout" | "stderr";

/** Called for each piece, in order. The bytes are a view: valid until the call is over. */
export type FrameSink = (stream: ExecStream, bytes: Uint8Array) => void | Promise<void>;

const HEADER = 8;

/**
 * Frames of 8 bytes (stream, 0, 0, 0, length big-endian) and payload, which may be cut anywhere. Each
 * piece of payload is awaited before the next is looked at, so a slow sink holds the sender back.
 */
export class FrameReader {
  readonly #header = new Uint8Array(HEADER);
  #used = 0;
  /** Payload still to come of the frame that was begun. */
  #left = 0;
  #stream: ExecStream = "stdout";

  constructor(readonly sink: FrameSink) {}

  /** True between two frames: an end anywhere else is a connection that broke. */
  get whole(): boolean {
    return this.#left === 0 && this.#used === 0;
  }

  /** Raises SyntaxError where the bytes are no frames. */
  async feed(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#left === 0) {
        at += this.#takeHeader(bytes.subarray(at));
        continue;
      }
      const piece = bytes.subarray(at, at + this.#left);
      this.#left -= piece.length;
      at += piece.length;
      await this.sink(this.#stream, piece);
    }
  }

  /** Bytes taken of a header; with its last one the frame begins. */
  #takeHeader(bytes: Uint8Array): number {
    const taken = Math.min(HEADER - this.#used, bytes.length);
    this.#header.set(bytes.subarray(0, taken), this.#used);
    this.#used += taken;
    if (this.#used < HEADER) return taken;
    this.#used = 0;
    const [stream, a, b, c] = this.#header;
    if (stream > 2 || a !== 0 || b !== 0 || c !== 0) {
      throw new SyntaxError("the engine sent something that is no output of a command");
    }
    this.#stream = stream === 2 ? "stderr" : "stdout";
    this.#left = new DataView(this.#header.buffer).getUint32(4);
    return taken;
  }
}
