/** What every operation is given: where things lie, what time it is, whom to tell, how to be stopped. */
import type { Catalog } from "../catalog/open_catalog.ts";
import { DuckbackError } from "../core/errors.ts";
import type { Phase, ProgressSink } from "../core/progress.ts";
import type { Engine } from "../docker/engine.ts";
import { JournalFile, type NewJournal } from "../repository/journal.ts";
import { acquireLock } from "../repository/lock.ts";
import type { Home } from "../repository/home.ts";
import { LingeringCatalog } from "./lingering.ts";

/** Built once by main.ts; tests build their own. */
export interface Context {
  home: Home;
  /** Absolute. */
  work_dir: string;
  /** True where --work-dir was given. */
  place_given: boolean;
  /** `--stack NAME`. */
  stack: string | null;
  /** Compose files given with `--file`, absolute; undefined finds them as compose does. */
  compose_files: string[] | undefined;
  env: Record<string, string>;
  now: () => Date;
  /** Aborted by SIGINT, SIGTERM or SIGHUP: whoever sees it resumes services, then leaves. */
  signal: AbortSignal;
  progress: ProgressSink;
  /** True where somebody sees the progress: totals are then worth looking for beforehand. */
  watched?: boolean;
  actor: string;
  host: string;
  /** What the user called, for the lock's and the audit's sake: "backup create". */
  command: string;
}

/**
 * Opens the catalogue for as long as `use` takes, no longer: other processes wait meanwhile. Within
 * `keepingCatalog` it stays open a moment longer.
 */
export async function withCatalog<T>(
  ctx: Context,
  use: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  const lingering = kept.get(ctx.home);
  if (lingering) return await lingering.use(use);
  await using catalog = await open(ctx);
  return await use(catalog);
}

/** By home and not by context: a copy of one (for another stack, say) would wait for the first. */
const kept = new WeakMap<Home, LingeringCatalog>();

/**
 * Until disposed, uses of the catalogue that follow one another at once share one opening. Within another
 * one it is that.
 */
export function keepingCatalog(ctx: Context): AsyncDisposable {
  if (kept.has(ctx.home)) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const lingering = new LingeringCatalog(() => open(ctx));
  kept.set(ctx.home, lingering);
  return {
    async [Symbol.asyncDispose]() {
      kept.delete(ctx.home);
      await lingering[Symbol.asyncDispose]();
    },
  };
}

async function open(ctx: Context): Promise<Catalog> {
  const { openCatalog } = await import("../catalog/open_catalog.ts");
  return await openCatalog({
    home: ctx.home.dir,
    on_wait: (holder) =>
      ctx.progress({
        type: "note",
        level: "info",
        text: `Waiting for the catalogue${holder ? ` (${holder})` : ""}.`,
      }),
  });
}

/** The home's lock; raises LOCKED at once where another run holds it. */
export function takeLock(ctx: Context): Promise<Disposable> {
  return acquireLock(ctx.home.lock, {
    pid: Deno.pid,
    operation: ctx.command,
    since: ctx.now().toISOString(),
  });
}

/** Writes the journal of a run, before it touches anything. */
export function openJournal(
  ctx: Context,
  run: Omit<NewJournal, "operation" | "pid" | "started_at" | "engine">,
): JournalFile {
  const started_at = ctx.now().toISOString();
  return JournalFile.create(ctx.home, {
    operation: ctx.command,
    pid: Deno.pid,
    started_at,
    engine: Object.fromEntries(
      ENGINE_ENV.flatMap((name) => ctx.env[name] ? [[name, ctx.env[name]]] : []),
    ),
    ...run,
  });
}

/** What decides which engine is asked; see lib/docker/endpoint.ts. */
export const ENGINE_ENV = [
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "HOME",
  "XDG_RUNTIME_DIR",
];

/** Connects to the Docker engine; raises DOCKER_UNREACHABLE. */
export async function connect(ctx: Context): Promise<Engine> {
  const { connectEngine } = await import("../docker/dockerode_engine.ts");
  return await connectEngine(ctx.env);
}

/** The engine, or null (with the reason) where none answers. */
export async function tryConnect(
  ctx: Context,
): Promise<{ engine: Engine | null; error: DuckbackError | null }> {
  try {
    return { engine: await connect(ctx), error: null };
  } catch (cause) {
    if (cause instanceof DuckbackError && cause.code === "DOCKER_UNREACHABLE") {
      return { engine: null, error: cause };
    }
    throw cause;
  }
}

/** Tells the watcher that a phase begins. */
export function phase(
  ctx: Context,
  name: Phase,
  text: string,
): void {
  ctx.progress({ type: "phase", phase: name, text });
}

/** Tells the watcher something worth reading. */
export function note(ctx: Context, text: string, level: "info" | "warning" = "info"): void {
  ctx.progress({ type: "note", level, text });
}
