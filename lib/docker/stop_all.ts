/** Stops or pauses what a plan lists: dependents first, each with its own grace. */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Container, Engine } from "./engine.ts";
import { refusalStatus } from "./engine_failure.ts";
import { locate, title } from "./locate.ts";
import { Patience } from "./patient.ts";
import { graceSeconds, inLevels, type QuiesceItem, type QuiescePlan } from "./plan.ts";

/** How a container stood after its stop. */
export interface StoppedContainer {
  id: string;
  name: string;
  service: string | null;
  exit_code: number;
  /** Engine's time of the start before this stop. */
  started_at: string | null;
}

export interface StopReport {
  /** Container names, in the order of stopping. */
  stopped: string[];
  paused: string[];
  /** Of the stopped: those that did not end on their stop signal (exit code 137), or out of memory. */
  killed: string[];
  containers: StoppedContainer[];
  /** When the first was asked to stop, on performance.now()'s clock; null where there was none. */
  first_stop_ms: number | null;
}

export interface StopOptions {
  onStep?: (text: string) => void;
  /** Seen between two levels: stops that have begun are waited for, then INTERRUPTED is thrown. */
  signal?: AbortSignal;
  /** How long the engine may be away before the stop fails, in milliseconds (30,000). */
  connection_budget_ms?: number;
}

/** On top of a container's grace, until the engine's answer counts as lost. */
const EXTRA_MS = 60_000;

/**
 * Raises STOP_FAILED (naming the containers) and INTERRUPTED. Whatever it raises, some containers may
 * be down by then (or, where the engine went away, about to be): `startAll` with the same plan brings
 * them back.
 */
export async function stopAll(
  engine: Engine,
  plan: QuiescePlan,
  options: StopOptions = {},
): Promise<StopReport> {
  const run = new StopRun(engine, options);
  for (const group of inLevels(plan.items)) {
    throwIfAborted(options.signal);
    const results = await Promise.allSettled(group.map((item) => run.item(item)));
    const failures = results.flatMap((result, index) =>
      result.status === "rejected" ? [{ item: group[index], error: result.reason }] : []
    );
    if (failures.length > 0) throw stopFailed(plan, failures);
  }
  throwIfAborted(options.signal);
  return run.report;
}

class StopRun {
  readonly report: StopReport = {
    stopped: [],
    paused: [],
    killed: [],
    containers: [],
    first_stop_ms: null,
  };
  readonly #patience: Patience;
  readonly #onStep: (text: string) => void;

  constructor(readonly engine: Engine, options: StopOptions) {
    this.#onStep = options.onStep ?? (() => {});
    this.#patience = new Patience(options.connection_budget_ms ?? 30_000, this.#onStep);
  }

  async item(item: QuiesceItem): Promise<void> {
    this.report.first_stop_ms ??= performance.now();
    const change = item.action === "pause" ? this.#pause : this.#stop;
    try {
      await change.call(this, item, item.id);
    } catch (error) {
      if (refusalStatus(error) !== 404) throw error;
      // Somebody removed it. What was made in its place is stopped instead.
      const other = await this.#patience.call(() => locate(this.engine, item));
      if (other && isUp(other)) {
        refuseAutoRemoved(other);
        await change.call(this, item, other.id);
      }
    }
  }

  /** A stop whose answer got lost is asked for again: the engine then waits for the first. */
  async #stop(item: QuiesceItem, id: string) {
    const grace = graceSeconds(item);
    const limit_ms = grace === Infinity ? null : grace * 1000 + EXTRA_MS;
    await this.#patience.call(() => this.engine.stop(id, { timeout_s: null, limit_ms }));
    const after = await this.#patience.call(() => this.engine.inspect(id));
    if (!after) return;
    if (isUp(after)) {
      throw new DuckbackError(
        "DOCKER_FAILED",
        `Cannot stop container "${item.name}": it still runs (${after.state})`,
      );
    }
    const killed = after.exit_code === 137 || after.oom_killed;
    this.report.stopped.push(item.name);
    if (killed) this.report.killed.push(item.name);
    this.report.containers.push({
      id,
      name: item.name,
      service: item.service,
      exit_code: after.exit_code,
      started_at: after.started_at,
    });
    this.#onStep(
      `Stopped ${title(item)}${killed ? ": it did not end on its own and was killed" : ""}`,
    );
  }

  async #pause(item: QuiesceItem, id: string) {
    try {
      await this.#patience.call(() => this.engine.pause(id));
    } catch (error) {
      if (refusalStatus(error) === null) throw error;
      // Refused: it may be paused already (a first answer got lost), or have ended by itself.
      const now = await this.#patience.call(() => this.engine.inspect(id));
      if (now && isUp(now) && now.state !== "paused") throw error;
      if (now?.state !== "paused") return;
    }
    this.report.paused.push(item.name);
    this.#onStep(`Paused ${title(item)}`);
  }
}

function isUp(container: Container): boolean {
  return ["running", "paused", "restarting"].includes(container.state);
}

function refuseAutoRemoved(container: Container) {
  if (!container.auto_remove) return;
  throw new DuckbackError(
    "AUTO_REMOVE",
    `Cannot stop container "${container.name}": started with --rm, a stop would delete it`,
  );
}

function stopFailed(
  plan: QuiescePlan,
  failures: { item: QuiesceItem; error: unknown }[],
): DuckbackError {
  const verb = plan.mode === "pause" ? "pause" : "stop";
  const what = failures.map(({ item, error }) =>
    `${title(item)}: ${asDuckbackError(error).message}`
  );
  return new DuckbackError(
    "STOP_FAILED",
    `Cannot ${verb} stack "${plan.stack}": ${what.join("; ")}`,
    {
      cause: failures[0].error,
      hint: "See `docker ps` and `journalctl -u docker`; whatever was stopped is started again.",
      details: { containers: failures.map(({ item }) => item.name) },
    },
  );
}
