/**
 * The journal: one fsynced file a run in flight, written before anything is touched. If the run
 * dies, the next one reads it and brings services and trees back. It stays out of the catalogue so
 * that a broken or locked database never keeps services down.
 */
import { join } from "node:path";
import { ensurePrivateDir, removeDurably, removeQuietly, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";
import type { UndoRecord } from "./undo_record.ts";

/** What a directory has besides its children: mode (07777), owner, modification time. */
export interface RootMetadata {
  mode: number;
  uid: number;
  gid: number;
  mtime_s: number;
  mtime_ns: number;
  /** Extended attributes and ACLs, in hex; missing in journals of earlier versions. */
  xattrs?: Record<string, string>;
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
  kind:
    | "backup"
    | "rollback"
    | "undo"
    | "restart"
    | "move"
    | "removal"
    | "upgrade"
    | "drill"
    | "storage";
  operation: string;
  stack: string;
  work_dir: string;
  pid: number;
  started_at: string;
  backup_id: number | null;
  /** Final and temporary path of the archive being written. */
  archive: string | null;
  partial: string | null;
  /** The variables that named the Docker engine: recovery must ask the same one. */
  engine: Record<string, string>;
  /** The plan of lib/docker/quiesce.ts; null while nothing will be stopped, or once all runs again. */
  plan: unknown;
  /** The same, until the end: who uses the trees below and must be down when they move back. */
  users: unknown;
  /** Trees being swapped; empty for a backup. */
  swaps: SwapStep[];
  /** True once the trees stay as they are, whatever happens. */
  committed: boolean;
  /** What `rollback --undo` is to know once this is over; null for a backup. */
  undo: UndoRecord | null;
  /** Commands of `duckback.post` that must still run; missing in journals of earlier versions. */
  hooks?: PendingHook[];
  /** A directory that must go; missing in journals of earlier versions. */
  spool?: string | null;
  /** Volumes that go unless the run is committed; missing in journals of earlier versions. */
  volumes?: MadeVolume[];
  /** Empty directories that go likewise, outermost first. */
  directories?: string[];
  /** Backups that are being removed, row first; missing where none are. */
  doomed?: DoomedBackup[];
  /** What a drill made; missing in journals of earlier versions. */
  drill?: PendingDrill | null;
  /** An upgrade that is not settled; missing in journals of earlier versions. */
  upgrade?: PendingUpgrade | null;
  /** Archives on their way to another directory; missing where none are. */
  moves?: MovedArchive[];
}

/** What recovery needs to know of an upgrade. */
export interface PendingUpgrade {
  /** Its row in `upgrade_history`. */
  id: number;
  to_version: string;
  backup_id: number | null;
  /**
   * `command`: the command runs, or its services are waited for; `rollback`: trees are being put back;
   * `containers`: they are back, the containers that ran before are still to be brought up.
   */
  phase: "command" | "rollback" | "containers";
  /** Why it is rolled back. */
  reason: string | null;
  /** The command's process group, and when it began by /proc/PID/stat: an id may be used again. */
  process: { pid: number; started: string } | null;
  /** lib/operations/old_containers.ts: the containers as they were. */
  before: unknown;
}

/** A volume that a run makes. */
export interface MadeVolume {
  name: string;
  /** Of its directory (lib/posix/stat.ts); null until it is made. */
  identity: string | null;
}

/** A backup on its way out: once its row is gone, so must be its files. */
export interface DoomedBackup {
  id: number;
  backup_name: string;
  archive: string;
}

/** A drill whose containers, networks, volumes and directory must go. */
export interface PendingDrill {
  /** Also the value of their label. */
  name: string;
  dir: string;
  /** False where it makes nothing in the engine. */
  engine: boolean;
}

/** An archive's old and new path: the one that its row does not speak of has to go. */
export interface MovedArchive {
  id: number;
  backup_name: string;
  from: string;
  to: string;
}

/** A container whose `duckback.pre` has begun, and what is to run in it at the end. */
export interface PendingHook {
  id: string;
  name: string;
  project: string | null;
  service: string | null;
  number: number;
  oneoff: boolean;
  post: string;
}

/** What a run must say of itself; the rest begins empty. */
export type NewJournal =
  & Pick<
    Journal,
    "kind" | "operation" | "stack" | "work_dir" | "pid" | "started_at" | "backup_id"
  >
  & Partial<Journal>;

/** A journal on disk; every `save` is durable before it returns. */
export class JournalFile {
  private constructor(readonly path: string, readonly data: Journal) {}

  static create(home: Home, run: NewJournal): JournalFile {
    ensurePrivateDir(home.journal);
    const id = `${Date.parse(run.started_at)}-${run.pid}-${run.kind}`;
    const data: Journal = {
      version: 1,
      id,
      archive: null,
      partial: null,
      engine: {},
      plan: null,
      users: null,
      swaps: [],
      committed: false,
      undo: null,
      ...run,
    };
    const file = new JournalFile(join(home.journal, `${id}.json`), data);
    file.save();
    return file;
  }

  save(change: Partial<Journal> = {}): void {
    Object.assign(this.data, change);
    writeDurably(this.path, JSON.stringify(this.data, null, 1));
  }

  /** Removes the journal, unless something of the run still waits for `recover`. */
  finish(): void {
    const { plan, swaps, committed, hooks = [], volumes = [], directories = [], upgrade } =
      this.data;
    const mended = committed || swaps.length + volumes.length + directories.length === 0;
    const waits = plan !== null || hooks.length > 0 || upgrade || this.data.drill;
    if (mended && !waits) removeDurably(this.path);
  }

  /** Opens what an earlier run left. Raises SyntaxError or TypeError where it is no journal. */
  static read(path: string): JournalFile {
    const data = JSON.parse(Deno.readTextFileSync(path)) as Journal;
    if (!isJournal(data)) {
      throw new TypeError(`not a journal of this version: ${path}`);
    }
    return new JournalFile(path, data);
  }
}

/** Paths of the journals in a home, oldest first. */
export function listJournals(home: Home): string[] {
  return existing(home.journal).filter((name) => name.endsWith(".json")).sort()
    .map((name) => join(home.journal, name));
}

/** Removes what a run left that died while it wrote its journal. Only for who holds the lock. */
export function removeUnwritten(home: Home): void {
  for (const name of existing(home.journal)) {
    if (name.endsWith(".json.tmp")) removeQuietly(join(home.journal, name));
  }
}

function existing(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map((entry) => entry.name);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return [];
    throw cause;
  }
}

/** Paths of the journals that could not be read and were put aside. */
export function listAside(home: Home): string[] {
  return existing(home.journal).filter((name) => name.endsWith(ASIDE)).sort()
    .map((name) => join(home.journal, name));
}

const ASIDE = ".unreadable";

/** As far as recovery follows it blindly: a flipped bit must not look like a run to mend. */
function isJournal(data: Partial<Journal> | null): data is Journal {
  if (typeof data !== "object" || data === null) return false;
  const { version, id, swaps, hooks = [], volumes = [], directories = [], plan, users } = data;
  return version === 1 && typeof id === "string" && typeof data.operation === "string" &&
    [swaps, hooks, volumes, directories].every(Array.isArray) && isPlan(plan) && isPlan(users) &&
    isDrill(data.drill);
}

function isDrill(drill: Partial<PendingDrill> | null | undefined): boolean {
  return drill === null || drill === undefined ||
    typeof drill.name === "string" && typeof drill.dir === "string";
}

function isPlan(plan: unknown): boolean {
  if (plan === null || plan === undefined) return true;
  const { items } = plan as { items?: unknown };
  return Array.isArray(items) &&
    items.every((item) =>
      typeof item === "object" && item !== null && typeof item.id === "string" &&
      typeof item.name === "string"
    );
}

/** Puts a journal that cannot be read aside, so that it is kept but does not stop every later run. */
export function keepAside(path: string): string {
  const aside = `${path}${ASIDE}`;
  Deno.renameSync(path, aside);
  return aside;
}
