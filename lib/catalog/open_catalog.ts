/** Opens the catalogue late and for one operation: lock, migrate, use, close early. */
import { DuckbackError, throwIfAborted } from "../core/errors.ts";
import { isUtf8 } from "../core/paths.ts";
import { Actions } from "./actions.ts";
import { Backups } from "./backups.ts";
import type { Database } from "./duckdb.ts";
import {
  deniedError,
  describeHolder,
  failureKind,
  holderFromMessage,
  lockedError,
  openError,
} from "./failure.ts";
import { parentOf } from "./files.ts";
import { openDatabase } from "./load_duckdb.ts";
import { acquireLock, pause, type WaitOptions } from "./lock.ts";
import { knownMigrations, type Migration } from "./migrations.ts";
import { openMigrated } from "./migrate.ts";
import { relocate } from "./relocate.ts";
import { ServiceStatusHistory } from "./service_status.ts";
import { Session } from "./session.ts";
import { SettingsTable } from "./settings_table.ts";
import { Upgrades } from "./upgrades.ts";

export interface OpenOptions {
  /** duckback's home; made with mode 0700 if it is not there. */
  home: string;
  /** How long to wait for another process; default 30,000. */
  timeout_ms?: number;
  /**
   * Called once if another process has the catalogue and this one begins to wait, with its name:
   * "process 12 (duckback backup)", or "another process".
   */
  on_wait?: (holder: string) => void;
  /** Ends the waiting with INTERRUPTED. */
  signal?: AbortSignal;
  /** For tests. */
  migrations?: Migration[];
}

/** The open catalogue; no other process (nor a second open in this one) gets in until it is closed. */
export class Catalog {
  readonly backups: Backups;
  readonly actions: Actions;
  readonly settings: SettingsTable;
  readonly serviceStatus: ServiceStatusHistory;
  readonly upgrades: Upgrades;

  constructor(private readonly session: Session) {
    this.backups = new Backups(session);
    this.actions = new Actions(session);
    this.settings = new SettingsTable(session);
    this.serviceStatus = new ServiceStatusHistory(session);
    this.upgrades = new Upgrades(session);
  }

  /** The database file. */
  get path(): string {
    return this.session.path;
  }

  /** Gives archives their new paths (by id) and the setting of their directory, together. */
  relocate(paths: Map<number, string>, directory: string | null, now: Date): Promise<void> {
    return relocate(this.session, paths, directory, now);
  }

  /** Closes once what is under way has ended. Never throws, may be called twice. */
  close(): Promise<void> {
    return this.session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Where the catalogue of a home lies. */
export function catalogPath(home: string): string {
  return `${home.replace(/\/+$/, "")}/catalog.duckdb`;
}

/**
 * Opens the catalogue of a home, made or migrated first if need be. All its files are 0600 whatever
 * the umask. Throws CATALOG_LOCKED after the timeout, CATALOG_NEWER, CATALOG_MIGRATION,
 * CATALOG_CORRUPT (the file is left as it is), NOT_WRITABLE, DISK_FULL. On a file system that is
 * mounted read-only a catalogue that needs no migration can be read; writes throw CATALOG_WRITE.
 */
export async function openCatalog(opts: OpenOptions): Promise<Catalog> {
  if (!isUtf8(opts.home)) {
    throw new DuckbackError("USAGE", `Cannot use "${opts.home}" as home: its name is not UTF-8`, {
      hint: "Choose another with --home DIR or DUCKBACK_HOME.",
    });
  }
  const path = catalogPath(opts.home);
  const timeout_ms = opts.timeout_ms ?? 30_000;
  const wait: WaitOptions = {
    deadline: performance.now() + timeout_ms,
    timeout_ms,
    on_wait: opts.on_wait,
    signal: opts.signal,
  };
  makeHome(path);
  const lock = await acquireLock(path.replace(/\.duckdb$/, ".lock"), wait);
  const restoreUmask = privateUmask();
  const release = () => {
    restoreUmask();
    lock.release();
  };
  try {
    const migrations = opts.migrations ?? knownMigrations();
    const open = (file: string) => openPatiently(file, lock.read_only, wait);
    const db = await openMigrated(path, migrations, open);
    makePrivate(path);
    return new Catalog(new Session(db, release));
  } catch (error) {
    release();
    throw error instanceof DuckbackError ? error : openError(path, error);
  }
}

/** Opens the file; waits if a program that does not know our lock (the duckdb shell) has it. */
async function openPatiently(
  path: string,
  read_only: boolean,
  wait: WaitOptions,
): Promise<Database> {
  for (let attempt = 0;; attempt++) {
    try {
      return await openDatabase(path, { temp_directory: `${path}.tmp`, read_only });
    } catch (error) {
      if (failureKind(error) !== "locked") throw openError(path, error);
      const holder = holderFromMessage(error);
      if (attempt === 0) wait.on_wait?.(describeHolder(holder));
      if (performance.now() >= wait.deadline) throw lockedError(path, holder, wait.timeout_ms);
      throwIfAborted(wait.signal);
      await pause(60);
    }
  }
}

function makeHome(path: string): void {
  try {
    Deno.mkdirSync(parentOf(path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw deniedError(path, error);
  }
}

/** A catalogue that was once readable for others (an old copy put back) is not any more. */
function makePrivate(path: string): void {
  const mode = Deno.statSync(path).mode;
  if (mode === null || (mode & 0o077) === 0) return;
  try {
    Deno.chmodSync(path, 0o600);
  } catch { /* not ours: whoever owns it decides */ }
}

// DuckDB makes its write-ahead log and temporary files with mode 0666 less the umask. The umask is
// the process's, so it is counted who wants it private.
let privateUsers = 0;
let outerUmask = 0;

function privateUmask(): () => void {
  if (privateUsers++ === 0) outerUmask = Deno.umask(0o077);
  let restored = false;
  return () => {
    if (restored) return;
    restored = true;
    if (--privateUsers === 0) Deno.umask(outerUmask);
  };
}
