/** What a rollback would create, change and remove: the backup's entries against the live tree. */
import { dirname, join } from "node:path";
import { throwIfAborted } from "../core/errors.ts";
import { type EntryType, type ManifestEntry, UNDO_DIR } from "../core/model.ts";
import { Slice } from "../core/turn.ts";
import * as posix from "../posix/mod.ts";
import type { Context } from "./context.ts";
import { visitIncoming } from "./incoming.ts";
import type { RollbackPlan } from "./rollback_plan.ts";

/** One path; what lies in a directory that comes or goes as a whole is counted with it. */
export interface Change {
  /** `keep`: only on disk, and kept by `--merge`. */
  action: "create" | "change" | "remove" | "keep";
  path: string;
  type: EntryType | "socket" | "unknown";
  entries: number;
  /** Bytes of content in the backup; null where it is not in there. */
  bytes: number | null;
  /** Bytes of content now; null where it is not there. */
  bytes_now: number | null;
}

export interface Changes {
  /** Entries and their bytes: for `create` and `change` those of the backup, else those on disk. */
  totals: Record<Change["action"] | "same", { entries: number; bytes: number }>;
  list: Change[];
  /** Changes that are counted but not listed. */
  not_listed: number;
  /** By target: bytes on disk of what only is there. */
  only_live: number[];
}

/** A list longer than this helps nobody, and is not to fill the memory. */
const MOST_LISTED = 10_000;

/**
 * Files are told apart by size, modification time, mode and owner; their content is not read. Raises
 * what reading the manifest raises, and IO where a live directory cannot be read.
 */
export async function liveChanges(
  ctx: Context,
  plan: RollbackPlan,
  merge: boolean,
): Promise<Changes> {
  const comparison = new Comparison(plan, merge ? "keep" : "remove");
  await visitIncoming(
    ctx,
    plan.record,
    plan.targets,
    (entry, live) => comparison.entry(entry, live),
  );
  const slice = new Slice();
  for (const [n, { live }] of plan.targets.entries()) {
    for (const look of comparison.walk(live, n)) {
      look();
      if (!slice.over()) continue;
      await slice.turn();
      throwIfAborted(ctx.signal);
    }
  }
  return comparison.changes;
}

class Comparison {
  readonly changes: Changes;
  readonly #known = new Set<string>();
  /** The topmost directory that is being created. */
  #created: Change | null = null;

  constructor(readonly plan: RollbackPlan, readonly only_live: "remove" | "keep") {
    const none = () => ({ entries: 0, bytes: 0 });
    this.changes = {
      totals: { create: none(), change: none(), remove: none(), keep: none(), same: none() },
      list: [],
      not_listed: 0,
      only_live: plan.targets.map(() => 0),
    };
  }

  /** One entry of the backup. */
  entry(entry: ManifestEntry, live: string): void {
    // A volume that is to be made yet has no path.
    const stat = live.startsWith("/") ? posix.statxIfExists(live) : null;
    if (stat === null) return this.#create(entry, live);
    this.#known.add(live);
    if (isSame(entry, live, stat)) return this.#count("same", 1, entry.size);
    this.#count("change", 1, entry.size);
    this.#list({
      action: "change",
      path: live,
      type: entry.type,
      entries: 1,
      bytes: entry.size,
      bytes_now: sizeOf(stat),
    });
  }

  #create(entry: ManifestEntry, live: string): void {
    this.#count("create", 1, entry.size);
    if (this.#created && live.startsWith(`${this.#created.path}/`)) {
      this.#created.entries++;
      this.#created.bytes! += entry.size;
      return;
    }
    const { type, size: bytes } = entry;
    this.#created = { action: "create", path: live, type, entries: 1, bytes, bytes_now: null };
    this.#list(this.#created);
  }

  /** What lies at and below a live path, but is not in the backup; one step a yield. */
  *walk(live: string, n: number): Generator<() => void> {
    const waiting: { path: string; gone: Change | null }[] = [{ path: live, gone: null }];
    for (let one = waiting.pop(); one; one = waiting.pop()) {
      const { path, gone } = one;
      yield () => {
        const stat = path.startsWith("/") ? posix.statxIfExists(path) : null;
        if (!stat) return;
        const change = this.#known.has(path) ? null : this.#only(path, stat, gone, n);
        if (stat.type !== "directory") return;
        for (const name of posix.readdirNames(path).reverse()) {
          const child = join(path, name);
          if (name !== UNDO_DIR && !this.plan.keep.includes(child)) {
            waiting.push({ path: child, gone: change });
          }
        }
      };
    }
  }

  #only(path: string, stat: posix.Stat, gone: Change | null, n: number): Change | null {
    if (stat.type === "directory" && this.#leadsToKept(path)) return null;
    const bytes = sizeOf(stat);
    this.#count(this.only_live, 1, bytes);
    this.changes.only_live[n] += stat.type === "file" ? Math.min(bytes, stat.blocks * 512) : 0;
    if (gone) {
      gone.entries++;
      gone.bytes_now! += bytes;
      return gone;
    }
    const { type } = stat;
    const action = this.only_live;
    const change = { action, path, type, entries: 1, bytes: null, bytes_now: bytes };
    this.#list(change);
    return change;
  }

  /** The way to duckback's own directories stays. */
  #leadsToKept(path: string): boolean {
    return this.plan.keep.some((keep) => dirname(keep) === path || keep.startsWith(`${path}/`));
  }

  #count(what: keyof Changes["totals"], entries: number, bytes: number): void {
    this.changes.totals[what].entries += entries;
    this.changes.totals[what].bytes += bytes;
  }

  #list(change: Change): void {
    if (this.changes.list.length < MOST_LISTED) this.changes.list.push(change);
    else this.changes.not_listed++;
  }
}

function sizeOf(stat: posix.Stat): number {
  return stat.type === "file" ? stat.size : 0;
}

function isSame(entry: ManifestEntry, live: string, stat: posix.Stat): boolean {
  const { type, mode, uid, gid } = entry;
  if (uid !== stat.uid || gid !== stat.gid) return false;
  if (type === "symlink") return stat.type === type && posix.readlink(live) === entry.link;
  if (mode !== stat.mode) return false;
  // A directory's time says what came and went in it, and that is told by itself.
  if (type === "directory") return stat.type === type;
  if (entry.mtime_s !== stat.mtime_s || entry.mtime_ns !== stat.mtime_ns) return false;
  if (type === "hardlink") return stat.type === "file"; // its size stands where it points to
  return type === stat.type && (type !== "file" || entry.size === stat.size);
}
