/** Duckback's home: where it lies and what is in it. */
import { join, resolve } from "node:path";
import { DuckbackError } from "../core/errors.ts";

/** Absolute paths of everything duckback keeps for itself. Directories are 0700, files 0600. */
export interface Home {
  dir: string;
  catalog: string;
  /** Archives and their sidecars, unless `auto_backup_directory` says otherwise. */
  backups: string;
  /** One JSON file a run in flight; what must be undone if it dies. */
  journal: string;
  /** Alerts not yet delivered, and what was alerted and is not well again. */
  alerts: string;
  /** What the last rollbacks replaced, for `rollback --undo`. */
  undo: string;
  /** Names and places of the stacks known here. */
  stacks: string;
  /** Copy of the settings, for the day the catalogue is lost. */
  settings: string;
  /** How the archive directory is known again (archive_directory.ts). */
  directory: string;
  /** Held with flock(2) by the one run that may change something. */
  lock: string;
  /** What the scheduler has done and is about to try again; see lib/schedule/state.ts. */
  schedule: string;
  /** Held by the one run of the scheduler's tasks, from its beginning to its end. */
  schedule_lock: string;
  /** Held by the daemon while it lives; its time of modification is the last heartbeat. */
  daemon_lock: string;
}

/**
 * Given `--home`'s value and the environment, returns the home: DUCKBACK_HOME, else
 * /var/lib/duckback for root, else $XDG_DATA_HOME/duckback, else ~/.local/share/duckback.
 * Raises USAGE where none of them is known.
 */
export function locateHome(
  explicit: string | undefined,
  env: Record<string, string>,
  uid: number | null,
): Home {
  return homeAt(resolve(explicit || env.DUCKBACK_HOME || defaultDir(env, uid)));
}

function defaultDir(env: Record<string, string>, uid: number | null): string {
  if (uid === 0) return "/var/lib/duckback";
  if (env.XDG_DATA_HOME) return join(env.XDG_DATA_HOME, "duckback");
  if (env.HOME) return join(env.HOME, ".local/share/duckback");
  throw new DuckbackError(
    "USAGE",
    "Cannot find duckback's home: neither HOME nor XDG_DATA_HOME is set",
    {
      hint: "Give --home DIR or set DUCKBACK_HOME.",
    },
  );
}

/** The layout of a home in `dir` (absolute). */
export function homeAt(dir: string): Home {
  return {
    dir,
    catalog: join(dir, "catalog.duckdb"),
    backups: join(dir, "backups"),
    journal: join(dir, "journal"),
    alerts: join(dir, "alerts"),
    undo: join(dir, "undo"),
    stacks: join(dir, "stacks.json"),
    settings: join(dir, "settings.json"),
    directory: join(dir, "directory.json"),
    lock: join(dir, "run.lock"),
    schedule: join(dir, "schedule.json"),
    schedule_lock: join(dir, "schedule.lock"),
    daemon_lock: join(dir, "daemon.lock"),
  };
}
