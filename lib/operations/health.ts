/** Waits until what was started is well again; never fails a run by itself. */
import type { HealthReport } from "../docker/health.ts";
import { waitWithSecondStart } from "../docker/second_start.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import { asDuckbackError } from "../core/errors.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";

export type HealthOutcome = HealthReport;

/** How long a container without a healthcheck must stay up to count as well, at most. */
export const GRACE_MS = 2_000;

/**
 * Null where nothing was stopped, or nothing is to be waited for (`timeout_ms` 0). What is not well in
 * time is started once more and waited for again. A signal ends the waiting, not the services.
 */
export async function awaitHealth(
  ctx: Context,
  engine: Engine | null,
  plan: QuiescePlan | null,
  timeout_ms: number,
  onWell: (container: string, how: string) => void = () => {},
): Promise<HealthOutcome | null> {
  if (!engine || !plan || timeout_ms === 0) return null;
  try {
    return await waitWithSecondStart(engine, plan, {
      timeoutMs: timeout_ms,
      // Always shorter than the wait: what just stays up must not be taken for unwell, and restarted.
      graceMs: Math.min(GRACE_MS, timeout_ms / 2),
      onStep: (text) => note(ctx, text, "warning"),
      onWell,
      onSecondStart: (text) => note(ctx, text, "warning"),
      signal: ctx.signal,
    });
  } catch (cause) {
    note(
      ctx,
      `The services' health could not be seen: ${asDuckbackError(cause).message}`,
      "warning",
    );
    return null;
  }
}
