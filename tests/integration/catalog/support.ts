/** What the catalogue's tests share: temporary homes, records, child processes. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ErrorCode } from "../../../lib/core/errors.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";
import "../../../lib/catalog/duckdb.ts"; // before any test: it starts an interval, see there
import type { NewBackup } from "../../../lib/catalog/types.ts";

/** A directory that is removed at the end of the scope. */
export function temporaryDirectory(): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "duckback-catalog-" });
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** A small file system of its own, unmounted at the end of the scope. Needs root. */
export function temporaryMount(size: string): { path: string } & Disposable {
  const path = Deno.makeTempDirSync({ prefix: "duckback-mount-" });
  command("mount", "-t", "tmpfs", "-o", `size=${size}`, "none", path);
  return {
    path,
    [Symbol.dispose]: () => {
      command("umount", "-l", path);
      Deno.removeSync(path);
    },
  };
}

/** Uses up what is left of a small file system, but for so many bytes: a file named "filler". */
export function fillDisk(directory: string, leave = 0): void {
  const filler = `${directory}/filler`;
  const args = ["if=/dev/zero", `of=${filler}`, "bs=4k"];
  const { success } = new Deno.Command("dd", { args, stderr: "null" }).outputSync();
  assert.equal(success, false); // dd says that the disk is full
  Deno.truncateSync(filler, Math.max(0, Deno.statSync(filler).size - leave));
}

export function command(program: string, ...args: string[]): void {
  const output = new Deno.Command(program, { args }).outputSync();
  if (!output.success) throw new Error(new TextDecoder().decode(output.stderr));
}

export function backup(name: string, more: Partial<NewBackup> = {}): NewBackup {
  return {
    backup_name: name,
    backup_type: "FULL",
    source_version: "1.2.3",
    backup_path: `/srv/backups/${name}`,
    backup_size: 1234,
    file_count: 5,
    compression_type: "gzip",
    backup_hash: "ab".repeat(32),
    description: null,
    backup_metadata: null,
    created_at: "2026-01-02T03:04:05.678Z",
    expires_at: null,
    trigger: "manual",
    status: "completed",
    stack: "shop",
    parent_id: null,
    started_at: "2026-01-02T03:04:05.678Z",
    completed_at: "2026-01-02T03:05:05.000Z",
    duration_ms: 59_322,
    downtime_ms: 1_000,
    source_bytes: 9_007_199_254_740_991,
    error_message: null,
    warnings: [],
    verify_status: null,
    verified_at: null,
    verify_level: null,
    drill_status: null,
    drilled_at: null,
    drill_seconds: null,
    pinned: false,
    suspicion: null,
    suspicion_cleared_at: null,
    ...more,
  };
}

/** The error of the given code that `work` ends with. */
export async function failure(code: ErrorCode, work: Promise<unknown>): Promise<DuckbackError> {
  const error = await work.then(() => null, (thrown) => thrown);
  assert(error instanceof DuckbackError, `expected ${code}, got ${error}`);
  assert.equal(error.code, code, error.message);
  return error;
}

export function sha256(path: string): string {
  return createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
}

/** Permission bits of everything in a directory. */
export function modes(directory: string): Record<string, string> {
  const names = [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
  return Object.fromEntries(
    names.map((name) => {
      const { mode } = Deno.statSync(`${directory}/${name}`);
      return [name, (mode! & 0o7777).toString(8)];
    }),
  );
}

/** Runs child.ts in a process of its own, which is killed at the end of the scope. */
export function child(...args: string[]): Child {
  return new Child(args);
}

export class Child implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  #lines: AsyncIterator<string>;

  constructor(args: string[]) {
    const script = new URL("./child.ts", import.meta.url).pathname;
    this.process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", script, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = lines(this.process.stdout);
  }

  /** Its next line of output as JSON; null at the end. */
  async next(): Promise<any> {
    const { value, done } = await this.#lines.next();
    return done ? null : JSON.parse(value);
  }

  kill(): void {
    try {
      this.process.kill("SIGKILL");
    } catch { /* ended already */ }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.process.stdin.close().catch(() => {});
    while (await this.next() !== null);
    await this.process.status;
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
