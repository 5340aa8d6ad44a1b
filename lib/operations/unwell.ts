/** Why services cannot stay on the trees that were just put in their place. */
import { DuckbackError } from "../core/errors.ts";
import type { HealthOutcome } from "./health.ts";

/**
 * Null where all started and none is unwell; else RESTORE_FAILED: "`what` web is unhealthy. `done`".
 * `start` is the error of their start.
 */
export function unwell(
  what: string,
  start: DuckbackError | null,
  health: HealthOutcome | null,
  done: string,
  hint: string,
): DuckbackError | null {
  const which = (health?.unhealthy ?? []).map((found) =>
    `${found.service} is ${found.health ?? found.state}`
  );
  if (!start && which.length === 0) return null;
  return new DuckbackError(
    "RESTORE_FAILED",
    `${what} ${start ? start.message : which.join(", ")}. ${done}`,
    {
      cause: start,
      hint: `\`docker logs\` of the service says more. ${hint}`,
      details: { unhealthy: health?.unhealthy ?? [] },
    },
  );
}
