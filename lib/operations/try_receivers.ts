/** `notify test`: a test event to everybody the settings name, and what became of it. */
import { DuckbackError } from "../core/errors.ts";
import type { Channel } from "../notify/receiver.ts";
import { sendWithRetries } from "../notify/retry.ts";
import { receiversOf } from "./alert_receivers.ts";
import { type Context, phase } from "./context.ts";
import { currentSettings } from "./settings.ts";

/** One receiver's verdict. */
export interface TriedReceiver {
  channel: Channel;
  receiver: string;
  ok: boolean;
  /** Why not; null where it took the event. */
  error: string | null;
  duration_ms: number;
}

/** Tells all of one channel, or all; raises FAILED where there is nobody to tell. */
export async function tryReceivers(
  ctx: Context,
  channel: Channel | null,
): Promise<TriedReceiver[]> {
  const settings = await currentSettings(ctx);
  const receivers = receiversOf(ctx, settings).filter((one) =>
    channel === null || one.channel === channel
  );
  if (receivers.length === 0) {
    const what = channel ? `any ${channel} receiver` : "any receiver";
    throw new DuckbackError("FAILED", `Cannot test "notify": the settings do not name ${what}`, {
      hint: "duckback config list shows the keys notify.*, for example notify.webhook_urls.",
    });
  }
  const event = {
    kind: "test" as const,
    at: ctx.now().toISOString(),
    host: ctx.host,
    stack: ctx.stack,
    title: "This is a test of duckback's alerts",
    message: `Sent by ${ctx.actor} with duckback notify test. Nothing has happened.`,
    backup_id: null,
  };
  const seconds = settings["notify.timeout_seconds"];
  const deadline = AbortSignal.any([ctx.signal, AbortSignal.timeout(seconds * 1000)]);
  return await Promise.all(receivers.map(async (one) => {
    phase(ctx, "notify", `Telling ${one.label}`);
    const began = performance.now();
    const error = await sendWithRetries((signal) => one.send(event, signal), deadline);
    return {
      channel: one.channel,
      receiver: one.label.slice(one.channel.length + 1),
      ok: error === null,
      error: error?.message ?? null,
      duration_ms: Math.round(performance.now() - began),
    };
  }));
}
