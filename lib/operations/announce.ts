/**
 * Telling that something happened: `announce` at any moment of an operation, cheap and never failing.
 * The event goes to the spool; who runs the operation (the command line at its end, the daemon after
 * each task) sends it with `deliverAlerts`, when services are up and archives durable.
 */
import type { NotifySettings } from "../config/notify_settings.ts";
import type { AlertEvent, EventKind } from "../core/events.ts";
import {
  alertsDue,
  anySpooled,
  dropSpooled,
  readOpenAlerts,
  spoolAlert,
  type Spooled,
} from "../repository/alert_spool.ts";
import type { Home } from "../repository/home.ts";
import type { Context } from "./context.ts";

/** What happened; see AlertEvent for the fields. */
export type News = Omit<AlertEvent, "at" | "host">;

/** What this process knows of a home until its next delivery. */
interface Desk {
  /** Announced and not delivered yet; on disk too, unless that failed. */
  waiting: Spooled[];
  /** As read while the catalogue was open anyway; null where it was not. */
  settings: NotifySettings | null;
  /** True where those settings name nobody: then nothing is kept. */
  nobody: boolean;
  /** Pings that a backup begins, on their way. */
  started: Promise<unknown>[];
}

const desks = new WeakMap<Home, Desk>();

function desk(ctx: Context): Desk {
  const found = desks.get(ctx.home) ?? { waiting: [], settings: null, nobody: false, started: [] };
  desks.set(ctx.home, found);
  return found;
}

/**
 * Notes an event for those who want to hear of it. Never throws, never waits for a receiver. `solves`
 * are the kinds of trouble of the same stack that it ends: they may be told anew from now on.
 */
export function announce(ctx: Context, news: News, solves: readonly EventKind[] = []): void {
  put(ctx, news, solves, false);
}

/** Announces `recovered`, but only where one of `solves` was told of this stack and is well now. */
export function announceWell(
  ctx: Context,
  news: Omit<News, "kind">,
  solves: readonly EventKind[],
): void {
  const open = readOpenAlerts(ctx.home);
  const known = solves.some((kind) => open[`${kind} ${news.stack ?? ""}`]);
  if (known || anySpooled(ctx.home)) put(ctx, { ...news, kind: "recovered" }, solves, true);
}

function put(ctx: Context, news: News, solves: readonly EventKind[], only_if_solving: boolean) {
  if (desk(ctx).nobody) return;
  const at = ctx.now().toISOString();
  const spooled = spoolAlert(ctx.home, {
    event: { ...news, at, host: ctx.host },
    solves: [...solves],
    only_if_solving,
    judged: false,
    repeated: false,
    done: [],
    not_before: at,
    tries: 0,
  });
  desk(ctx).waiting.push(spooled);
}

/** Called by whoever may change something: what earlier runs could not send is tried again at the end. */
export function resumeAlerts(ctx: Context): void {
  if (!desks.has(ctx.home) && alertsDue(ctx.home, ctx.now())) desk(ctx);
}

/** True where `deliverAlerts` has something to do. */
export function hasAlerts(ctx: Context): boolean {
  const here = desks.get(ctx.home);
  return here !== undefined && !here.nobody;
}

/** Notes whom the settings name, while they are at hand, and pings that are on their way to them. */
export function noteReceivers(
  ctx: Context,
  settings: NotifySettings,
  receivers: unknown[],
  sending: Promise<unknown>,
): void {
  const here = desk(ctx);
  here.settings = settings;
  here.nobody = receivers.length === 0;
  if (here.nobody) here.waiting.splice(0).forEach(dropSpooled);
  here.started.push(sending);
}

/** Takes everything off the desk, for delivery. */
export function clearDesk(ctx: Context): Desk {
  const found = desk(ctx);
  desks.delete(ctx.home);
  return found;
}
