/**
 * The first of two passes: stores what keeps still while services run, and notes how it was. The second
 * pass asks of each entry whether it still is so.
 */
import { closeQuietly } from "../posix/files.ts";
import { asFileFailure, PosixError } from "../posix/posix_error.ts";
import type { CreateOptions } from "./archive_options.ts";
import { Earlier, type Outdated } from "./earlier.ts";
import type { Packer } from "./pack.ts";
import { newWalker, NO_LINK, putFileOf } from "./put_source.ts";
import type { Quiet } from "./quiet.ts";
import type { Walker } from "./walk.ts";
import { type Logged, NO_SPAN, type PassLog, WalkLog } from "./walk_log.ts";
import { Warnings } from "./warnings.ts";

/** Longer paths are left to the second pass: the log's records have bounds. */
const LONGEST_PATH = 100_000;
const NOTHING = { files: 0, entries: 0, bytes: 0 };

/**
 * `rows` is what an earlier backup has of the sources; what has not changed since is not stored. Raises
 * what an archive's making does; what cannot be read now is not even warned of.
 */
export async function firstPass(
  options: CreateOptions,
  packer: Packer,
  quiet: Quiet,
  rows: PassLog | null,
): Promise<WalkLog> {
  const log = newLog(options.notes_path!);
  try {
    await new FirstPass(log, packer, quiet, rows).walk(options);
    log.rewind();
    return log;
  } catch (error) {
    log[Symbol.dispose]();
    throw error instanceof PosixError ? asFileFailure(error) : error;
  }
}

class FirstPass implements Outdated {
  readonly #earlier: Earlier | null;
  /** Where in the log the records of stored directories lie. */
  readonly #places = new WeakMap<Logged, number>();

  constructor(
    readonly log: WalkLog,
    readonly packer: Packer,
    readonly quiet: Quiet,
    rows: PassLog | null,
  ) {
    this.#earlier = rows && new Earlier(rows, this, packer.totals);
  }

  async walk(options: CreateOptions): Promise<void> {
    const { packer } = this;
    const earlier = this.#earlier;
    const { pulse, warnings } = packer;
    // The second pass comes by everywhere once more: only its warnings count.
    packer.warnings = new Warnings();
    try {
      using walk = newWalker(options, packer.warnings, true, earlier);
      for (const [index, source] of options.sources.entries()) {
        earlier?.begin(index);
        for (let more = walk.begin(source) || walk.next(); more; more = walk.next()) {
          if (pulse.due()) await pulse.beat();
          if (walk.stored) this.#keep(walk, earlier!);
          else if (this.#isQuiet(walk)) await this.#put(walk, index);
          else if (walk.fd >= 0) {
            await packer.references?.prepare(walk, earlier?.oldAt(walk.path) ?? null);
            closeQuietly(walk.fd);
          }
          walk.fd = -1;
        }
      }
      earlier?.end();
    } finally {
      packer.warnings = warnings;
    }
  }

  #isQuiet(walk: Walker): boolean {
    return walk.path.length <= LONGEST_PATH && this.quiet.covers(walk.stat, walk.fd);
  }

  /** Notes what an earlier backup holds as it is. */
  #keep(walk: Walker, earlier: Earlier): void {
    const logged = earlier.kept(walk);
    const at = this.log.add(logged, walk.stat, true, linkOf(walk));
    if (walk.type === "directory") this.#places.set(logged, at);
  }

  async #put(walk: Walker, source: number): Promise<void> {
    const { packer, log } = this;
    const { writer, totals, warnings } = packer;
    const { old, above } = this.#earlier?.put(walk.path, walk.type === "directory") ??
      { old: null, above: [] };
    for (const { path, stat, xattrs, logged } of above) {
      if (!writer.ready) await writer.wait();
      const start = writer.content;
      packer.addEntry(path, "directory", stat, NO_LINK, xattrs);
      log.move(this.#places.get(logged)!, { start, end: writer.content });
    }
    if (!writer.ready) await writer.wait();
    const start = writer.content;
    const before = { ...totals };
    let settled = true;
    if (walk.fd < 0) packer.addCurrent(walk);
    else {
      await putFileOf(walk, packer, old);
      if (packer.changed !== null) {
        packer.keep();
        settled = false;
      }
      closeQuietly(walk.fd);
      walk.fd = -1;
    }
    settled &&= warnings.last !== walk.path;
    const counted = {
      files: totals.files - before.files,
      entries: totals.entries - before.entries,
      bytes: totals.bytes - before.bytes,
    };
    const span = { start, end: writer.content };
    const { row, was } = old ?? NOT_THERE;
    const logged = { path: walk.path, source, span, counted, row, was };
    log.add(logged, walk.stat, settled, linkOf(walk));
  }

  /** The second pass is to know what was there. */
  gone({ path, source, row, was }: Logged): void {
    this.log.add({ path, source, span: NO_SPAN, counted: NOTHING, row, was }, null, false, null);
  }

  /** Of a directory that is put once more: it is counted again then. */
  replaced({ counted }: Logged): void {
    this.packer.totals.entries -= counted.entries;
  }
}

function linkOf({ type, link }: Walker): Uint8Array | null {
  return type === "hardlink" ? link : null;
}

const NOT_THERE = { row: -1, was: null };

function newLog(path: string): WalkLog {
  try {
    return WalkLog.create(path);
  } catch (error) {
    throw error instanceof PosixError ? asFileFailure(error) : error;
  }
}
