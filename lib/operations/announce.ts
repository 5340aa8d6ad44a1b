/**
 * Telling that something happened: `announce` at any moment of an operation, cheap and never failing.
 * The event goes to the spool; who runs the operation (the command line at its end, the daemon after
 * each task) sends it with `deliverAlerts`, when services are up and archives durable.
 */
import type { AlertEvent, EventKind } from "../core/events.ts";
import type { Home } from "../repository/home.ts";
import { alertsDue, spoolAlert, type Spooled } from "../repository/alert_spool.ts";
import type { Context } from "./context.ts";

/** What happened; see AlertEvent for the fields. */
export type News = Omit<AlertEvent, "at" | "host">;

/** What was announced in this process and not delivered yet, by home. */
const waiting = new WeakMap<Home, Spooled[]>();

/** Notes an event for those who want to hear of it. Never throws, never waits for a receiver. */
export function announce(ctx: Context, news: News, solves: EventKind[] = []): void {
  put(ctx, news, solves, false);
}

/** Sends `recovered` where one of `solves` was alerted for the same stack and is well again. */
export function announceWell(
  ctx: Context,
  news: Omit<News, "kind">,
  solves: EventKind[],
): void {
  put(ctx, { ...news, kind: "recovered" }, solves, true);
}

function put(ctx: Context, news: News, solves: EventKind[], only_if_solving: boolean) {
  const at = ctx.now().toISOString();
  const spooled = spoolAlert(ctx.home, {
    event: { ...news, at, host: ctx.host },
    solves,
    only_if_solving,
    judged: false,
    repeated: false,
    done: [],
    not_before: at,
    tries: 0,
  });
  waiting.set(ctx.home, [...waiting.get(ctx.home) ?? [], spooled]);
}

/** Called by whoever may change something: what earlier runs could not send is tried again at the end. */
export function resumeAlerts(ctx: Context): void {
  if (!waiting.has(ctx.home) && alertsDue(ctx.home, ctx.now())) waiting.set(ctx.home, []);
}

/** True where `deliverAlerts` has something to do. */
export function hasAlerts(ctx: Context): boolean {
  return waiting.has(ctx.home);
}

/** What could not be put on disk and would be lost with the process; forgotten here. */
export function takeUnwritten(ctx: Context): Spooled[] {
  const unwritten = (waiting.get(ctx.home) ?? []).filter(({ path }) => path === null);
  waiting.delete(ctx.home);
  return unwritten;
}
