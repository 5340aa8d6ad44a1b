/**
 * The first of two passes: stores what keeps still while services run, and notes how it was. The second
 * pass asks of each entry whether it still is so.
 */
import { statfsSync } from "node:fs";
import { throwIfAborted } from "../core/errors.ts";
import type { Source } from "../core/model.ts";
import { closeQuietly, open, syncFileSystem } from "../posix/files.ts";
import { O_NONBLOCK, O_RDONLY } from "../posix/libc.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import { fstat, StatView } from "../posix/stat.ts";
import type { CreateOptions } from "./archive_options.ts";
import type { Packer, Totals } from "./pack.ts";
import {
  type FoundDirectory,
  holes,
  newWalker,
  putFile,
  type StoredDirectories,
} from "./put_source.ts";
import type { Walker } from "./walk.ts";
import { type Logged, type Span, WalkLog, walkOrder } from "./walk_log.ts";
import { Warnings } from "./warnings.ts";

// When is a file the same as it was? When size, times, inode and links are (ctime cannot be set by
// anyone). Two things could deceive:
// - A write within the same tick of the kernel's clock (up to 10 ms) as the change before it. So what
//   changed since shortly before this pass began is left to the second pass.
// - A page that is mapped shared and dirty takes writes without any sign until it is written back. So
//   everything is written back first (syncfs): then the next write to such a page shows.
const TICK_S = 0.05;

/** File systems without write-back: there, writes through a mapping never show (TMPFS, RAMFS). */
const UNTOLD = new Set([0x01021994, 0x858458f6]);
/** Longer paths are left to the second pass: the log's records have bounds. */
const LONGEST_PATH = 100_000;

export class FirstPass implements StoredDirectories, Disposable {
  /** What the second pass found gone, changed or not trustworthy. */
  readonly stale: Span[] = [];
  readonly #untold = new Map<number, boolean>();
  /** Index of the source that is being walked. */
  #source = 0;
  /** What `isStored` said yes to last. */
  #found: Logged | null = null;
  /** Directories above where the walk is, as far as they are stored: outermost first. */
  readonly #above: (FoundDirectory & { logged: Logged })[] = [];

  private constructor(
    readonly log: WalkLog,
    readonly packer: Packer,
    /** Seconds since 1970: what changed later is left to the second pass. */
    readonly quiet_since: number,
  ) {}

  /** Raises what an archive's making does; what cannot be read now is not even warned of. */
  static async run(options: CreateOptions, packer: Packer): Promise<FirstPass> {
    // What was written right before this, a dump for one, is then old enough.
    await new Promise((resolve) => setTimeout(resolve, 1.2 * TICK_S * 1000));
    throwIfAborted(options.signal);
    const log = newLog(options.notes_path!);
    try {
      // The kernel's own clock, whatever somebody makes this process believe.
      const { ctime_s, ctime_ns } = fstat(log.fd);
      const self = new FirstPass(log, packer, ctime_s + ctime_ns / 1e9 - TICK_S);
      const written = await writeBack(options.sources);
      if (written) await self.#walk(options);
      log.rewind();
      return self;
    } catch (error) {
      log[Symbol.dispose]();
      throw error instanceof PosixError ? asFileFailure(error) : error;
    }
  }

  async #walk(options: CreateOptions): Promise<void> {
    const { packer } = this;
    const { writer, pulse, warnings } = packer;
    // The second pass comes by everywhere once more: only its warnings count.
    packer.warnings = new Warnings();
    try {
      using walk = newWalker(options, packer.warnings, true);
      for (const [index, source] of options.sources.entries()) {
        this.begin(index);
        for (let more = walk.begin(source) || walk.next(); more; more = walk.next()) {
          if (pulse.due()) await pulse.beat();
          if (!this.#isQuiet(walk)) {
            if (walk.fd >= 0) closeQuietly(walk.fd);
            walk.fd = -1;
            continue;
          }
          if (!writer.ready) await writer.wait();
          await this.#put(walk);
        }
      }
    } finally {
      packer.warnings = warnings;
    }
  }

  #isQuiet(walk: Walker): boolean {
    const { ctime_s, ctime_ns, dev } = walk.stat;
    if (ctime_s + ctime_ns / 1e9 >= this.quiet_since) return false;
    if (walk.path.length > LONGEST_PATH) return false;
    if (walk.fd < 0) return true;
    let untold = this.#untold.get(dev);
    if (untold === undefined) {
      untold = UNTOLD.has(statfsSync(`/proc/self/fd/${walk.fd}`).type);
      this.#untold.set(dev, untold);
    }
    return !untold;
  }

  async #put(walk: Walker): Promise<void> {
    const { packer, log } = this;
    const { writer, totals, warnings } = packer;
    const start = writer.content;
    const before = { ...totals };
    let settled = true;
    if (walk.fd < 0) packer.addCurrent(walk);
    else {
      await putFile(walk, packer, await holes(walk, packer));
      if (packer.changed !== null) {
        packer.keep();
        settled = false;
      }
      closeQuietly(walk.fd);
      walk.fd = -1;
    }
    settled &&= warnings.last !== walk.path;
    const counted: Totals = {
      files: totals.files - before.files,
      entries: totals.entries - before.entries,
      bytes: totals.bytes - before.bytes,
    };
    const span = { start, end: writer.content };
    log.add(this.#source, walk.path, walk.stat, span, counted, settled);
  }

  /**
   * Whether the first pass stored the entry at `path` just as it is. To be asked in the walk's order,
   * of every entry; what it is not asked of is stale.
   */
  isStored(path: string, stat: StatView): boolean {
    const { log } = this;
    while (log.next !== null && this.#isBehind(path)) this.#drop(log.take());
    if (log.next !== path || log.source !== this.#source) return false;
    const same = log.matches(stat);
    const logged = log.take();
    if (same) this.#found = logged;
    else this.#drop(logged);
    return same;
  }

  enter({ path, stat, xattrs }: Walker): void {
    this.#leaveUpTo(path);
    this.#above.push({ path, stat: stat.copy(), xattrs, logged: this.#found! });
  }

  above(path: string): FoundDirectory[] {
    this.#leaveUpTo(path);
    // Stored as it is, but a link to something that is stored anew.
    if (this.#found?.path === path) this.#drop(this.#found);
    this.#found = null;
    for (const { logged } of this.#above) this.#drop(logged);
    return this.#above.splice(0);
  }

  /** Forgets directories that do not hold `path`. */
  #leaveUpTo(path: string): void {
    const holds = (dir: string) => dir === "." || path.startsWith(`${dir}/`);
    while (this.#above.length > 0 && !holds(this.#above.at(-1)!.path)) this.#above.pop();
  }

  /** True where the log's next entry comes before `path` in the walk: the second pass did not find it. */
  #isBehind(path: string): boolean {
    const { log } = this;
    if (log.source !== this.#source) return log.source < this.#source;
    return log.next !== path && walkOrder(log.next!, path) < 0;
  }

  /** The second pass comes to the source of this index. */
  begin(source: number): void {
    this.#source = source;
    this.#above.length = 0;
  }

  /** Everything the first pass found beyond the place the second has come to is stale. */
  end(): void {
    while (this.log.next !== null) this.#drop(this.log.take());
  }

  #drop({ start, end, counted }: Logged): void {
    const { totals } = this.packer;
    totals.files -= counted.files;
    totals.entries -= counted.entries;
    totals.bytes -= counted.bytes;
    const last = this.stale[this.stale.length - 1];
    if (last !== undefined && last.end === start) last.end = end;
    else this.stale.push({ start, end });
  }

  [Symbol.dispose](): void {
    this.log[Symbol.dispose]();
  }
}

function newLog(path: string): WalkLog {
  try {
    return WalkLog.create(path);
  } catch (error) {
    throw error instanceof PosixError ? asFileFailure(error) : error;
  }
}

/** Writes back what the sources' file systems hold in memory; false where one of them cannot. */
async function writeBack(sources: Source[]): Promise<boolean> {
  const done = new Set<number>();
  for (const { path } of sources) {
    let fd = -1;
    try {
      fd = open(path, O_RDONLY | O_NONBLOCK);
      const { dev } = fstat(fd);
      if (!done.has(dev)) await syncFileSystem(fd, path);
      done.add(dev);
    } catch (error) {
      if (!(error instanceof PosixError)) throw error;
      return false; // then the second pass does it all
    } finally {
      if (fd >= 0) closeQuietly(fd);
    }
  }
  return true;
}
