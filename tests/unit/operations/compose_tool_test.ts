import assert from "node:assert/strict";
import { upArguments } from "../../../lib/operations/compose_tool.ts";
import type { OldContainer, StackBefore } from "../../../lib/operations/old_containers.ts";
import { findProgram, runCommand } from "../../../lib/operations/run_command.ts";

const ran = (service: string | null) => ({ service }) as OldContainer;

Deno.test("upArguments() asks for the services that ran, in as many containers", () => {
  const before = {
    project: "shop",
    files: ["/srv/a.yml", "/srv/b.yml"],
    env_files: ["/srv/prod.env"],
    ran: [ran("db"), ran("web"), ran("web"), ran(null)],
  } as StackBefore;
  assert.equal(
    upArguments(before).join(" "),
    "-p shop -f /srv/a.yml -f /srv/b.yml --env-file /srv/prod.env up -d --scale web=2 db web",
  );
});

Deno.test("findProgram() looks where a shell looks", () => {
  const dir = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${dir}/run`, "", { mode: 0o755 });
    Deno.writeTextFileSync(`${dir}/text`, "", { mode: 0o644 });
    const env = { PATH: `/nowhere:${dir}` };
    assert.equal(findProgram("run", env, "/"), `${dir}/run`);
    assert.equal(findProgram("text", env, "/"), null, "it cannot be run");
    assert.equal(findProgram("./run", {}, dir), `${dir}/run`);
    assert.equal(findProgram(`${dir}/run`, {}, "/"), `${dir}/run`);
    assert.equal(findProgram("run", {}, "/"), null);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
});

Deno.test("runCommand() tells how it ended and what it put out, and waits for nothing it left running", async () => {
  let said = "";
  const run = (script: string, signal?: AbortSignal) =>
    runCommand({
      argv: ["sh", "-c", script],
      cwd: "/",
      env: Deno.env.toObject(),
      signal,
      onOutput: (text) => said += text,
    });
  assert.deepEqual(await run("echo out; echo err >&2; exit 3"), { code: 3, text: "exit code 3" });
  assert.deepEqual(said.split("\n").sort(), ["", "err", "out"]);
  assert.equal((await run("kill -TERM $$")).text, "SIGTERM");
  const begin = performance.now();
  assert.equal((await run("sleep 8 & exit 0")).code, 0);
  const stop = new AbortController();
  stop.abort(new Error("by a person", { cause: "SIGTERM" }));
  assert.equal((await run("sleep 60 & exec sleep 60", stop.signal)).text, "SIGTERM");
  assert.ok(performance.now() - begin < 30_000, "what it had started was ended with it");
});
