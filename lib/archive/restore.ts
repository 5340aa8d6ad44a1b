/** The entries of an archive becoming files, as they are handed over in the archive's order. */
import { DuckbackError } from "../core/errors.ts";
import { closeQuietly, syncFileSystem, truncate, writeAt } from "../posix/files.ts";
import { ELOOP, ENOTDIR } from "../posix/libc.ts";
import { effectiveIds } from "../posix/names.ts";
import { describeErrno, PosixError } from "../posix/posix_error.ts";
import { fstat } from "../posix/stat.ts";
import { corrupt } from "./corrupt.ts";
import { DirectoryLog } from "./directory_log.ts";
import type { ExtractOptions, ExtractReport } from "./extract.ts";
import { FileWriter } from "./file_writer.ts";
import { FlushEach } from "./flush_each.ts";
import { NotRestored } from "./not_restored.ts";
import { Overwriting } from "./overwrite.ts";
import type { Pulse } from "./pulse.ts";
import { EntryMaker, type Place } from "./restore_entry.ts";
import { Routes } from "./routes.ts";
import { isSelf } from "./self_entries.ts";
import { Space } from "./space.ts";
import type { TarEntry, TarHandler } from "./tar_parser.ts";

/** A file that is being written, in one place or (second pass) several. */
interface Output {
  entry: TarEntry;
  places: Place[];
  fds: number[];
  /** Where in the file what comes next belongs. */
  at: number;
  /** True where zeros were left out before that: they make a hole. */
  hole: boolean;
  /** True where another thread writes and ends it. */
  aside: boolean;
}

/** Restores the entries that are handed to it, in the archive's order; then `finish`. */
export class Restore implements TarHandler, Disposable {
  entries = 0;
  files = 0;
  bytes = 0;
  readonly notRestored = new NotRestored();
  readonly #routes: Routes;
  readonly #maker: EntryMaker;
  #output: Output | null = null;
  /** Directories made or found; their metadata is set last. */
  readonly #directories = new DirectoryLog();
  /** Hard links that could not be made, by the archive path they point to. */
  #unlinked = new Map<string, { entry: TarEntry; place: Place }[]>();
  #second = false;
  /** The entry whose content is handed over; null for the archive's own. */
  #current: TarEntry | null = null;
  /** Bytes of content in all entries, restored or not, and in the last one, whose path is `#path`. */
  #declared = 0;
  #content = 0;
  #path = "";
  /** True where the current entry replaces the one before it, which has the same path. */
  #again = false;
  readonly #space = new Space();
  readonly #existing: Overwriting;
  readonly #each: FlushEach | null;
  readonly #writer: FileWriter;

  constructor(readonly archive: string, readonly options: ExtractOptions) {
    const rules = {
      owners: options.owners ?? effectiveIds().uid === 0,
      owner: options.owner,
      flush: options.flush_each,
      allowDevices: options.allow_devices ?? false,
      notRestored: this.notRestored,
    };
    this.#maker = new EntryMaker(
      rules,
      {
        wasMade: (place) => this.#wasMade(place.shown),
        supersede: (place) => this.#directories.supersede(place.shown),
      },
      (state, entry) => this.#corrupt(state, entry),
    );
    this.#each = options.flush_each ? new FlushEach() : null;
    this.#existing = new Overwriting(options.overwrite ?? "always");
    this.#routes = new Routes(options.routes);
    this.#writer = new FileWriter(
      (what, { path }, errno) => this.notRestored.add(what, path, describeErrno(errno)),
      options.workers !== 0,
    );
  }

  entry(entry: TarEntry): void {
    this.#current = null;
    if (isSelf(entry.path)) return;
    this.#again = entry.path === this.#path;
    if (this.#again) this.#declared -= this.#content;
    this.#path = entry.path;
    this.#current = entry;
    try {
      if (this.#second) this.#fetch(entry);
      else this.#restore(entry);
      this.#content = 0;
    } catch (error) {
      throw error instanceof PosixError ? this.#explain(error, entry) : error;
    }
  }

  /** Where an entry goes; null for one that is not to be restored. */
  #place(path: string): Place | null {
    return this.options.wanted?.(path) === false ? null : this.#routes.place(path);
  }

  #restore(entry: TarEntry): void {
    const place = this.#place(entry.path);
    if (place === null || this.#existing.keeps(entry, place)) return;
    if (!this.#again) this.entries++;
    this.#each?.note(entry, place);
    switch (entry.type) {
      case "file":
        if (!this.#again) this.files++;
        else this.bytes -= this.#content;
        this.#space.require(place.target.rootFd, entry, place.shown);
        this.#output = { entry, places: [place], fds: [], at: 0, hole: false, aside: false };
        this.#output.fds.push(this.#maker.openFile(entry, place));
        // What a later entry may be compared with must have its time by then.
        this.#output.aside = !this.#existing.compares && this.#maker.endsPlainly(entry, place);
        break;
      case "directory":
        this.#maker.directory(entry, place);
        this.#directories.add(entry);
        break;
      case "symlink":
        this.#maker.symlink(entry, place);
        break;
      case "hardlink":
        this.#link(entry, place);
        break;
      default:
        this.#maker.special(entry, place);
    }
  }

  leftOut(): void {
    const entry = this.#current;
    if (this.#second || entry === null || this.#place(entry.path) === null) return;
    const why = "GNU tar left them out of this incremental archive, an earlier one has them";
    this.notRestored.add("unchanged files of", entry.path, why);
  }

  data(bytes: Uint8Array): void {
    if (this.#current !== null && !this.#second) this.#count(bytes.length);
    if (this.#output === null) return;
    const output = this.#output;
    const { fds, places, at } = output;
    this.bytes += bytes.length;
    output.at += bytes.length;
    output.hole = false;
    if (output.aside) this.#writer.write(places[0], fds[0], at, bytes);
    else for (let i = 0; i < fds.length; i++) writeAt(fds[i], bytes, at, places[i].shown);
  }

  hole(length: number): void {
    if (this.#output === null) return;
    this.#output.at += length;
    this.#output.hole = true;
  }

  end(): void {
    if (this.#output === null) return;
    const { entry, places, fds, hole, aside } = this.#output;
    if (aside) {
      const [place, fd] = [places[0], fds[0]];
      const end = this.#maker.plainEnd(entry, place, fd, hole);
      fds.length = 0;
      this.#writer.end(place, fd, end);
    }
    if (hole) fds.forEach((fd, i) => truncate(fd, entry.size, places[i].shown));
    while (fds.length > 0) {
      const fd = fds.pop()!;
      this.#maker.closeFile(entry, places[fds.length], fd);
    }
    this.#output = null;
  }

  /** More content than the record says: another archive than the one recorded, or a bomb. */
  #count(bytes: number): void {
    this.#content += bytes;
    this.#declared += bytes;
    if (this.#declared <= (this.options.max_bytes ?? Infinity)) return;
    const state = `it holds more than the ${this.options.max_bytes} bytes of its record`;
    throw this.#corrupt(state, this.#current!);
  }

  #link(entry: TarEntry, place: Place): void {
    if (entry.link === entry.path) throw this.#corrupt("a hard link points to itself", entry);
    // What is there for another reason is not what the link is to.
    const to = this.#existing.wasKept(entry.link!) ? null : this.#place(entry.link!);
    if (to !== null && this.#maker.hardlink(entry, place, to)) return;
    const waiting = this.#unlinked.get(entry.link!) ?? [];
    waiting.push({ entry, place });
    this.#unlinked.set(entry.link!, waiting);
  }

  /** Prepares to read the archive once more; false where there is no need. */
  beginSecondPass(): boolean {
    this.#second = true;
    return this.#unlinked.size > 0;
  }

  /** True where hard links wait for the content of the entry at an archive path. */
  awaits(path: string): boolean {
    return this.#unlinked.has(path);
  }

  /** Second pass: makes the links that wait for `entry` out of its content. */
  #fetch(entry: TarEntry): void {
    const waiting = this.#unlinked.get(entry.path);
    if (waiting === undefined || entry.type === "hardlink") return;
    if (entry.type === "directory") throw this.#corrupt("a hard link points to it", entry);
    this.#unlinked.delete(entry.path);
    const firsts: Place[] = [];
    for (const { entry: link, place } of waiting) {
      // Links in the same target share one file again.
      if (firsts.some((first) => this.#maker.hardlink(link, place, first))) continue;
      firsts.push(place);
      if (entry.type === "file") {
        this.#output ??= { entry, places: [], fds: [], at: 0, hole: false, aside: false };
        this.#output.places.push(place);
        this.#output.fds.push(this.#maker.openFile(entry, place));
      } else if (entry.type === "symlink") this.#maker.symlink(entry, place);
      else this.#maker.special(entry, place);
    }
  }

  /** Sets the directories' metadata, deepest first, and makes everything durable. */
  async finish(pulse: Pulse): Promise<void> {
    for (const [target, waiting] of this.#unlinked) {
      throw this.#corrupt(`it is a hard link to "${target}", which is not there`, waiting[0].entry);
    }
    this.#writer.drain();
    // Entries come parents first, so from the last to the first children come before parents.
    for (const directory of this.#directories.newestFirst()) {
      if (pulse.due()) await pulse.beat();
      const { entry } = directory;
      const place = this.#routes.place(entry.path)!;
      // The last entry of a path is the one that counts, whatever an earlier one was.
      if (!this.#directories.counts(directory, place.shown)) continue;
      this.#maker.setMetadata(entry, place, place.target.directory(place.relative));
    }
    if (this.#each !== null) this.#each.flush();
    else await this.#flushFileSystems();
  }

  async #flushFileSystems(): Promise<void> {
    const synced = new Set<number>();
    for (const target of this.#routes.targets) {
      const { dev } = fstat(target.rootFd);
      if (!synced.has(dev)) await syncFileSystem(target.rootFd, target.to);
      synced.add(dev);
    }
  }

  report(): ExtractReport {
    const { entries, files, bytes } = this;
    return {
      entries,
      files,
      bytes,
      kept: this.#existing.kept,
      warnings: this.notRestored.warnings(),
    };
  }

  /** Whether there was an entry for the directory at a place. Looks at all of them. */
  #wasMade(shown: string): boolean {
    for (const directory of this.#directories.newestFirst()) {
      const place = this.#routes.place(directory.entry.path)!;
      if (place.shown === shown && this.#directories.counts(directory, shown)) return true;
    }
    return false;
  }

  /** A file or symlink where a directory must be: the archive's doing, or there before. */
  #explain(error: PosixError, entry: TarEntry): Error {
    if (error.errno !== ENOTDIR && error.errno !== ELOOP) return error;
    const existed = this.#routes.place(entry.path)?.target.existed ?? false;
    const state = "a file or symlink stands where a directory must be";
    if (!existed) return this.#corrupt(state, entry);
    return new DuckbackError("RESTORE_FAILED", `Cannot restore "${error.path}": ${state}`, {
      hint: "Move it away, or choose another target.",
      cause: error,
    });
  }

  #corrupt(state: string, entry: TarEntry): DuckbackError {
    const { block_offset: offset, block_inner: inner, path } = entry;
    return corrupt(this.archive, state, { offset, inner, entry: path });
  }

  [Symbol.dispose](): void {
    // First: it may be writing into what is open.
    this.#writer[Symbol.dispose]();
    for (const fd of this.#output?.fds ?? []) closeQuietly(fd);
    this.#output = null;
    this.#routes[Symbol.dispose]();
  }
}
