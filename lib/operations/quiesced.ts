/** A stack's services held still for as long as the block that owns this lasts. */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { BackupMetadata, QuiesceMode } from "../core/model.ts";
import type { Engine } from "../docker/engine.ts";
import {
  nothingStarted,
  type PlanOptions,
  planQuiesce,
  type QuiescePlan,
  startAll,
  type StartReport,
  stopAll,
  type StopReport,
} from "../docker/quiesce.ts";
import { refreshStack, type Stack } from "../docker/stack.ts";
import type { JournalFile } from "../repository/journal.ts";
import { announce } from "./announce.ts";
import type { Context } from "./context.ts";
import { note, phase } from "./context.ts";

/** What would be stopped; nothing is touched yet. Raises AUTO_REMOVE for `--rm` containers. */
export function planFor(
  stack: Stack,
  mode: QuiesceMode,
  options: PlanOptions = {},
): QuiescePlan | null {
  if (mode === "none") return null;
  const plan = planQuiesce(stack, mode, options);
  return plan.items.length > 0 ? plan : null;
}

/** The same by the containers as they are now: minutes may have passed since the stack was found. */
export async function planNow(
  engine: Engine | null,
  stack: Stack,
  mode: QuiesceMode,
  options: PlanOptions = {},
): Promise<QuiescePlan | null> {
  return planFor(engine ? await refreshStack(engine, stack) : stack, mode, options);
}

export interface QuiesceOptions {
  /** Leave services stopped on `resume` (an error starts them all the same). */
  keep_stopped?: boolean;
  /** What must be put right before services start, where an error ends the block. */
  before_resume?: () => void | Promise<void>;
}

/**
 * Journals the plan durably, then stops (or pauses) the services. If that fails half-way, or the run
 * is interrupted, what was stopped is started again before the error leaves.
 * Disposal resumes too; `resume()` says how it went.
 */
export class Quiesced implements AsyncDisposable {
  #stop: StopReport | null = null;
  #started: Promise<StartReport> | null = null;
  #first_stop = 0;
  downtime_ms: number | null = null;

  private constructor(
    readonly ctx: Context,
    readonly engine: Engine | null,
    readonly plan: QuiescePlan | null,
    readonly journal: JournalFile,
    readonly options: QuiesceOptions,
  ) {}

  static async begin(
    ctx: Context,
    engine: Engine | null,
    plan: QuiescePlan | null,
    journal: JournalFile,
    options: QuiesceOptions = {},
  ): Promise<Quiesced> {
    const self = new Quiesced(ctx, engine, plan, journal, options);
    if (!plan) return self;
    throwIfAborted(ctx.signal);
    journal.save({ plan, users: plan });
    phase(ctx, "stop", `${plan.mode === "pause" ? "Pausing" : "Stopping"} ${names(plan)}`);
    self.#first_stop = performance.now();
    try {
      self.#stop = await stopAll(engine!, plan, {
        signal: ctx.signal,
        onStep: (text) => note(ctx, text),
      });
    } catch (cause) {
      const down = await self.#resumeAfterError();
      throw down ? new SuppressedError(down, cause) : cause;
    }
    return self;
  }

  /** How consistent what is read now is; see BackupMetadata. */
  consistency(services_running: boolean): BackupMetadata["consistency"] {
    if (!this.plan) return services_running ? "live" : "idle";
    if (this.#stop!.killed.length > 0) return "killed";
    if (this.plan.left.some((left) => left.writes.length > 0)) return "live";
    return this.plan.items.some((item) => item.action === "pause") ? "paused" : "stopped";
  }

  get killed(): string[] {
    return this.#stop?.killed ?? [];
  }

  /**
   * Starts in dependency order exactly what ran. Never interrupted by a signal. Raises START_FAILED
   * naming the services; the journal then keeps them for `recover`. Safe to call twice.
   */
  resume(): Promise<StartReport> {
    this.#started ??= this.options.keep_stopped ? this.#leaveStopped() : this.#resume();
    return this.#started;
  }

  #leaveStopped(): Promise<StartReport> {
    if (this.plan) this.journal.save({ plan: null });
    return Promise.resolve(nothingStarted());
  }

  async #resume(): Promise<StartReport> {
    if (!this.plan) return nothingStarted();
    phase(this.ctx, "start", `Starting ${names(this.plan)}`);
    const report = await startAll(this.engine!, this.plan, {
      onStep: (text) => note(this.ctx, text),
      stopped: this.#stop,
    }).catch((cause) => {
      tellDown(this.ctx, this.plan!, asDuckbackError(cause));
      throw cause;
    });
    this.downtime_ms = Math.round(performance.now() - this.#first_stop);
    try {
      this.journal.save({ plan: null });
    } catch (cause) {
      // A full disk: the journal still lists the services, and starting them again does no harm.
      note(
        this.ctx,
        `The journal could not be updated: ${asDuckbackError(cause).message}`,
        "warning",
      );
    }
    return report;
  }

  /** Why services are down now as well; null where all that ran runs. */
  async #resumeAfterError(): Promise<DuckbackError | null> {
    try {
      await (this.#started ??= this.#resume());
      return null;
    } catch (cause) {
      return asDuckbackError(cause);
    }
  }

  /** Raises START_FAILED beside the error that ended the block: it must not leave without saying so. */
  async [Symbol.asyncDispose]() {
    if (this.#started) return;
    try {
      await this.options.before_resume?.();
    } catch (cause) {
      // Better down than running on half of the old files and half of the new: the journal has it all.
      const services = this.plan ? `${names(this.plan)} STAY STOPPED. ` : "";
      note(
        this.ctx,
        `The old files could not be put back (${asDuckbackError(cause).message}). ${services}` +
          "Mend the cause, then run: duckback recover",
        "warning",
      );
      return;
    }
    const down = await this.#resumeAfterError();
    if (down) throw down;
  }
}

function tellDown(ctx: Context, { stack }: QuiescePlan, error: DuckbackError) {
  announce(ctx, {
    kind: "service_down",
    stack,
    title: `Services of ${stack} did not come back`,
    message: [error.message, error.hint].filter(Boolean).join("\n"),
    backup_id: null,
  });
}

/** "web and db", for people. */
export function names(plan: QuiescePlan): string {
  return list([
    ...new Set(plan.items.map((item) => item.sharing ? item.name : item.service ?? item.name)),
  ]);
}

/** Joins names: "a, b and c". */
export function list(items: string[]): string {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Raised by `--require-stopped`: lists what runs. */
export function servicesRunning(stack: Stack): DuckbackError {
  const running = stack.containers.filter((c) => c.state === "running" || c.state === "paused");
  const lines = running.map((c) =>
    `  ${c.service ?? c.name}  ${c.state}  restart policy ${c.restart_policy}`
  );
  return new DuckbackError(
    "SERVICES_RUNNING",
    `Cannot back up stack "${stack.name}": ${running.length} of its containers run\n${
      lines.join("\n")
    }`,
    {
      hint: "Stop them with `duckback docker-service stop`, or leave out --require-stopped.",
      details: {
        services: running.map((c) => ({
          name: c.name,
          service: c.service,
          status: c.state,
          restart_policy: c.restart_policy,
        })),
      },
    },
  );
}
