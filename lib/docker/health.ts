/** Waits until containers are well: healthy by their healthcheck, else up for a while. */
import { throwIfAborted } from "../core/errors.ts";
import type { Container, Engine } from "./engine.ts";
import { type Identity, locate } from "./locate.ts";
import { Patience } from "./patient.ts";
import type { QuiescePlan } from "./plan.ts";
import { Deadline, sleepUnless } from "./retry.ts";

/** A container that is not well when the wait ends. */
export interface UnhealthyContainer {
  /** The container's name where it has no service. */
  service: string;
  container: string;
  /** The engine's state, or "missing". */
  state: string;
  health: string | null;
  exit_code: number | null;
  /** Its last lines, oldest first. */
  log_tail: string[];
}

export interface HealthReport {
  /** Container names. */
  healthy: string[];
  unhealthy: UnhealthyContainer[];
  /** Those that were in a restart loop before: nobody can say when they are well. */
  not_awaited: string[];
  /** Those that were not well at first and were started once more; well by now, or unhealthy. */
  started_again: string[];
}

export interface HealthOptions {
  timeoutMs: number;
  /** How long a container without a healthcheck must stay up. */
  graceMs: number;
  /** Told when the engine does not answer. */
  onStep?: (text: string) => void;
  /** Told of each container that is well, and how: "healthy", "up". */
  onWell?: (container: string, how: string) => void;
  /** Ends the wait with INTERRUPTED; the containers are left as they are. */
  signal?: AbortSignal;
}

interface Target extends Identity {
  /** False: only that it stays up is asked of it, though it has a healthcheck. */
  by_healthcheck: boolean;
}

const POLL_MS = 200;
const LOG_LINES = 20;

/**
 * Given a plan, waits for what it lists as it was before: what was unhealthy need only be up, what was
 * restarting is not waited for. Given containers, waits for all of them. Raises DOCKER_UNREACHABLE.
 */
export async function waitHealthy(
  engine: Engine,
  what: QuiescePlan | Container[],
  options: HealthOptions,
): Promise<HealthReport> {
  const { targets, not_awaited } = targetsOf(what);
  const wait = new HealthWait(engine, options);
  const found = await Promise.all(targets.map((target) => wait.target(target)));
  return {
    healthy: targets.filter((_, index) => found[index] === null).map((target) => target.name),
    unhealthy: found.filter((item) => item !== null),
    not_awaited,
    started_again: [],
  };
}

function targetsOf(what: QuiescePlan | Container[]): { targets: Target[]; not_awaited: string[] } {
  if (Array.isArray(what)) {
    const targets = what.map((item) => ({ ...item, by_healthcheck: item.has_healthcheck }));
    return { targets, not_awaited: [] };
  }
  const loops = what.items.filter((item) => item.state === "restarting");
  const targets = what.items.filter((item) => item.state !== "restarting").map((item) => ({
    ...item,
    by_healthcheck: item.has_healthcheck && item.health !== "unhealthy",
  }));
  return { targets, not_awaited: loops.map((item) => item.name) };
}

type Verdict = "well" | "wait" | "lost";

class HealthWait {
  readonly #deadline: Deadline;
  readonly #patience: Patience;

  constructor(readonly engine: Engine, readonly options: HealthOptions) {
    this.#deadline = new Deadline(options.timeoutMs);
    this.#patience = new Patience(options.timeoutMs, options.onStep);
  }

  /** Null once it is well. */
  async target(target: Target): Promise<UnhealthyContainer | null> {
    const { signal, onWell } = this.options;
    const upSince = new Map<string, number>();
    for (;;) {
      throwIfAborted(signal);
      const found = await this.#patience.call(() => locate(this.engine, target));
      const verdict = this.#judge(target, found, upSince);
      if (verdict === "well") {
        onWell?.(target.name, found?.health ?? (found?.state === "exited" ? "done" : "up"));
        return null;
      }
      if (verdict === "lost" || this.#deadline.over) return await this.#describe(target, found);
      await sleepUnless(Math.min(POLL_MS, this.#deadline.left_ms), signal);
    }
  }

  #judge(target: Target, found: Container | null, upSince: Map<string, number>): Verdict {
    if (!found) return "lost";
    switch (found.state) {
      case "running": {
        if (target.by_healthcheck && found.health !== null) {
          return found.health === "healthy" ? "well" : "wait";
        }
        // Each restart begins anew.
        const start = found.started_at ?? "";
        if (!upSince.has(start)) upSince.set(start, performance.now());
        return performance.now() - upSince.get(start)! >= this.options.graceMs ? "well" : "wait";
      }
      case "restarting":
        return "wait";
      case "exited": {
        // A job that ran when the backup began has done its work.
        const stays = found.restart_policy === "no" || found.restart_policy === "on-failure";
        if (found.exit_code === 0 && stays) return "well";
        return found.restart_policy === "no" ? "lost" : "wait";
      }
      default:
        return "lost";
    }
  }

  async #describe(target: Target, found: Container | null): Promise<UnhealthyContainer> {
    return {
      service: target.service ?? target.name,
      container: found?.name ?? target.name,
      state: found?.state ?? "missing",
      health: found?.health ?? null,
      exit_code: found && found.state !== "running" ? found.exit_code : null,
      log_tail: found
        ? await this.#patience.call(() => this.engine.logTail(found.id, LOG_LINES))
        : [],
    };
  }
}
