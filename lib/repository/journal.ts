/**
 * The journal: one fsynced file a run in flight, written before anything is touched. If the run
 * dies, the next one reads it and brings services and trees back. It stays out of the catalogue so
 * that a broken or locked database never keeps services down.
 */
import { join } from "node:path";
import { ensurePrivateDir, removeDurably, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";

/** What a directory has besides its children: mode (07777), owner, modification time. */
export interface RootMetadata {
  mode: number;
  uid: number;
  gid: number;
  mtime_s: number;
  mtime_ns: number;
}

/**
 * A live tree and the staged one that takes its place. `staging` holds `new` (to come in) and, after
 * the swap, `old` (what was live); lib/operations/swap.ts does and undoes it from any state.
 */
export interface SwapStep {
  /** Name of the source, for messages. */
  name: string;
  /** Absolute path of the live file or directory. */
  live: string;
  /** `exchange`: one rename of the whole; `contents`: child by child, for mount points and volumes. */
  how: "exchange" | "contents";
  staging: string;
  /** Whether something lay at `live` before. */
  had_old: boolean;
  /** Inode of `new` before the swap: tells on which side of an exchange a crash happened. */
  new_inode: string;
  /** A `contents` directory's own metadata before and after; null for `exchange`. */
  old_root: RootMetadata | null;
  new_root: RootMetadata | null;
  /** The same right after its staging directory was made: if it is still so, only that changed it. */
  touched_root: RootMetadata | null;
  /** Names in a `contents` directory that stay where they are (duckback's own). */
  keep: string[];
  /** Written before what it names is begun. */
  phase: "staged" | "moving_old" | "moving_new" | "done";
}

/** What recovery needs to know of a run. Plain JSON. */
export interface Journal {
  version: 1;
  id: string;
  operation: string;
  stack: string;
  work_dir: string;
  pid: number;
  started_at: string;
  backup_id: number | null;
  /** Final and temporary path of the archive being written. */
  archive: string | null;
  partial: string | null;
  /** The plan of lib/docker/quiesce.ts; null while nothing will be stopped, or once all runs again. */
  plan: unknown;
  /** Trees being swapped; empty but for a rollback. */
  swaps: SwapStep[];
  /** True once every swap is done and the new trees stay, whatever happens. */
  committed: boolean;
}

/** A journal on disk; every `save` is durable before it returns. */
export class JournalFile {
  private constructor(readonly path: string, readonly data: Journal) {}

  static create(home: Home, data: Journal): JournalFile {
    ensurePrivateDir(home.journal);
    const file = new JournalFile(join(home.journal, `${data.id}.json`), data);
    file.save();
    return file;
  }

  save(change: Partial<Journal> = {}): void {
    Object.assign(this.data, change);
    writeDurably(this.path, JSON.stringify(this.data, null, 1));
  }

  /** Removes the journal, unless services or trees still wait for `recover`. */
  finish(): void {
    const swapped = this.data.swaps.length > 0 && !this.data.committed;
    if (this.data.plan === null && !swapped) removeDurably(this.path);
  }

  /** Opens what an earlier run left. Raises SyntaxError or TypeError where it is no journal. */
  static read(path: string): JournalFile {
    const data = JSON.parse(Deno.readTextFileSync(path)) as Journal;
    if (data.version !== 1 || typeof data.id !== "string" || !Array.isArray(data.swaps)) {
      throw new TypeError(`not a journal of this version: ${path}`);
    }
    return new JournalFile(path, data);
  }
}

/** Paths of the journals in a home, oldest first. */
export function listJournals(home: Home): string[] {
  const found: string[] = [];
  try {
    for (const entry of Deno.readDirSync(home.journal)) {
      if (entry.isFile && entry.name.endsWith(".json")) found.push(join(home.journal, entry.name));
    }
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
  return found.sort();
}

/** Puts a journal that cannot be read aside, so that it is kept but does not stop every later run. */
export function keepAside(path: string): string {
  const aside = `${path}.unreadable`;
  Deno.renameSync(path, aside);
  return aside;
}
