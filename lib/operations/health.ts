/** Waits until what was started is well again; never fails a run by itself. */
import { type HealthReport, waitHealthy } from "../docker/health.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import { asDuckbackError } from "../core/errors.ts";
import type { Context } from "./context.ts";
import { note } from "./context.ts";

export type HealthOutcome = HealthReport;

/** How long a container without a healthcheck must stay up to count as well. */
export const GRACE_MS = 2_000;

/** Null where nothing was stopped. A signal ends the waiting, not the services. */
export async function awaitHealth(
  ctx: Context,
  engine: Engine | null,
  plan: QuiescePlan | null,
  timeout_ms: number,
): Promise<HealthOutcome | null> {
  if (!engine || !plan) return null;
  try {
    return await waitHealthy(engine, plan, {
      timeoutMs: timeout_ms,
      graceMs: GRACE_MS,
      onStep: () => {},
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
