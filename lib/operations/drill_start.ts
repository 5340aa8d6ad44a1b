/** Brings a drill's services up: in the order of their dependencies, dumps fed in, until all are well. */
import { join } from "node:path";
import { asDuckbackError, DuckbackError, type ErrorCode, throwIfAborted } from "../core/errors.ts";
import type { DumpRecord } from "../core/model.ts";
import { drillContainer } from "../docker/drill_container.ts";
import type { Condition, Container, Engine } from "../docker/engine.ts";
import { howItEnded, runScript } from "../docker/exec_shell.ts";
import { type UnhealthyContainer, waitHealthy } from "../docker/health.ts";
import { levels } from "../docker/levels.ts";
import { backoff, Deadline, sleepUnless } from "../docker/retry.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import { DRILL_SERVICE_LABEL, type DrillPlace } from "./drill_place.ts";
import type { DrilledService } from "./drill_stack.ts";
import { GRACE_MS } from "./health.ts";
import { feedDump } from "./restore_dump.ts";

const LOG_LINES = 20;
/** What a database says that does not run, or does not want what it is given. */
const NOT_TAKEN: ErrorCode[] = ["RESTORE_FAILED", "REFUSED", "DOCKER_FAILED"];
/** Longest that a command of `duckback.drill` may take. */
const COMMAND_LIMIT_MS = 600_000;

export interface DrillRun {
  engine: Engine;
  place: DrillPlace;
  services: DrilledService[];
  dumps: DumpRecord[];
  /** For each wait. */
  timeout_ms: number;
  backup_id: number;
}

/** Returns sentences on what was left out. Raises DRILL_FAILED with the last lines of who is not well. */
export async function startServices(ctx: Context, run: DrillRun): Promise<string[]> {
  const start = new Start(ctx, run);
  await start.all();
  return start.left_out;
}

/** Runs the commands of the label `duckback.drill`; returns whose. Raises DRILL_FAILED. */
export async function runDrillCommands(
  ctx: Context,
  { engine, place, services, backup_id }: DrillRun,
): Promise<string[]> {
  const named = services.filter(({ command }) => command !== null);
  for (const { name, command } of named) {
    phase(ctx, "drill", `Running duckback.drill in ${name}`);
    const [container] = await engine.listContainers({
      ...place.labels,
      [DRILL_SERVICE_LABEL]: name,
    });
    const limit = AbortSignal.timeout(COMMAND_LIMIT_MS);
    const failed = (how: string) =>
      new DuckbackError(
        "DRILL_FAILED",
        `Cannot pass the drill of backup ${backup_id}: duckback.drill of ${name} failed: ${how}`,
        {
          hint:
            "The archive is sound and its services came up; what they hold is not as it should.",
        },
      );
    try {
      const result = await runScript(engine, container.id, {
        script: 'exec sh -c "$1"\n',
        args: [command!],
        signal: AbortSignal.any([ctx.signal, limit]),
      });
      if (result.exit_code !== 0 || !result.whole) throw failed(howItEnded(result));
    } catch (cause) {
      throwIfAborted(ctx.signal);
      throw limit.aborted
        ? failed(`it did not end within ${COMMAND_LIMIT_MS / 60_000} minutes`)
        : cause;
    }
  }
  return named.map(({ name }) => name);
}

class Start {
  readonly left_out: string[] = [];
  /** Ids by service. */
  readonly #made = new Map<string, string>();
  readonly #dumped: Set<string>;

  constructor(readonly ctx: Context, readonly run: DrillRun) {
    this.#dumped = new Set(run.dumps.map(({ service }) => service));
  }

  async all() {
    const { services } = this.run;
    const edges = this.#edges();
    const level = levels(edges);
    const order = [...services].sort((a, b) => level.get(a.name)! - level.get(b.name)!);
    for (const service of order) {
      throwIfAborted(this.ctx.signal);
      for (const { service: other, condition } of service.depends_on) {
        await this.#await(this.#named(other), condition);
      }
      await this.#start(service);
      for (const dump of this.run.dumps.filter((dump) => dump.service === service.name)) {
        await this.#feed(service, dump);
      }
    }
    phase(this.ctx, "health", "Waiting for the drill's services to be well");
    await Promise.all(order.map((service) =>
      this.#await(
        service,
        service.stays ? "service_healthy" : "service_completed_successfully",
      )
    ));
  }

  /** Whoever may use a database that is fed a dump starts after it. */
  #edges(): Map<string, string[]> {
    const { services } = this.run;
    const own = new Map(services.map(({ name, depends_on }) => [
      name,
      depends_on.map(({ service }) => service),
    ]));
    const before = new Set<string>();
    const visit = (name: string) => {
      if (before.has(name)) return;
      before.add(name);
      own.get(name)?.forEach(visit);
    };
    this.#dumped.forEach(visit);
    for (const [name, others] of own) if (!before.has(name)) others.push(...before);
    return own;
  }

  #named(name: string): DrilledService {
    return this.run.services.find((service) => service.name === name)!;
  }

  async #start(service: DrilledService) {
    const { engine, place } = this.run;
    phase(this.ctx, "drill", `Starting ${service.name}`);
    const { body, left_out } = drillContainer(service, {
      network: await place.network(),
      labels: { ...place.labels, [DRILL_SERVICE_LABEL]: service.name },
      containerOf: (other) => this.#made.get(other) ?? null,
    });
    this.left_out.push(...left_out);
    try {
      const id = await engine.make.container(`${place.name}-${service.name}`, body);
      this.#made.set(service.name, id);
      await engine.start(id);
    } catch (cause) {
      const error = asDuckbackError(cause);
      if (error.code !== "DOCKER_FAILED") throw error;
      throw this.#failed(`${service.name} cannot be started: ${error.message}`, cause);
    }
  }

  /** Waits until a service is as `condition` wants it; starts it again as compose's engine would. */
  async #await(service: DrilledService, condition: Condition) {
    if (condition === "service_started") return;
    const { engine, timeout_ms } = this.run;
    const deadline = new Deadline(timeout_ms);
    const id = this.#made.get(service.name)!;
    const job = condition === "service_completed_successfully";
    for (let tries = 0;; tries++) {
      throwIfAborted(this.ctx.signal);
      const container = await engine.inspect(id);
      const state = container === null
        ? REMOVED
        : job
        ? await this.#ended(container, deadline)
        : await this.#well(service, container, deadline);
      if (state === null) return;
      const again = state.state === "exited" && service.restart !== "no" && !deadline.over;
      if (!again) throw this.#unwell(service, state);
      await sleepUnless(backoff(tries), this.ctx.signal);
      await engine.start(id);
    }
  }

  async #well(
    { restart }: DrilledService,
    container: Container,
    deadline: Deadline,
  ): Promise<UnhealthyContainer | null> {
    const { engine } = this.run;
    const timeoutMs = Math.max(deadline.left_ms, 1);
    const { unhealthy } = await waitHealthy(engine, [container], {
      timeoutMs,
      graceMs: Math.min(GRACE_MS, timeoutMs / 2),
      signal: this.ctx.signal,
    });
    if (unhealthy.length > 0) return unhealthy[0];
    // One that ends in good order has done its work, unless it is meant to run for ever.
    const now = await engine.inspect(container.id);
    const ended = now?.state === "exited" && (restart === "always" || restart === "unless-stopped");
    return ended ? await this.#describe(now) : null;
  }

  async #ended(container: Container, deadline: Deadline): Promise<UnhealthyContainer | null> {
    let now: Container | null = container;
    while (now?.state === "running" && !deadline.over) {
      await sleepUnless(200, this.ctx.signal);
      throwIfAborted(this.ctx.signal);
      now = await this.run.engine.inspect(container.id);
    }
    if (now === null) return REMOVED;
    return now.state === "exited" && now.exit_code === 0 ? null : await this.#describe(now);
  }

  async #describe(container: Container): Promise<UnhealthyContainer> {
    return {
      service: container.name,
      container: container.name,
      state: container.state,
      health: container.health,
      exit_code: container.state === "running" ? null : container.exit_code,
      log_tail: await this.run.engine.logTail(container.id, LOG_LINES),
    };
  }

  /**
   * A database that is up need not take a dump yet: it may still be making itself. A restore begins with
   * an empty database, so it may be tried again.
   */
  async #feed(service: DrilledService, dump: DumpRecord) {
    const { engine, place, timeout_ms } = this.run;
    await this.#await(service, "service_healthy");
    const deadline = new Deadline(timeout_ms);
    for (let tries = 0;; tries++) {
      const container = (await engine.inspect(this.#made.get(service.name)!))!;
      const stack = { name: place.name, services: [], containers: [container] };
      const fed = { engine, container, dump, stack };
      try {
        return void await feedDump(this.ctx, fed, join(place.tree, dump.path), place.journal);
      } catch (cause) {
        const error = asDuckbackError(cause);
        throwIfAborted(this.ctx.signal);
        if (!NOT_TAKEN.includes(error.code)) throw error;
        const state = `the dump of ${service.name} does not go in: ${error.message}`;
        if (deadline.over) throw this.#failed(state, cause);
        await sleepUnless(backoff(tries), this.ctx.signal);
      }
    }
  }

  #unwell(service: DrilledService, state: UnhealthyContainer): DuckbackError {
    const how = state.health ?? state.state;
    const code = state.exit_code === null ? "" : ` with code ${state.exit_code}`;
    const said = state.log_tail.map((line) => `\n  ${line}`).join("");
    return this.#failed(`${service.name} is ${how}${code}${said}`, undefined);
  }

  #failed(state: string, cause: unknown): DuckbackError {
    return new DuckbackError(
      "DRILL_FAILED",
      `Cannot bring backup ${this.run.backup_id} up in a drill: ${state}`,
      {
        cause,
        hint:
          "The archive is sound. `duckback restore ID --target DIR` takes its files out to look at.",
      },
    );
  }
}

const REMOVED: UnhealthyContainer = {
  service: "",
  container: "",
  state: "removed by somebody",
  health: null,
  exit_code: null,
  log_tail: [],
};
