/** Alerts on their way: one file (0600) each in the home, so that none is lost with the process. */
import { join } from "node:path";
import type { AlertEvent, EventKind } from "../core/events.ts";
import { ensurePrivateDir, removeQuietly, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";

/** An event and whom it has still to reach. */
export interface SpooledAlert {
  event: AlertEvent;
  /** What is well again with it, of the same stack. */
  solves: EventKind[];
  /** True: of no interest unless something that it solves was alerted. */
  only_if_solving: boolean;
  /** True once it was decided whether it repeats an earlier one. */
  judged: boolean;
  repeated: boolean;
  /** Ids of receivers that have it. */
  done: string[];
  /** ISO 8601 UTC: not tried again before, unless there are newer ones. */
  not_before: string;
  tries: number;
}

/** Null where it could not be written to disk: it then lives as long as the process. */
export interface Spooled {
  path: string | null;
  alert: SpooledAlert;
}

/** What was alerted and is not well again: "KIND STACK" to when it was told last (ISO 8601 UTC). */
export type OpenAlerts = Record<string, string>;

/** More than these, or older ones, are given up. */
const MOST = 200;
const OLDEST_MS = 7 * 86_400_000;

/** Puts an alert on disk; a disk that is full costs the file, not the alert. */
export function spoolAlert(home: Home, alert: SpooledAlert): Spooled {
  const stamp = alert.event.at.replace(/[^0-9]/g, "");
  const path = join(home.alerts, `${stamp}-${crypto.randomUUID().slice(0, 8)}.json`);
  try {
    ensurePrivateDir(home.alerts);
    writeDurably(path, JSON.stringify(alert));
    return { path, alert };
  } catch {
    return { path: null, alert };
  }
}

/** Oldest first. What is too old, too much or unreadable is removed. */
export function spooledAlerts(home: Home, now: Date): Spooled[] {
  const found: Spooled[] = [];
  for (const name of alertFiles(home)) {
    const path = join(home.alerts, name);
    try {
      const alert = JSON.parse(Deno.readTextFileSync(path)) as SpooledAlert;
      if (now.getTime() - Date.parse(alert.event.at) > OLDEST_MS) removeQuietly(path);
      else found.push({ path, alert });
    } catch (cause) {
      if (cause instanceof SyntaxError || cause instanceof TypeError) removeQuietly(path);
    }
  }
  for (const { path } of found.splice(0, Math.max(0, found.length - MOST))) removeQuietly(path!);
  return found;
}

/** Whether any lies there whose time has come. */
export function alertsDue(home: Home, now: Date): boolean {
  return spooledAlerts(home, now).some(({ alert }) => alert.not_before <= now.toISOString());
}

const CHECK_MS = 3_600_000;

/** Whether it is time to look for what nobody reports by itself: a disk filling up, a backup not made. */
export function checkDue(home: Home, now: Date): boolean {
  try {
    const { mtime } = Deno.statSync(join(home.alerts, "checked"));
    // One from the future: the clock went back.
    return Math.abs(now.getTime() - mtime!.getTime()) >= CHECK_MS;
  } catch {
    return true;
  }
}

export function noteCheck(home: Home, now: Date): void {
  quietly(() => {
    ensurePrivateDir(home.alerts);
    const path = join(home.alerts, "checked");
    Deno.writeTextFileSync(path, "", { mode: 0o600 });
    Deno.utimeSync(path, now, now);
  });
}

/** Whether any lies there at all. */
export function anySpooled(home: Home): boolean {
  return alertFiles(home).length > 0;
}

/** Keeps what a try has changed; best effort. */
export function updateSpooled({ path, alert }: Spooled): void {
  if (path) quietly(() => writeDurably(path, JSON.stringify(alert)));
}

export function dropSpooled({ path }: Spooled): void {
  if (path) removeQuietly(path);
}

export function readOpenAlerts(home: Home): OpenAlerts {
  try {
    return JSON.parse(Deno.readTextFileSync(openPath(home)));
  } catch {
    return {};
  }
}

export function writeOpenAlerts(home: Home, open: OpenAlerts): void {
  quietly(() => {
    ensurePrivateDir(home.alerts);
    writeDurably(openPath(home), JSON.stringify(open, null, 1));
  });
}

function openPath(home: Home): string {
  return join(home.alerts, "open");
}

function alertFiles(home: Home): string[] {
  try {
    return [...Deno.readDirSync(home.alerts)].map(({ name }) => name)
      .filter((name) => name.endsWith(".json")).sort();
  } catch {
    return [];
  }
}

function quietly(work: () => void) {
  try {
    work();
  } catch {
    // A full disk must not keep the alert about it from being sent.
  }
}
