/** The manifest of an earlier backup as the log of an earlier pass: what it holds need not be stored again. */
import { decodePath } from "../core/paths.ts";
import { closeQuietly, open, readAt } from "../posix/files.ts";
import { O_NOFOLLOW, O_RDONLY } from "../posix/libc.ts";
import { unlink } from "../posix/names.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { fstat, type StatView } from "../posix/stat.ts";
import { type Logged, NO_SPAN, type PassLog, type Was } from "./walk_log.ts";

/**
 * Numbers of a record, in their order, a space behind each; then come the path's bytes and a hard link's
 * target, of which the first two give the lengths, and a newline. `exportRows` of lib/catalog writes it.
 */
enum Field {
  PathLength,
  LinkLength,
  /** 1: the path is in hex, since its bytes are not UTF-8; 2: the target is; 3: both are. */
  Hex,
  Row,
  /** Index of the source; -1 for what lies in none: it comes first. */
  Source,
  /** 0 directory, 1 file, 2 hard link, 3 anything else. */
  Was,
  Size,
  Mode,
  Uid,
  Gid,
  MtimeS,
  MtimeNs,
  CtimeS,
  /** -1 where the change time proves nothing. */
  CtimeNs,
  /** The lower 53 bits. */
  Ino,
  Nlink,
  /** The first 52 bits of a file's SHA-256, and the 52 behind them; 0 without one. */
  High,
  Low,
}

const FIELDS = 18;
const KINDS: readonly Was[] = ["directory", "file", "hardlink", "other"];
const NOTHING = { files: 0, entries: 0, bytes: 0 };
const BUFFER = 1 << 20;
const SPACE = 0x20;
const MINUS = 0x2d;
const ZERO = 0x30;

export class RowLog implements PassLog {
  next: string | null = null;
  /** What lies in no source. */
  readonly outside = new Map<string, Logged>();
  readonly #numbers = new Float64Array(FIELDS);
  #link = "";
  /** Of what was taken last; null for no hard link. */
  #linked: string | null = null;
  #buffer = new Uint8Array(BUFFER);
  #at = 0;
  #used = 0;
  /** Where in the file `#buffer` ends. */
  #read = 0;
  readonly #size: number;

  private constructor(readonly path: string, readonly fd: number) {
    this.#size = fstat(fd).size;
    for (this.#advance(); this.next !== null && this.source < 0;) {
      const logged = this.take();
      this.outside.set(logged.path, logged);
    }
  }

  /** Reads the file at `path`, whose name is taken away. Throws IO. */
  static open(path: string): RowLog {
    try {
      const fd = open(path, O_RDONLY | O_NOFOLLOW);
      unlink(path);
      return new RowLog(path, fd);
    } catch (error) {
      throw error instanceof PosixError ? asFileFailure(error) : error;
    }
  }

  /** Reads the same rows once more, from the start. Goes with this one; not to be disposed of itself. */
  again(): RowLog {
    return new RowLog(this.path, this.fd);
  }

  /** What the next record is about, if it is a file. */
  get content() {
    const numbers = this.#numbers;
    return {
      size: numbers[Field.Size],
      row: numbers[Field.Row],
      ino: numbers[Field.Ino],
      high: numbers[Field.High],
      low: numbers[Field.Low],
    };
  }

  get source(): number {
    return this.#numbers[Field.Source];
  }

  matches(stat: StatView): boolean {
    const numbers = this.#numbers;
    if (numbers[Field.CtimeNs] < 0) return false;
    if (
      numbers[Field.CtimeNs] !== stat.ctime_ns || numbers[Field.CtimeS] !== stat.ctime_s ||
      numbers[Field.MtimeNs] !== stat.mtime_ns || numbers[Field.MtimeS] !== stat.mtime_s ||
      numbers[Field.Mode] !== stat.mode || numbers[Field.Nlink] !== stat.nlink ||
      numbers[Field.Uid] !== stat.uid || numbers[Field.Gid] !== stat.gid ||
      numbers[Field.Ino] !== Number(BigInt.asUintN(53, stat.ino))
    ) return false;
    const { type } = stat;
    switch (KINDS[numbers[Field.Was]]) {
      case "directory":
        return type === "directory";
      case "file":
        return type === "file" && numbers[Field.Size] === stat.size;
      case "hardlink": // its size stands where it points to, and cannot change without the change time
        return type !== "directory";
      default:
        return type !== "directory" && type !== "file";
    }
  }

  take(): Logged {
    const numbers = this.#numbers;
    const was = KINDS[numbers[Field.Was]];
    const logged: Logged = {
      path: this.next!,
      source: numbers[Field.Source],
      span: NO_SPAN,
      counted: NOTHING,
      row: numbers[Field.Row],
      was,
    };
    this.#linked = was === "hardlink" ? this.#link : null;
    this.#advance();
    return logged;
  }

  linksTo(first: string | null): boolean {
    return this.#linked === first;
  }

  /** Makes the next record the one that `next` is about. */
  #advance(): void {
    if (!this.#holds(FIELDS * 20)) return void (this.next = null);
    const numbers = this.#numbers;
    for (let field = 0; field < FIELDS; field++) numbers[field] = this.#number();
    const lengths = numbers[Field.PathLength] + numbers[Field.LinkLength];
    this.#holds(lengths + 1);
    const hex = numbers[Field.Hex];
    this.next = this.#text(numbers[Field.PathLength], (hex & 1) !== 0);
    this.#link = this.#text(numbers[Field.LinkLength], (hex & 2) !== 0);
    this.#at++;
  }

  #number(): number {
    const buffer = this.#buffer;
    const negative = buffer[this.#at] === MINUS;
    if (negative) this.#at++;
    let value = 0;
    for (let byte; (byte = buffer[this.#at++]) !== SPACE;) {
      if (byte === undefined) throw new Error(`The rows in "${this.path}" are not complete`);
      value = value * 10 + byte - ZERO;
    }
    return negative ? -value : value;
  }

  #text(length: number, hex: boolean): string {
    if (length === 0) return "";
    const bytes = this.#buffer.subarray(this.#at, this.#at += length);
    return decodePath(hex ? Uint8Array.fromHex(new TextDecoder().decode(bytes)) : bytes);
  }

  /** Loads the file until `count` bytes, or all that are left, are there; false at its end. */
  #holds(count: number): boolean {
    const left = this.#used - this.#at;
    if (left < count && this.#read < this.#size) {
      if (count > this.#buffer.length) {
        const larger = new Uint8Array(count + BUFFER);
        larger.set(this.#buffer.subarray(this.#at, this.#used));
        this.#buffer = larger;
      } else this.#buffer.copyWithin(0, this.#at, this.#used);
      const got = readAt(this.fd, this.#buffer.subarray(left), this.#read, this.path);
      this.#at = 0;
      this.#used = left + got;
      this.#read += got;
    }
    return this.#at < this.#used;
  }

  [Symbol.dispose](): void {
    closeQuietly(this.fd);
  }
}
