/**
 * Commands that a stack's labels name: `duckback.pre` runs in a service's containers before anything is
 * stopped, `duckback.post` once all runs again. Post runs whenever pre has begun: after errors and
 * signals too, and after kill -9 by `recover`, for which it is noted before pre begins.
 */
import { asDuckbackError, DuckbackError, throwIfAborted } from "../core/errors.ts";
import type { Container, Engine } from "../docker/engine.ts";
import { howItEnded, runScript, type ScriptResult } from "../docker/exec_shell.ts";
import { labelsOf, serviceOf } from "../docker/labels.ts";
import { locate, title } from "../docker/locate.ts";
import type { Stack } from "../docker/stack.ts";
import type { JournalFile, PendingHook } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { note, phase } from "./context.ts";

/** The command is an argument, so that whatever it is stays one word to the shell around it. */
const SCRIPT = 'exec sh -c "$1"\n';
/** Longest a post may take: it runs while somebody waits for the end, and no signal stops it. */
const POST_LIMIT_MS = 600_000;
/** Longest a post waits for the healthcheck of its container. */
const WELL_LIMIT_MS = 60_000;

/** Disposal runs what must still run and notes what went wrong; `end()` tells it. */
export class Hooks implements AsyncDisposable {
  #ended: Promise<string[]> | null = null;

  constructor(
    readonly ctx: Context,
    readonly engine: Engine | null,
    readonly journal: JournalFile,
  ) {}

  /** Runs each post whose pre has begun, last first. Returns sentences on what failed; raises nothing. */
  end(): Promise<string[]> {
    this.#ended ??= this.engine === null
      ? Promise.resolve([])
      : runPosts(this.ctx, this.engine, this.journal);
    return this.#ended;
  }

  async [Symbol.asyncDispose]() {
    if (this.#ended) return;
    for (const problem of await this.end()) note(this.ctx, problem, "warning");
  }
}

/**
 * Runs the pre of every running container that has one, by name. Raises HOOK_FAILED where one fails, with
 * the last lines it said, and INTERRUPTED; the posts have run by then.
 */
export async function beginHooks(
  ctx: Context,
  { engine, stack, held }: { engine: Engine | null; stack: Stack; held: unknown },
  journal: JournalFile,
): Promise<Hooks> {
  const hooks = new Hooks(ctx, engine, journal);
  // Whoever holds the services already (a rollback) has stopped them.
  if (engine === null || held) return hooks;
  try {
    for (const container of stack.containers) {
      const { pre, post } = labelsOf(stack.labels, serviceOf(container));
      const runs = container.state === "running" && !container.oneoff;
      if (!runs || pre === null && post === null) continue;
      throwIfAborted(ctx.signal);
      if (post !== null) addPending(journal, container, post);
      if (pre !== null) await runPre(ctx, engine, container, pre);
    }
    return hooks;
  } catch (cause) {
    await hooks[Symbol.asyncDispose]();
    throw cause;
  }
}

function addPending(journal: JournalFile, container: Container, post: string) {
  const { id, name, project, service, number, oneoff } = container;
  const pending = { id, name, project, service, number, oneoff, post };
  journal.save({ hooks: [...journal.data.hooks ?? [], pending] });
}

async function runPre(ctx: Context, engine: Engine, container: Container, command: string) {
  phase(ctx, "hooks", `Running duckback.pre in ${title(container)}`);
  const result = await run(engine, container.id, command, ctx.signal);
  if (result.exit_code === 0 && result.whole) return;
  throw new DuckbackError(
    "HOOK_FAILED",
    `Cannot prepare ${title(container)}: duckback.pre failed: ${howItEnded(result)}`,
    {
      hint: "No service was stopped. Try the command by hand: " +
        `docker exec ${container.name} sh -c '...'`,
      details: { service: serviceOf(container), exit_code: result.exit_code },
    },
  );
}

/**
 * Runs what the journal says must still run, last first, and strikes each out. One that cannot be run since
 * the engine is away stays for `recover`; one that fails, or whose container is gone, does not. Returns
 * sentences on what went wrong; raises nothing.
 */
export async function runPosts(
  ctx: Context,
  engine: Engine,
  journal: JournalFile,
): Promise<string[]> {
  const problems: string[] = [];
  for (const hook of [...journal.data.hooks ?? []].reverse()) {
    phase(ctx, "hooks", `Running duckback.post in ${title(hook)}`);
    try {
      const problem = await runPost(engine, hook);
      if (problem !== null) problems.push(`${title(hook)}: ${problem}`);
    } catch (cause) {
      const error = asDuckbackError(cause);
      problems.push(`${title(hook)}: duckback.post could not run: ${error.message}`);
      if (error.code === "DOCKER_UNREACHABLE") continue;
    }
    try {
      const rest = (journal.data.hooks ?? []).filter((other) => other !== hook);
      journal.save({ hooks: rest });
    } catch (cause) {
      // A full disk: `recover` may run it once more.
      problems.push(`The journal could not be updated: ${asDuckbackError(cause).message}`);
    }
  }
  return problems;
}

async function runPost(engine: Engine, hook: PendingHook): Promise<string | null> {
  const container = await whenWell(engine, hook);
  if (!container) return "duckback.post did not run: the container was removed";
  if (container.state !== "running") {
    return `duckback.post did not run: the container is ${container.state}`;
  }
  const limit = AbortSignal.timeout(POST_LIMIT_MS);
  try {
    const result = await run(engine, container.id, hook.post, limit);
    if (result.exit_code === 0 && result.whole) return null;
    return `duckback.post failed: ${howItEnded(result)}`;
  } catch (cause) {
    if (!limit.aborted) throw cause;
    return `duckback.post did not end within ${POST_LIMIT_MS / 60_000} minutes and was stopped`;
  }
}

/** A container that was just started may not do its work yet: its healthcheck says when, for a while. */
async function whenWell(engine: Engine, hook: PendingHook): Promise<Container | null> {
  const end = performance.now() + WELL_LIMIT_MS;
  for (;;) {
    const container = await locate(engine, hook);
    const waits = container?.state === "running" && container.health === "starting";
    if (!waits || performance.now() > end) return container;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function run(
  engine: Engine,
  id: string,
  command: string,
  signal: AbortSignal,
): Promise<ScriptResult> {
  return runScript(engine, id, { script: SCRIPT, args: [command], signal });
}
