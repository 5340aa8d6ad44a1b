/** Which stack a command means, and what it consists of right now. */
import { resolve } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { Engine } from "../docker/engine.ts";
import { discoverStack, type Stack } from "../docker/stack.ts";
import { registeredStacks, rememberStack } from "../repository/stack_registry.ts";
import type { Context } from "./context.ts";
import { tryConnect } from "./context.ts";

/** The stack as found, with the engine that knows its containers (null where it has no services). */
export interface FoundStack {
  stack: Stack;
  engine: Engine | null;
  docker_error: DuckbackError | null;
}

export interface FindOptions {
  /** `--source`, relative to the working directory. */
  sources?: string[];
  anonymous_volumes?: boolean;
  /** Raise DOCKER_UNREACHABLE where the stack has services but no engine answers. */
  need_engine?: boolean;
  /** By name and containers alone, compose files unread. */
  without_files?: boolean;
}

/**
 * Finds the stack of `--stack`, else of `--work-dir`. Raises NO_SUCH_STACK, COMPOSE_MISSING,
 * COMPOSE_INVALID, DOCKER_UNREACHABLE.
 */
export async function findStack(ctx: Context, options: FindOptions = {}): Promise<FoundStack> {
  const place = locate(ctx);
  requireDirectory(place.work_dir);
  const { engine, error } = await tryConnect(ctx);
  const { without_files = false } = options;
  const stack = await discoverStack({
    workDir: place.work_dir,
    name: place.name,
    withoutFiles: without_files,
    files: place.files,
    env: ctx.env,
    engine,
    extraSources: (options.sources ?? []).map((path) => resolve(place.work_dir, path)),
    anonymousVolumes: options.anonymous_volumes ?? false,
  });
  const seen = stack.containers.length > 0 || without_files;
  if (place.guessed && !seen) await requireName(ctx, stack);
  if (options.need_engine && !engine && (stack.services.length > 0 || without_files)) {
    throw new DuckbackError(
      "DOCKER_UNREACHABLE",
      `Cannot handle stack "${stack.name}": it has services, but ${lowerFirst(error!.message)}`,
      { hint: error!.hint ?? undefined, cause: error },
    );
  }
  return { stack, engine, docker_error: error };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

interface Place {
  work_dir: string;
  name: string | undefined;
  files: string[] | undefined;
  /** True for a name this home does not know: it must be that of what lies here. */
  guessed: boolean;
}

function locate(ctx: Context): Place {
  if (ctx.stack === null) {
    return { work_dir: ctx.work_dir, name: undefined, files: ctx.compose_files, guessed: false };
  }
  const known = ctx.place_given
    ? undefined
    : registeredStacks(ctx.home).find((stack) => stack.name === ctx.stack);
  if (!known) {
    return { work_dir: ctx.work_dir, name: ctx.stack, files: ctx.compose_files, guessed: true };
  }
  const files = ctx.compose_files ?? known.compose_files ?? undefined;
  return { work_dir: known.work_dir, name: known.name, files, guessed: false };
}

/** A mistyped name must not make a stack of whatever directory one happens to be in. */
async function requireName(ctx: Context, stack: Stack) {
  const here = await discoverStack({
    workDir: ctx.work_dir,
    files: ctx.compose_files,
    env: ctx.env,
    engine: null,
    extraSources: [],
  });
  if (here.name === stack.name) return;
  const known = registeredStacks(ctx.home).map((known) => known.name).join(", ");
  throw new DuckbackError(
    "NO_SUCH_STACK",
    `Cannot find stack "${ctx.stack}": nothing of that name is registered or running, and what lies ` +
      `in "${ctx.work_dir}" is "${here.name}"`,
    { hint: `Registered: ${known || "none; run `duckback init` where the compose file lies"}.` },
  );
}

function requireDirectory(dir: string) {
  let found: Deno.FileInfo | null = null;
  try {
    found = Deno.statSync(dir);
  } catch {
    // Told below.
  }
  if (found?.isDirectory) return;
  throw new DuckbackError(
    "NO_SUCH_STACK",
    `Cannot use working directory "${dir}": ${found ? "not a directory" : "it does not exist"}`,
    { hint: "Give --work-dir DIR (where the compose file lies) or --stack NAME." },
  );
}

/** Makes a stack known under its name; says whether it was new or moved. */
export function registerStack(ctx: Context, stack: Stack): boolean {
  return rememberStack(ctx.home, {
    name: stack.name,
    work_dir: stack.work_dir,
    compose_files: ctx.compose_files ?? null,
    registered_at: ctx.now().toISOString(),
  });
}
