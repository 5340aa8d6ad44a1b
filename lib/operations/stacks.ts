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
}

/**
 * Finds the stack of `--stack`, else of `--work-dir`. Raises NO_SUCH_STACK, COMPOSE_MISSING,
 * COMPOSE_INVALID, DOCKER_UNREACHABLE.
 */
export async function findStack(ctx: Context, options: FindOptions = {}): Promise<FoundStack> {
  const place = locate(ctx);
  requireDirectory(place.work_dir);
  const { engine, error } = await tryConnect(ctx);
  const stack = await discoverStack({
    workDir: place.work_dir,
    name: place.name,
    files: place.files,
    env: ctx.env,
    engine,
    extraSources: (options.sources ?? []).map((path) => resolve(place.work_dir, path)),
    anonymousVolumes: options.anonymous_volumes ?? false,
  });
  if (options.need_engine && !engine && stack.services.length > 0) {
    throw new DuckbackError(
      "DOCKER_UNREACHABLE",
      `Cannot handle stack "${stack.name}": it has ${stack.services.length} services, but ${
        lowerFirst(error!.message)
      }`,
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
}

function locate(ctx: Context): Place {
  if (ctx.stack === null) {
    return { work_dir: ctx.work_dir, name: undefined, files: ctx.compose_files };
  }
  const known = registeredStacks(ctx.home).find((stack) => stack.name === ctx.stack);
  // An unknown name may still be the project name of what lies in the working directory.
  if (!known) return { work_dir: ctx.work_dir, name: ctx.stack, files: ctx.compose_files };
  const files = ctx.compose_files ?? known.compose_files ?? undefined;
  return { work_dir: known.work_dir, name: known.name, files };
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
