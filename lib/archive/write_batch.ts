/**
 * What is to be done with files that are open: content to be written, metadata to be set, gathered in
 * memory that threads share, so that another thread than the one that opened them can do it.
 */
import { close, truncate, writeAt } from "../posix/files.ts";
import { EIO, lastErrno, libc } from "../posix/libc.ts";
import { timespecs } from "../posix/names.ts";
import { PosixError } from "../posix/posix_error.ts";

/** Bytes of content that a batch holds. */
export const ROOM = 1 << 20;
/** Jobs that it holds: half as many files, each of which stays open so long. */
const JOBS = 128;
/** Numbers of a job; see `write` and `end`. */
const FIELDS = 8;
/** Numbers of what a job could not do: the job, which of the lists below, where in that, errno. */
const TROUBLE = 4;
/** At most this many of one job: owner, mode and time, and the error that ended it. */
const TROUBLES = 4;

const WRITE = 0;
const END = 1;
/** In place of an owner or a size: it stays. */
const KEPT = -1;
const NOBODY = { uid: KEPT, gid: KEPT };

/** What may fail without the file being lost. */
const METADATA = ["the owner of", "the mode of", "the time of"] as const;
const SYSCALLS = ["write", "truncate", "close"] as const;
const MISSED = 0;
const FAILED = 1;

/** A file, for messages: its path in the archive, and on disk. */
export interface Written {
  path: string;
  shown: string;
}

/** How a file ends: nothing but this is set, and nothing was set before. */
export interface FileEnd {
  /** Whose it becomes; null leaves its owner. */
  owner: { uid: number; gid: number } | null;
  /** Without setuid and setgid, which depend on the owner. */
  mode: number;
  mtime_s: number;
  mtime_ns: number;
  /** Given where a hole is at the end. */
  size: number | null;
}

/** Tells a thread to make no more than the calls without which descriptors would be lost. */
export interface Stop {
  readonly stopped: boolean;
  stop(): void;
}

export class WriteBatch {
  /** Number of jobs, bytes of content, number of troubles. */
  readonly #used: Int32Array;
  readonly #jobs: Float64Array;
  readonly #troubles: Int32Array;
  readonly #content: Uint8Array;
  /** What each job is about; known only to the thread that adds them. */
  readonly #files: Written[] = [];

  constructor(readonly memory: SharedArrayBuffer = WriteBatch.memory()) {
    const jobs = 16;
    const troubles = jobs + JOBS * FIELDS * 8;
    const content = troubles + JOBS * TROUBLES * TROUBLE * 4;
    this.#used = new Int32Array(memory, 0, 3);
    this.#jobs = new Float64Array(memory, jobs, JOBS * FIELDS);
    this.#troubles = new Int32Array(memory, troubles, JOBS * TROUBLES * TROUBLE);
    this.#content = new Uint8Array(memory, content, ROOM);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(16 + JOBS * (FIELDS * 8 + TROUBLES * TROUBLE * 4) + ROOM);
  }

  /** Makes the batch in this memory empty, whatever became of it. */
  static clear(memory: SharedArrayBuffer): void {
    new Int32Array(memory, 0, 3).fill(0);
  }

  get jobs(): number {
    return this.#used[0];
  }

  /** True where there is room for one more job with so many bytes of content. */
  fits(bytes: number): boolean {
    return this.jobs < JOBS && this.#used[1] + bytes <= ROOM;
  }

  /** Adds content of an open file that begins at byte `at` of it; `fits` must be true. */
  write(file: Written, fd: number, at: number, bytes: Uint8Array): void {
    this.#files.push(file);
    this.#content.set(bytes, this.#used[1]);
    this.#add(WRITE, fd, at, this.#used[1], bytes.length);
    this.#used[1] += bytes.length;
  }

  /** Adds the end of a file, which closes it; `fits(0)` must be true. */
  end(file: Written, fd: number, { owner, mode, mtime_s, mtime_ns, size }: FileEnd): void {
    this.#files.push(file);
    const { uid, gid } = owner ?? NOBODY;
    this.#add(END, fd, uid, gid, mode, mtime_s, mtime_ns, size ?? KEPT);
  }

  #add(...job: number[]): void {
    const at = this.#used[0]++ * FIELDS;
    for (let i = 0; i < job.length; i++) this.#jobs[at + i] = job[i];
  }

  /** Does it all. After an error, or once it is stopped, files are closed and that is all. */
  perform(stop: Stop): void {
    for (let job = 0; job < this.jobs; job++) {
      try {
        this.#do(job, stop.stopped);
      } catch (error) {
        stop.stop();
        const { errno, syscall } = error instanceof PosixError
          ? error
          : { errno: EIO, syscall: "write" };
        this.#trouble(job, FAILED, SYSCALLS.indexOf(syscall as "write"), errno);
      }
    }
  }

  #do(job: number, stopped: boolean): void {
    const jobs = this.#jobs;
    const at = job * FIELDS;
    const fd = jobs[at + 1];
    if (jobs[at] === WRITE) {
      const begin = jobs[at + 3];
      const bytes = this.#content.subarray(begin, begin + jobs[at + 4]);
      if (!stopped) writeAt(fd, bytes, jobs[at + 2]);
      return;
    }
    try {
      if (!stopped) this.#set(job, fd, at + 2);
    } finally {
      close(fd);
    }
  }

  #set(job: number, fd: number, at: number): void {
    const [jobs, uid, size] = [this.#jobs, this.#jobs[at], this.#jobs[at + 5]];
    if (size !== KEPT) truncate(fd, size);
    if (uid !== KEPT && libc.fchown(fd, uid, jobs[at + 1]) !== 0) this.#missed(job, 0);
    if (libc.fchmod(fd, jobs[at + 2]) !== 0) this.#missed(job, 1);
    if (libc.futimens(fd, timespecs(jobs[at + 3], jobs[at + 4])) !== 0) this.#missed(job, 2);
  }

  #missed(job: number, what: number): void {
    this.#trouble(job, MISSED, what, lastErrno());
  }

  #trouble(...trouble: number[]): void {
    this.#troubles.set(trouble, this.#used[2]++ * TROUBLE);
  }

  /**
   * Empties a batch that was performed, and tells what was not set. Throws PosixError where content
   * could not be written.
   */
  settle(missed: (what: string, file: Written, errno: number) => void): void {
    const files = this.#files.splice(0);
    const count = this.#used[2];
    this.#used.fill(0);
    for (let i = 0; i < count; i++) {
      const [job, kind, what, errno] = this.#troubles.subarray(i * TROUBLE, (i + 1) * TROUBLE);
      if (kind === FAILED) throw new PosixError(errno, SYSCALLS[what], files[job].shown);
      missed(METADATA[what], files[job], errno);
    }
  }
}
