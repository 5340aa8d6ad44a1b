/** Runs the compiled binary (dist/duckback) the way a user does, with a home of its own. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import { MARKER } from "../../lib/repository/archive_directory.ts";
// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../lib/catalog/duckdb.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
export const BINARY = join(ROOT, "dist/duckback");

/** `DUCKBACK_E2E_SOURCE=1` runs main.ts instead: for work on a test, never in CI. */
export const COMMAND = Deno.env.get("DUCKBACK_E2E_SOURCE")
  ? [Deno.execPath(), "run", "-A", "--quiet", join(ROOT, "main.ts")]
  : [BINARY];

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
  // deno-lint-ignore no-explicit-any
  json: any;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Put before the binary: `["setpriv", "--reuid=1000"]`. */
  wrap?: string[];
  stdin?: string;
}

/** A temporary directory with a home in it; removed at the end. */
export class Place implements AsyncDisposable {
  readonly dir = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "duckback-e2e-" }));
  readonly home = join(this.dir, "home");
  readonly #started = new Set<Deno.ChildProcess>();

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  /** Makes files; a value of null makes a directory. */
  tree(root: string, files: Record<string, string | null>): string {
    const top = this.path(root);
    Deno.mkdirSync(top, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const path = join(top, name);
      Deno.mkdirSync(join(path, content === null ? "." : ".."), { recursive: true });
      if (content !== null) Deno.writeTextFileSync(path, content);
    }
    return top;
  }

  /** Starts duckback and gives the process. */
  start(args: string[], options: RunOptions = {}): Deno.ChildProcess {
    const [command, ...rest] = [...(options.wrap ?? []), ...COMMAND, ...args];
    const child = new Deno.Command(command, {
      args: rest,
      cwd: options.cwd ?? this.dir,
      env: { DUCKBACK_HOME: this.home, NO_COLOR: "1", ...options.env },
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#started.add(child);
    child.status.then(() => this.#started.delete(child));
    return child;
  }

  /** Runs duckback to its end. `json` is its standard output parsed, where it is JSON. */
  async run(args: string[], options: RunOptions = {}): Promise<Result> {
    const child = this.start(args, options);
    if (options.stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(options.stdin));
      await writer.close();
    }
    return await finished(child);
  }

  /** Runs duckback and demands success. */
  async ok(args: string[], options: RunOptions = {}): Promise<Result> {
    const result = await this.run(args, options);
    assert.equal(result.code, 0, `duckback ${args.join(" ")}:\n${result.stdout}${result.stderr}`);
    return result;
  }

  async [Symbol.asyncDispose]() {
    // Only what a failed test left running: it may be blocked on a pipe nobody reads.
    for (const child of this.#started) child.kill("SIGKILL");
    await new Deno.Command("chattr", { args: ["-R", "-i", this.dir], stderr: "null" }).output()
      .catch(() => {});
    // A container of the test's may still write there: a file that appears while the tree goes.
    for (let left = 20;; left--) {
      try {
        return await Deno.remove(this.dir, { recursive: true });
      } catch (error) {
        if (left === 0 || !String(error).includes("os error 39")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }
}

export async function finished(child: Deno.ChildProcess): Promise<Result> {
  const { code, stdout, stderr } = await child.output();
  const out = new TextDecoder().decode(stdout);
  let json = null;
  try {
    json = JSON.parse(out);
  } catch {
    // Not every output is JSON.
  }
  return { code, stdout: out, stderr: new TextDecoder().decode(stderr), json };
}

/** The catalogue's audit rows, oldest first. */
export async function auditRows(place: Place, action_type?: string) {
  await using catalog = await openCatalog({ home: place.home });
  return (await catalog.actions.list({ action_type })).reverse();
}

/** Runs a program of the machine and demands success; returns its standard output. */
export async function sh(script: string, cwd = "/"): Promise<string> {
  const done = await new Deno.Command("bash", { args: ["-euo", "pipefail", "-c", script], cwd })
    .output();
  assert.ok(done.success, `${script}\n${new TextDecoder().decode(done.stderr)}`);
  return new TextDecoder().decode(done.stdout);
}

/** Type, mode, owner, size, time, link and content of every entry: two equal trees print the same. */
export async function fingerprint(dir: string): Promise<string> {
  const prune = "-name .duckback-undo -prune -o -name .duckback -prune -o";
  return await sh(
    `find . ${prune} ! -type d -printf '%P %y %m %U:%G %s %T@ %l\\n' -o -type d -printf '%P %y %m %U:%G %T@\\n' | LC_ALL=C sort
     find . ${prune} -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum`,
    dir,
  );
}

/**
 * Names in a directory, sorted; none where it does not exist. Without the marker of an archive directory:
 * whether there is one depends on what disk the tests run on.
 */
export function names(dir: string): string[] {
  try {
    return [...Deno.readDirSync(dir)].map((entry) => entry.name).filter((name) => name !== MARKER)
      .sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Waits until `check` is true; fails the test after `ms`. */
export async function until(what: string, check: () => boolean | Promise<boolean>, ms = 15_000) {
  const end = performance.now() + ms;
  while (!await check()) {
    assert.ok(performance.now() < end, `waited ${ms} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
