/** Sending what was announced: to each receiver what it wants, all at once, within a time bound. */
import { join } from "node:path";
import type { AlertEvent } from "../core/events.ts";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import { splitWebhook } from "../config/receiver_values.ts";
import type { Settings } from "../config/settings.ts";
import type { Receiver } from "../notify/receiver.ts";
import { buildReceivers } from "../notify/receivers.ts";
import { sendWithRetries } from "../notify/retry.ts";
import {
  dropSpooled,
  type OpenAlerts,
  readOpenAlerts,
  type Spooled,
  spooledAlerts,
  updateSpooled,
  writeOpenAlerts,
} from "../repository/alert_spool.ts";
import { acquireLock } from "../repository/lock.ts";
import { takeUnwritten } from "./announce.ts";
import { type Context, note } from "./context.ts";
import { currentSettings } from "./settings.ts";

/** What one receiver was told. */
export interface Delivery {
  channel: string;
  receiver: string;
  sent: number;
  /** Why not all; null where all of it arrived. */
  error: string | null;
}

/** Where a signal ended the run, its user or the system is waiting for the end. Seconds. */
const HURRY_S = 5;
/** Until a receiver that failed is tried again: doubled each time, up to an hour. */
const AGAIN_MS = 60_000;

/**
 * Never throws: what does not arrive becomes a note and stays in the spool for the next run. Takes no
 * longer than `notify.timeout_seconds`.
 */
export async function deliverAlerts(ctx: Context): Promise<Delivery[]> {
  try {
    return await deliver(ctx);
  } catch (cause) {
    note(ctx, `Alerts could not be sent: ${asDuckbackError(cause).message}`, "warning");
    return [];
  }
}

async function deliver(ctx: Context): Promise<Delivery[]> {
  const unwritten = takeUnwritten(ctx);
  const settings = await currentSettings(ctx);
  const receivers = receiversOf(ctx, settings);
  const seconds = ctx.signal.aborted ? HURRY_S : settings["notify.timeout_seconds"];
  const deadline = AbortSignal.timeout(seconds * 1000);
  using _lock = await alone(ctx, deadline);
  const alerts = [...spooledAlerts(ctx.home, ctx.now()), ...unwritten];
  judge(ctx, settings, alerts);
  const deliveries = await Promise.all(
    receivers.map((receiver) => deliverTo(receiver, alerts, deadline)),
  );
  for (const spooled of alerts) settle(ctx, spooled, receivers);
  for (const { receiver, error } of deliveries) {
    if (error) note(ctx, `${receiver} was not told: ${error}. Tried again later.`, "warning");
  }
  return deliveries;
}

/** Two at once would tell everything twice. Raises LOCKED where the other one takes all the time. */
async function alone(ctx: Context, deadline: AbortSignal): Promise<Disposable> {
  const holder = { pid: Deno.pid, operation: ctx.command, since: ctx.now().toISOString() };
  for (;;) {
    try {
      return await acquireLock(join(ctx.home.alerts, "lock"), holder);
    } catch (cause) {
      const locked = cause instanceof DuckbackError && cause.code === "LOCKED";
      if (!locked || deadline.aborted) throw cause;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Everybody the settings name. */
export function receiversOf(ctx: Context, settings: Settings): Receiver[] {
  return buildReceivers({
    events: settings["notify.events"],
    webhooks: settings["notify.webhook_urls"].map(splitWebhook),
  }, ctx.env);
}

/** Decides which alerts repeat one that was told not long ago, and which are not worth telling. */
function judge(ctx: Context, settings: Settings, alerts: Spooled[]) {
  const open = readOpenAlerts(ctx.home);
  const before = JSON.stringify(open);
  for (const spooled of alerts) {
    const { alert } = spooled;
    if (alert.judged) continue;
    alert.judged = true;
    const solved = alert.solves.map((kind) => keyOf(kind, alert.event)).filter((key) => open[key]);
    if (alert.only_if_solving) alert.repeated = solved.length === 0;
    else alert.repeated = isRepeated(open, alert.event, settings["notify.repeat_hours"]);
    for (const key of solved) delete open[key];
    const good = ["recovered", "backup_completed"].includes(alert.event.kind);
    if (!good && !alert.repeated) open[keyOf(alert.event.kind, alert.event)] = alert.event.at;
  }
  if (JSON.stringify(open) !== before) writeOpenAlerts(ctx.home, open);
}

function isRepeated(open: OpenAlerts, event: AlertEvent, hours: number): boolean {
  const told = open[keyOf(event.kind, event)];
  return told !== undefined && Date.parse(event.at) - Date.parse(told) < hours * 3_600_000;
}

function keyOf(kind: string, { stack }: AlertEvent): string {
  return `${kind} ${stack ?? ""}`;
}

/** In order, up to the first that does not arrive: a receiver that is away is not asked for each. */
async function deliverTo(
  receiver: Receiver,
  alerts: Spooled[],
  deadline: AbortSignal,
): Promise<Delivery> {
  const { channel, label } = receiver;
  let sent = 0;
  for (const { alert } of alerts) {
    if (alert.done.includes(receiver.id) || !receiver.wants(alert.event, alert.repeated)) continue;
    const error = await sendWithRetries((signal) => receiver.send(alert.event, signal), deadline);
    if (error) return { channel, receiver: label, sent, error };
    alert.done.push(receiver.id);
    sent++;
  }
  return { channel, receiver: label, sent, error: null };
}

function settle(ctx: Context, spooled: Spooled, receivers: Receiver[]) {
  const { alert } = spooled;
  const missing = receivers.filter((receiver) =>
    receiver.wants(alert.event, alert.repeated) && !alert.done.includes(receiver.id)
  );
  if (missing.length === 0) return dropSpooled(spooled);
  const wait = Math.min(AGAIN_MS * 2 ** alert.tries++, 3_600_000);
  alert.not_before = new Date(ctx.now().getTime() + wait).toISOString();
  updateSpooled(spooled);
}
