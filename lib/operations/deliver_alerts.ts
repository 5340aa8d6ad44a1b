/** Sending what was announced: to each receiver what it wants, all at once, within a time bound. */
import { join } from "node:path";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { Receiver } from "../notify/receiver.ts";
import { sendWithRetries } from "../notify/retry.ts";
import {
  dropSpooled,
  type Spooled,
  spooledAlerts,
  updateSpooled,
} from "../repository/alert_spool.ts";
import { acquireLock } from "../repository/lock.ts";
import { alertSettings, receiversOf } from "./alert_receivers.ts";
import { clearDesk } from "./announce.ts";
import { type Context, note } from "./context.ts";
import { judgeAlerts } from "./judge_alerts.ts";

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
 * Never throws: what does not arrive becomes a note and stays in the spool for the next run. Sending
 * takes no longer than `notify.timeout_seconds`.
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
  const { waiting, settings: known, started } = clearDesk(ctx);
  const settings = known ?? await alertSettings(ctx);
  const receivers = receiversOf(ctx, settings);
  const seconds = ctx.signal.aborted
    ? Math.min(HURRY_S, settings["notify.timeout_seconds"])
    : settings["notify.timeout_seconds"];
  const deadline = AbortSignal.timeout(seconds * 1000);
  if (!ctx.signal.aborted) await Promise.all(started);
  using _lock = await alone(ctx, deadline);
  // What is on disk is read from there: another process may have dealt with it meanwhile.
  const unwritten = waiting.filter(({ path }) => path === null);
  const alerts = [...spooledAlerts(ctx.home, ctx.now()), ...unwritten];
  judgeAlerts(ctx.home, alerts, settings["notify.repeat_hours"]);
  const deliveries = await Promise.all(
    receivers.map((receiver) => deliverTo(receiver, alerts, deadline)),
  );
  for (const spooled of alerts) settle(ctx, spooled, receivers);
  for (const { receiver, error } of deliveries) {
    if (error) note(ctx, `${receiver} was not told: ${error}. It is tried again later.`, "warning");
  }
  return deliveries;
}

/**
 * Two at once would tell everything twice. Raises LOCKED where the other one takes all the time. Where a
 * full disk leaves no lock to be had, twice is better than never.
 */
async function alone(ctx: Context, deadline: AbortSignal): Promise<Disposable> {
  const holder = { pid: Deno.pid, operation: ctx.command, since: ctx.now().toISOString() };
  for (;;) {
    try {
      return await acquireLock(join(ctx.home.alerts, "lock"), holder);
    } catch (cause) {
      const locked = cause instanceof DuckbackError && cause.code === "LOCKED";
      if (!locked) return { [Symbol.dispose]() {} };
      if (deadline.aborted) throw cause;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/**
 * In order, up to the first that does not arrive: a receiver that is away is not asked for each. One
 * event that it refuses does not keep it from the others; all of them, and it is left alone.
 */
async function deliverTo(
  receiver: Receiver,
  alerts: Spooled[],
  deadline: AbortSignal,
): Promise<Delivery> {
  const { channel, label, id } = receiver;
  const open = alerts.map(({ alert }) => alert).filter((alert) =>
    !alert.done.includes(id) && receiver.wants(alert.event, alert.repeated)
  );
  const delivery: Delivery = { channel, receiver: label, sent: 0, error: null };
  let refused = 0;
  for (const [at, alert] of open.entries()) {
    const { event } = alert;
    const old = receiver.latest_only &&
      open.slice(at + 1).some((later) => later.event.stack === event.stack);
    if (!old) {
      const error = await sendWithRetries((signal) => receiver.send(event, signal), deadline);
      if (error) {
        delivery.error = error.message;
        if (error.worth_retrying || ++refused > 1) break;
        continue;
      }
      delivery.sent++;
    }
    alert.done.push(id);
  }
  return delivery;
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
