import assert from "node:assert/strict";
import { join } from "node:path";
import { daemonLog, type DaemonLogOptions } from "../../../lib/cli/daemon_log.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";

const usual: DaemonLogOptions = {
  format: "text",
  file: null,
  max_bytes: 1000,
  max_files: 2,
  verbose: false,
  quiet: false,
  timed: true,
};

function lines(options: Partial<DaemonLogOptions>): string[] {
  const written: string[] = [];
  const log = daemonLog({ ...usual, ...options }, (text) => written.push(text));
  log("debug", "a detail");
  log("info", "backup of shop\x1b[2J begins", { stack: "shop" });
  log("error", "backup of shop failed");
  return written;
}

Deno.test("daemonLog() writes text with the time, or without it for journald", () => {
  const [info, error] = lines({});
  assert.match(info, /^\d{4}-\d\d-\d\dT[\d:.]+Z backup of shop\S+ begins\n$/);
  assert.ok(!info.includes("\x1b"), "a name must not drive a terminal");
  assert.match(error, /Z error: backup of shop failed\n$/);
  assert.equal(lines({ timed: false })[1], "error: backup of shop failed\n");
  assert.equal(lines({ verbose: true }).length, 3);
  assert.deepEqual(lines({ quiet: true, timed: false }), ["error: backup of shop failed\n"]);
});

Deno.test("daemonLog() writes a JSON object a line, with the fields of the event", () => {
  const [info, error] = lines({ format: "json" }).map((line) => JSON.parse(line));
  const { time, ...rest } = info;
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000);
  assert.deepEqual(rest, { level: "info", text: "backup of shop\x1b[2J begins", stack: "shop" });
  assert.equal(error.level, "error");
});

Deno.test({
  name: "daemonLog() puts a file aside by its size and keeps so many",
  sanitizeResources: false, // the file stays open as long as the daemon lives
  fn: rotation,
});

async function rotation() {
  const dir = await Deno.makeTempDir({ prefix: "duckback-log-" });
  try {
    const file = join(dir, "daemon.log");
    const log = daemonLog({ ...usual, file }, () => {});
    for (let n = 0; n < 100; n++) log("info", `line ${n} ${"x".repeat(50)}`);
    const names = [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
    assert.deepEqual(names, ["daemon.log", "daemon.log.1", "daemon.log.2"]);
    for (const name of names) assert.ok(Deno.statSync(join(dir, name)).size <= 1000, name);
    assert.match(Deno.readTextFileSync(file), /line 99 /);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("daemonLog() says so where the file cannot be opened", () => {
  assert.throws(
    () => daemonLog({ ...usual, file: "/nonexistent/daemon.log" }, () => {}),
    (error) => error instanceof DuckbackError && /log file/.test(error.message),
  );
});
