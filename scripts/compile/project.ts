/** Where the project's files are, and Deno run as a child process. */
import { fileURLToPath } from "node:url";

/** Absolute path of the project, without a slash at its end. */
export const PROJECT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
/** Everything that can be made again; git ignores it. */
export const CACHE = `${PROJECT}/.cache`;

/** A directory of its own in the cache, gone at the end of the block that says `await using`. */
export async function scratchDirectory(): Promise<AsyncDisposable & { path: string }> {
  const parent = `${CACHE}/scratch`;
  await Deno.mkdir(parent, { recursive: true });
  for await (const { name } of Deno.readDir(parent)) {
    // What a killed run left behind; another one may be at work at this moment.
    const made = (await Deno.stat(`${parent}/${name}`).catch(() => null))?.mtime;
    if (made && Date.now() - made.getTime() > 3600_000) {
      await Deno.remove(`${parent}/${name}`, { recursive: true });
    }
  }
  const path = await Deno.makeTempDir({ dir: parent });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Runs this Deno with `args`; returns its standard output, throws with all it said on failure. */
export async function deno(
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: options.cwd ?? PROJECT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (code !== 0) {
    throw new Error(`deno ${args[0]} ended with ${code}:\n${text.decode(stderr).trim()}`);
  }
  return text.decode(stdout);
}
