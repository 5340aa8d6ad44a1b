/** Brings back exactly what a plan lists, dependencies first; tries hard, and says what it could not. */
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import { type Container, type Engine, LABEL } from "./engine.ts";
import { isUnreachable, refusalStatus } from "./engine_failure.ts";
import { locate, title } from "./locate.ts";
import { Patience } from "./patient.ts";
import { endedAfterAll } from "./pending_stops.ts";
import { inLevels, type QuiesceItem, type QuiescePlan } from "./plan.ts";
import { backoff, Deadline, sleep } from "./retry.ts";
import type { StopReport } from "./stop_all.ts";

export interface StartReport {
  /** Container names, in the order of starting (or unpausing). */
  started: string[];
  /** Those that ran when looked at: never stopped, or started by somebody else. */
  already_running: string[];
  /** Those that somebody started while they should have been down, planned or not. */
  started_meanwhile: string[];
  /** Those that exist no more, under no id: somebody removed them. */
  missing: string[];
  /** When the last one ran, on performance.now()'s clock; null where none was started. */
  last_start_ms: number | null;
}

export interface StartOptions {
  onStep?: (text: string) => void;
  now?: () => Date;
  /** Of the stop that went before, where there was one in this process. */
  stopped?: StopReport | null;
  /** How often each container is tried (5), with pauses of 0.2 to 3 s. */
  tries?: number;
  /** How long the engine may be away before the start fails, in milliseconds (30,000). */
  connection_budget_ms?: number;
  /** How long a `service_healthy` dependency is waited for before its dependents start all the same. */
  dependency_timeout_ms?: number;
}

/** A report of nothing to do. */
export function nothingStarted(): StartReport {
  return {
    started: [],
    already_running: [],
    started_meanwhile: [],
    missing: [],
    last_start_ms: null,
  };
}

/**
 * Starts what the plan lists and nothing else. May be called again at any time: what runs is left
 * alone. Nothing interrupts it. Raises START_FAILED, naming services and containers, after all others
 * were started.
 */
export async function startAll(
  engine: Engine,
  plan: QuiescePlan,
  options: StartOptions = {},
): Promise<StartReport> {
  const run = new StartRun(engine, plan, options);
  const others = run.startedOthers();
  for (const group of inLevels(plan.items).reverse()) {
    await Promise.all(group.map((item) => run.item(item)));
  }
  await run.pending();
  run.report.started_meanwhile.push(...await others);
  if (run.failures.length > 0) throw startFailed(plan, run);
  return run.report;
}

interface Failure {
  item: QuiesceItem;
  error: unknown;
}

class StartRun {
  readonly report = nothingStarted();
  readonly failures: Failure[] = [];
  readonly #patience: Patience;
  readonly #onStep: (text: string) => void;
  /** Planned to be stopped, but running since before the plan. */
  readonly #untouched: QuiesceItem[] = [];

  constructor(readonly engine: Engine, readonly plan: QuiescePlan, readonly options: StartOptions) {
    this.#onStep = options.onStep ?? (() => {});
    this.#patience = new Patience(options.connection_budget_ms ?? 30_000, this.#onStep);
  }

  async item(item: QuiesceItem): Promise<void> {
    try {
      const found = await this.#patience.call(() => locate(this.engine, item));
      if (!found) {
        this.report.missing.push(item.name);
        this.#onStep(`${title(item)} does not exist any more`);
        return;
      }
      if (this.#startedMeanwhile(item, found)) this.report.started_meanwhile.push(found.name);
      if (found.state === "running" || found.state === "restarting") {
        this.report.already_running.push(found.name);
        if (item.action === "stop" && found.started_at === item.started_at) {
          this.#untouched.push(item);
        }
        return;
      }
      // Paused by somebody else while it was planned to be stopped: up, as far as we are concerned.
      if (found.state === "paused" && item.action === "stop") {
        this.report.already_running.push(found.name);
        return;
      }
      await this.#dependencies(item);
      await this.#bringUp(item, found);
    } catch (error) {
      this.failures.push({ item, error });
    }
  }

  /** Those that an earlier run asked to stop may end only now. */
  async pending() {
    const now = this.options.now ?? (() => new Date());
    let ended: QuiesceItem[];
    try {
      ended = await endedAfterAll(this.engine, this.#patience, this.#untouched, now);
    } catch (error) {
      this.failures.push(...this.#untouched.map((item) => ({ item, error })));
      return;
    }
    for (const item of ended.sort((a, b) => a.level - b.level)) {
      this.report.already_running = this.report.already_running.filter((name) =>
        name !== item.name
      );
      await this.item(item);
    }
  }

  /** Containers of the project that are not in the plan, and were started after the first stop. */
  async startedOthers(): Promise<string[]> {
    // Not those of containers that only share a source: what else they start is their own affair.
    const own = this.plan.items.filter((item) => !item.sharing);
    const projects = new Set(own.flatMap((item) => item.project ?? []));
    const planned = new Set(this.plan.items.map((item) => item.name));
    try {
      const since = await this.#firstEnd();
      if (since === null) return [];
      const all = await Promise.all(
        [...projects].map((project) => this.engine.listContainers({ [LABEL.project]: project })),
      );
      return all.flat().filter((container) =>
        !planned.has(container.name) && isLater(container.started_at, since)
      ).map((container) => container.name);
    } catch {
      return []; // Bringing services back matters more; those calls are repeated.
    }
  }

  /** Engine's time at which the first of the stopped containers ended. */
  async #firstEnd(): Promise<string | null> {
    const ids = this.options.stopped?.containers.map((container) => container.id) ??
      this.plan.items.map((item) => item.id);
    const found = await Promise.all(ids.map((id) => this.engine.inspect(id)));
    const ends = found.flatMap((container) =>
      container?.state === "exited" && container.finished_at ? [container.finished_at] : []
    );
    return ends.reduce<string | null>(
      (first, end) => first === null || isLater(first, end) ? end : first,
      null,
    );
  }

  #startedMeanwhile(item: QuiesceItem, found: Container): boolean {
    if (item.action === "pause") return found.state === "running";
    const stopped = this.options.stopped?.containers.find((container) =>
      container.name === item.name
    );
    // Without the stop's report a container in a restart loop may well have started since the plan.
    if (!stopped && item.state === "restarting") return false;
    return found.started_at !== null &&
      found.started_at !== (stopped?.started_at ?? item.started_at);
  }

  async #bringUp(item: QuiesceItem, found: Container) {
    const paused = found.state === "paused";
    const tries = this.options.tries ?? 5;
    for (let attempt = 1;; attempt++) {
      try {
        await this.#patience.call(() =>
          paused ? this.engine.unpause(found.id) : this.engine.start(found.id)
        );
        break;
      } catch (error) {
        const now = await this.#patience.call(() => this.engine.inspect(found.id));
        if (now?.state === "running") break; // Whoever did it: it runs.
        if (isUnreachable(error) || refusalStatus(error) === 404 || attempt >= tries) throw error;
        this.#onStep(
          `${title(item)} did not start (${asDuckbackError(error).message}): trying again`,
        );
        await sleep(backoff(attempt - 1));
      }
    }
    this.report.started.push(found.name);
    this.report.last_start_ms = performance.now();
    this.#onStep(`${paused ? "Resumed" : "Started"} ${title({ ...item, name: found.name })}`);
  }

  /** Waits until dependencies are healthy that are to be, and that were before. */
  async #dependencies(item: QuiesceItem) {
    const deadline = new Deadline(this.options.dependency_timeout_ms ?? 60_000);
    const healthy = item.depends_on.filter(({ condition }) => condition === "service_healthy");
    for (const { service } of healthy) {
      const targets = this.plan.items.filter((other) =>
        other.service === service && other.project === item.project &&
        other.has_healthcheck && other.state === "running" &&
        other.health !== "unhealthy" && !this.failures.some((failure) => failure.item === other)
      );
      for (const target of targets) await this.#untilHealthy(item, target, deadline);
    }
  }

  async #untilHealthy(item: QuiesceItem, target: QuiesceItem, deadline: Deadline) {
    for (;;) {
      const found = await this.#patience.call(() => locate(this.engine, target));
      if (found?.health === "healthy") return;
      const hopeless = found?.health !== "starting";
      if (hopeless || deadline.over) {
        const state = found?.health ?? found?.state ?? "missing";
        this.#onStep(`${title(target)} is ${state}: ${title(item)} is started all the same`);
        return;
      }
      await sleep(Math.min(150, deadline.left_ms));
    }
  }
}

/** Engine times have up to nine digits of a second: Date alone would lose them. */
function isLater(time: string | null, than: string): boolean {
  if (time === null) return false;
  const [a, b] = [Date.parse(time), Date.parse(than)];
  if (a !== b) return a > b;
  const digits = (text: string) => (/\.(\d+)/.exec(text)?.[1] ?? "").padEnd(9, "0");
  return digits(time) > digits(than);
}

function startFailed(plan: QuiescePlan, { failures, report }: StartRun): DuckbackError {
  const what = failures.map(({ item, error }) =>
    `${title(item)}: ${asDuckbackError(error).message}`
  );
  const names = failures.map(({ item }) => item.name);
  return new DuckbackError(
    "START_FAILED",
    `Cannot start ${failures.length} of ${plan.items.length} containers of stack "${plan.stack}", ` +
      `which are DOWN: ${what.join("; ")}`,
    {
      cause: failures[0].error,
      hint: `Start them by hand: docker ${plan.mode === "pause" ? "unpause" : "start"} ${
        names.join(" ")
      }; or mend the cause and run: duckback recover`,
      details: {
        services: [...new Set(failures.map(({ item }) => item.service ?? item.name))],
        containers: names,
        started: report.started,
      },
    },
  );
}
