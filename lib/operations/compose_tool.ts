/** The compose tool of this machine, which alone makes containers from compose files. */
import type { Context } from "./context.ts";
import type { StackBefore } from "./old_containers.ts";
import { findProgram, runCommand } from "./run_command.ts";

/** The words it is called by; null where this machine has none. */
export async function composeTool(ctx: Context, cwd: string): Promise<string[] | null> {
  for (const words of [["docker", "compose"], ["docker-compose"]]) {
    if (findProgram(words[0], ctx.env, cwd) === null) continue;
    const asked = { argv: [...words, "version"], cwd, env: ctx.env, onOutput: () => {} };
    if ((await runCommand(asked)).code === 0) return words;
  }
  return null;
}

/** Everything after the tool's own words: the services that ran, in as many containers. */
export function upArguments({ project, files, env_files, ran }: StackBefore): string[] {
  const counts = new Map<string, number>();
  for (const { service } of ran) {
    if (service !== null) counts.set(service, (counts.get(service) ?? 0) + 1);
  }
  return [
    ...["-p", project],
    ...files.flatMap((file) => ["-f", file]),
    ...env_files.flatMap((file) => ["--env-file", file]),
    ...["up", "-d"],
    ...[...counts].filter(([, n]) => n > 1).flatMap(([name, n]) => ["--scale", `${name}=${n}`]),
    ...counts.keys(),
  ];
}
