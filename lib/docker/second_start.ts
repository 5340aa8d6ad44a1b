/** A service that does not become well after its start is started once more, and waited for again. */
import { asDuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Engine } from "./engine.ts";
import { type HealthOptions, type HealthReport, waitHealthy } from "./health.ts";
import { locate, title } from "./locate.ts";
import { Patience } from "./patient.ts";
import { graceSeconds, inLevels, type QuiesceItem, type QuiescePlan } from "./plan.ts";

/** On top of a container's grace, until the engine's answer to a restart counts as lost. */
const EXTRA_MS = 180_000;

export interface SecondStartOptions extends HealthOptions {
  /** Told what is started once more, and why. */
  onSecondStart?: (text: string) => void;
}

/**
 * Waits as `waitHealthy` does, up to `timeoutMs`; then restarts what is not well, dependencies first,
 * and waits for that once more, as long again. What was removed or paused is left as it is, and so is
 * what is still starting by its healthcheck: a database that mends itself must not begin anew. A
 * restart is one request, which the engine carries out even if duckback dies. Raises
 * DOCKER_UNREACHABLE and INTERRUPTED; the containers are then as they are.
 */
export async function waitWithSecondStart(
  engine: Engine,
  plan: QuiescePlan,
  options: SecondStartOptions,
): Promise<HealthReport> {
  const first = await waitHealthy(engine, plan, options);
  if (first.unhealthy.length === 0) return first;
  // In the order of the plan, as first.unhealthy is.
  const settled = new Set([...first.healthy, ...first.not_awaited]);
  const unwell = plan.items.filter((item) => !settled.has(item.name));
  const again = await restartAll(engine, unwell, options);
  if (again.length === 0) return first;
  const second = await waitHealthy(engine, { ...plan, items: again }, options);
  return {
    healthy: [...first.healthy, ...second.healthy],
    unhealthy: [
      ...first.unhealthy.filter((_, index) => !again.includes(unwell[index])),
      ...second.unhealthy,
    ],
    not_awaited: first.not_awaited,
    started_again: again.map((item) => item.name),
  };
}

/** Those that were restarted. One that the engine refuses to start stays unwell, with its last lines. */
async function restartAll(
  engine: Engine,
  items: QuiesceItem[],
  options: SecondStartOptions,
): Promise<QuiesceItem[]> {
  const tell = options.onSecondStart ?? (() => {});
  const patience = new Patience(options.timeoutMs, tell);
  const done: QuiesceItem[] = [];
  for (const group of inLevels(items).reverse()) {
    throwIfAborted(options.signal);
    await Promise.all(group.map(async (item) => {
      const found = await patience.call(() => locate(engine, item));
      if (!found || !["running", "exited", "restarting", "dead"].includes(found.state)) return;
      if (found.health === "starting") return;
      tell(`${title(item)} is ${found.health ?? found.state}: starting it once more`);
      const grace = graceSeconds(item);
      const limit_ms = grace === Infinity ? null : grace * 1000 + EXTRA_MS;
      try {
        await patience.call(() => engine.restart(found.id, { limit_ms }));
      } catch (error) {
        tell(`${title(item)} could not be started again: ${asDuckbackError(error).message}`);
      }
      done.push(item);
    }));
  }
  return done;
}
