/** Services of a run that died: the engine it asked, who uses its trees, and the start of what it stopped. */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Engine } from "../docker/engine.ts";
import type { QuiescePlan } from "../docker/quiesce.ts";
import type { Journal, JournalFile } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { connect, ENGINE_ENV, note, tryConnect } from "./context.ts";
import { list, names } from "./quiesced.ts";
import type { RecoverOptions, Recovery } from "./recover.ts";

const ENGINE_WAIT_MS = 15_000;

/** Returns the containers that were given up. */
export async function startAgain(
  ctx: Context,
  journal: JournalFile,
  recovery: Recovery,
  options: RecoverOptions,
): Promise<string[]> {
  const { data } = journal;
  const plan = data.plan as QuiescePlan;
  const { startAll } = await import("../docker/quiesce.ts");
  const engine = await engineFor(ctx, journal, plan);
  try {
    const report = await startAll(engine, plan, { onStep: (text) => note(ctx, text) });
    recovery.services.push(...report.started);
    recovery.missing.push(...report.missing);
    const items = plan.items.filter(({ name }) => !report.missing.includes(name));
    if (report.started.length > 0) options.onStarted?.(engine, { ...plan, items });
    journal.save({ plan: null });
    sayStarted(ctx, data, plan, report.missing);
    return [];
  } catch (cause) {
    const given_up = await givenUp(engine, cause, options);
    const { started } = asDuckbackError(cause).details;
    recovery.services.push(...started as string[]);
    recovery.given_up.push(...given_up);
    journal.save({ plan: null });
    note(
      ctx,
      `GIVEN UP: ${
        list(given_up)
      } of stack "${data.stack}" STAYS DOWN and will not be tried again. ` +
        `${asDuckbackError(cause).message}`,
      "warning",
    );
    return given_up;
  }
}

/** The engine; raises DOCKER_UNREACHABLE with what is down without it, and what to type. */
async function engineFor(ctx: Context, journal: JournalFile, plan: QuiescePlan): Promise<Engine> {
  try {
    return await connectPatiently(ctx, journal);
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code !== "DOCKER_UNREACHABLE") throw cause;
    throw new DuckbackError(
      error.code,
      `${error.message}. ${names(plan)} of stack "${plan.stack}" may be DOWN since ` +
        `"${journal.data.operation}" of ${journal.data.started_at} died`,
      {
        cause,
        hint: `${error.hint ?? "Start the engine."} Then run: duckback recover`,
        details: {
          services: [...new Set(plan.items.map((item) => item.service ?? item.name))],
          containers: plan.items.map((item) => item.name),
        },
      },
    );
  }
}

function sayStarted(ctx: Context, data: Journal, plan: QuiescePlan, missing: string[]) {
  const items = plan.items.filter(({ name }) => !missing.includes(name));
  const verb = items.length === 1 ? "runs" : "run";
  const running = items.length > 0 ? ` ${names({ ...plan, items })} ${verb} again.` : "";
  note(ctx, `"${data.operation}" of ${data.started_at} had died:${running || " nothing is left."}`);
  if (missing.length === 0) return;
  note(ctx, `${list(missing)} of stack "${data.stack}" ran before and exist no more.`, "warning");
}

/** The containers that the engine refused to start; raises `cause` on where nobody wants to give up. */
async function givenUp(
  engine: Engine,
  cause: unknown,
  options: RecoverOptions,
): Promise<string[]> {
  const error = asDuckbackError(cause);
  if (error.code !== "START_FAILED") throw cause;
  if (options.give_up) {
    // An engine that is away says nothing about its containers.
    await engine.ping();
    return error.details.containers as string[];
  }
  throw new DuckbackError(error.code, error.message, {
    cause,
    hint: `${error.hint}. Until then no command that changes something runs. If a container can ` +
      "never start again, leave it down: duckback recover --give-up",
    details: error.details,
  });
}

/** The run may have died after it started them again, or a restart policy did: nobody may hold the trees. */
export async function stopUsers(ctx: Context, journal: JournalFile) {
  const plan = journal.data.users as QuiescePlan | null;
  if (!plan) return;
  const { stopAll } = await import("../docker/quiesce.ts");
  const engine = await connectPatiently(ctx, journal);
  journal.save({ plan });
  await stopAll(engine, plan, { onStep: (text) => note(ctx, text) });
}

/**
 * The engine of the run that died, whatever DOCKER_HOST says now. After a power loss duckback may be
 * up before the engine is: it gets a while.
 */
export async function connectPatiently(ctx: Context, journal: JournalFile): Promise<Engine> {
  const others = Object.entries(ctx.env).filter(([name]) => !ENGINE_ENV.includes(name));
  const there = { ...ctx, env: { ...Object.fromEntries(others), ...journal.data.engine } };
  const end = performance.now() + ENGINE_WAIT_MS;
  for (;;) {
    try {
      return await connect(there);
    } catch (cause) {
      throwIfAborted(ctx.signal);
      if (performance.now() > end) return await knownElsewhere(ctx, journal) ?? thrown(cause);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** The engine of today's environment, where it knows the containers: the other was perhaps a tunnel. */
async function knownElsewhere(ctx: Context, { data }: JournalFile): Promise<Engine | null> {
  const { engine } = await tryConnect(ctx);
  const plan = (data.plan ?? data.users) as QuiescePlan | null;
  for (const { id } of plan?.items ?? data.hooks ?? []) {
    if (await engine?.inspect(id)) return engine;
  }
  return null;
}

function thrown(cause: unknown): never {
  throw cause;
}
