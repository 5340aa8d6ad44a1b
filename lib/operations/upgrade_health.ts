/** Whether a stack is well after an upgrade: what ran must run, what is new must not have failed. */
import { DuckbackError } from "../core/errors.ts";
import type { Container, Engine } from "../docker/engine.ts";
import { type UnhealthyContainer, waitHealthy } from "../docker/health.ts";
import { isActive } from "../docker/sharing.ts";
import { serviceOf } from "../docker/labels.ts";
import { type Context, phase } from "./context.ts";
import { GRACE_MS } from "./health.ts";
import { type StackBefore, unwellBefore } from "./old_containers.ts";
import { list } from "./quiesced.ts";
import { findStack } from "./stacks.ts";

/**
 * Finds the stack anew (its compose files may be others now) and waits. Returns sentences on services that
 * are not well and were not before either: the upgrade is not blamed for them, and they are never left
 * unsaid. Raises UNHEALTHY, with the last lines of what is not well; COMPOSE_INVALID and what else
 * `findStack` raises; INTERRUPTED.
 */
export async function requireWell(
  ctx: Context,
  engine: Engine,
  before: StackBefore,
  since: Date,
  timeoutMs: number,
): Promise<string[]> {
  const { stack } = await findStack(ctx, { need_engine: true });
  const containers = stack.containers.filter(({ oneoff }) => !oneoff);
  const declared = new Set(stack.services.map(({ name }) => name));
  const ran = new Set(before.ran.map(({ service, name }) => service ?? name));
  const wanted = [...ran].filter((name) => declared.size === 0 || declared.has(name));
  const absent = wanted.filter((name) => !containers.some((one) => serviceOf(one) === name));
  if (absent.length > 0) {
    throw new DuckbackError("UNHEALTHY", `${list(absent)} ran before and has no container now`);
  }
  if (timeoutMs === 0) return [];
  const judged = containers.filter((one) => isJudged(one, containers, wanted, since));
  if (judged.length === 0) return [];
  phase(ctx, "health", `Waiting until ${list([...new Set(judged.map(serviceOf))])} is well`);
  const { unhealthy } = await waitHealthy(engine, judged, {
    timeoutMs,
    graceMs: Math.min(GRACE_MS, timeoutMs / 2),
    signal: ctx.signal,
  });
  const excused = unwellBefore(before.plan);
  const [old, blamed] = [true, false].map((was) =>
    unhealthy.filter(({ service }) => excused.includes(service) === was)
  );
  if (blamed.length === 0) return old.map((one) => `${stateText(one)}, as it was before`);
  throw new DuckbackError("UNHEALTHY", list(blamed.map(stateText)), {
    details: { unhealthy: blamed },
  });
}

function stateText({ service, health, state, exit_code }: UnhealthyContainer): string {
  return `${service} is ${health ?? state}${exit_code === null ? "" : ` (exit code ${exit_code})`}`;
}

/** Jobs that have done their work, and what was down before, are not asked to run. */
function isJudged(one: Container, all: Container[], wanted: string[], since: Date): boolean {
  if (isActive(one)) return true;
  const service = serviceOf(one);
  const others = all.some((other) => serviceOf(other) === service && isActive(other));
  if (wanted.includes(service) && !others) return true;
  return one.exit_code !== 0 && Date.parse(one.started_at ?? "") >= since.getTime();
}
