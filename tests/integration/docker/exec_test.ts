/** Commands in containers of the real engine: bytes both ways, exit codes, broken connections. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { connectEngine } from "../../../lib/docker/dockerode_engine.ts";
import type { Engine, ExecRequest } from "../../../lib/docker/engine.ts";
import { BASE_IMAGE, docker, ensureBaseImage, TEST_LABEL } from "../../fixtures/docker.ts";
import { EngineProxy } from "../../fixtures/engine_proxy.ts";

/** A container that does nothing for as long as the test lasts. */
async function idle(): Promise<AsyncDisposable & { id: string }> {
  await ensureBaseImage();
  const args = ["--network=none", "--label", TEST_LABEL, BASE_IMAGE, "sleep", "600"];
  const id = await docker("run", "-d", ...args);
  return { id, [Symbol.asyncDispose]: async () => void await docker("rm", "-f", "-v", id) };
}

async function outputOf(engine: Engine, id: string, request: ExecRequest) {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const { exit_code } = await engine.exec(id, {
    ...request,
    onOutput: (stream, bytes) => void parts[stream].push(bytes.slice()),
  });
  const text = async (of: Uint8Array[]) => await new Blob(of as BlobPart[]).text();
  return { exit_code, stdout: await text(parts.stdout), stderr: await text(parts.stderr) };
}

function sh(script: string, ...args: string[]): string[] {
  return ["/bin/sh", "-c", script, "sh", ...args];
}

function hasCode(code: string, message = /./) {
  return (error: unknown) => {
    assert(error instanceof DuckbackError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

async function processes(id: string, match: RegExp): Promise<string[]> {
  return (await docker("top", id, "-o", "pid,args")).split("\n").filter((line) => match.test(line));
}

async function until(what: string, check: () => Promise<boolean>) {
  for (let tries = 0; !await check(); tries++) {
    assert.ok(tries < 100, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

Deno.test("exec() runs a command: outputs apart, exit code, environment, arguments", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const script = 'echo "$1 $WORD"; echo problem >&2; exit 7';
  const done = await outputOf(engine, container.id, {
    cmd: sh(script, 'it\'s 1 "word"'),
    env: { WORD: "a b" },
  });
  assert.deepEqual(done, { exit_code: 7, stdout: `it's 1 "word" a b\n`, stderr: "problem\n" });
});

Deno.test("exec() is binary safe in both directions, and tells the command where its input ends", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const sent = createHash("sha256");
  const got = createHash("sha256");
  let bytes = 0;
  const { exit_code } = await engine.exec(container.id, {
    cmd: ["cat"],
    stdin: async function* () {
      for (let i = 0; i < 320; i++) {
        const chunk = crypto.getRandomValues(new Uint8Array(65_536 - i));
        sent.update(chunk);
        bytes += chunk.length;
        yield chunk;
        await Promise.resolve();
      }
    }(),
    onOutput: (stream, chunk) => {
      assert.equal(stream, "stdout");
      got.update(chunk);
      bytes -= chunk.length;
    },
  });
  assert.equal(exit_code, 0);
  assert.equal(bytes, 0);
  assert.equal(got.digest("hex"), sent.digest("hex"));
});

Deno.test("exec() gives a command without input none", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const done = await outputOf(engine, container.id, { cmd: sh("cat; echo over") });
  assert.deepEqual([done.exit_code, done.stdout], [0, "over\n"]);
});

Deno.test("exec() holds a fast command back while its output is not taken", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const stop = new AbortController();
  const script = "head -c 65536 /dev/zero > /block; while :; do cat /block; echo >> /count; done";
  let taken = 0;
  let busy = false;
  const running = engine.exec(container.id, {
    cmd: sh(script),
    signal: stop.signal,
    onOutput: async (_, bytes) => {
      assert.ok(!busy, "one piece at a time");
      busy = true;
      taken += bytes.length;
      if (taken > 1_000_000) await new Promise((resolve) => setTimeout(resolve, 500));
      busy = false;
    },
  });
  const sent = async () =>
    Number(
      await docker("exec", container.id, "wc", "-c", "/count").then(
        (text) => text.split(" ")[0],
      ),
    ) * 65_536;
  await until("the sink is slow", () => Promise.resolve(taken > 1_000_000));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const ahead = await sent() - taken;
  assert.ok(ahead < 8_000_000, `${ahead} bytes ahead of who reads them`);
  stop.abort();
  await assert.rejects(running, hasCode("INTERRUPTED"));
});

Deno.test("exec() with open input: the command sees that whoever asked for it is gone", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const stop = new AbortController();
  const script = "echo ready; read -r _; echo gone > /seen; sleep 0.1";
  const running = engine.exec(container.id, {
    cmd: sh(script),
    stdin: "open",
    signal: stop.signal,
    onOutput: (_, bytes) => {
      if (new TextDecoder().decode(bytes).includes("ready")) setTimeout(() => stop.abort(), 300);
    },
  });
  await assert.rejects(running, hasCode("INTERRUPTED"));
  await until(
    "its input ended",
    async () => (await processes(container.id, /echo ready/)).length === 0,
  );
  assert.equal(await docker("exec", container.id, "cat", "/seen"), "gone");
});

Deno.test("exec() throws on what the sink or the input threw, and ends the connection", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  await assert.rejects(
    engine.exec(container.id, {
      cmd: sh("while :; do echo more; done"),
      onOutput: () => {
        throw new RangeError("full");
      },
    }),
    RangeError,
  );
  await assert.rejects(
    engine.exec(container.id, {
      cmd: ["cat"],
      // deno-lint-ignore require-yield
      stdin: async function* (): AsyncGenerator<Uint8Array> {
        await Promise.resolve();
        throw new DuckbackError("IO", "the file cannot be read");
      }(),
    }),
    hasCode("IO"),
  );
});

Deno.test("exec() fails where the connection breaks, even between two pieces of the output", async () => {
  await using container = await idle();
  await using proxy = await EngineProxy.start();
  const engine = await connectEngine(proxy.env);
  let heard = 0;
  const running = engine.exec(container.id, {
    cmd: sh("echo first; sleep 30; echo last"),
    onOutput: () => void heard++,
  });
  await until("the first line came", () => Promise.resolve(heard > 0));
  proxy.down = true;
  const down = setTimeout(() => proxy.down = false, 500);
  await assert.rejects(running, hasCode("DOCKER_UNREACHABLE"));
  clearTimeout(down);
  proxy.down = false;

  proxy.rule({ match: /\/exec\/.*\/start$/, times: 2, action: "drop" });
  await assert.rejects(engine.exec(container.id, { cmd: ["true"] }), hasCode("DOCKER_UNREACHABLE"));
  proxy.rules.length = 0;
  proxy.rule({ match: /\/exec\/.*\/start$/, times: 1, action: "fail", message: "not today" });
  await assert.rejects(
    engine.exec(container.id, { cmd: ["true"] }),
    hasCode("DOCKER_FAILED", /Cannot run a command in container .*: not today/),
  );
});

Deno.test("exec() tells of a command that is not there, and refuses a container that does not run", async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const none = await outputOf(engine, container.id, { cmd: ["no-such-tool"] });
  assert.ok([126, 127].includes(none.exit_code));
  assert.match(none.stdout + none.stderr, /no-such-tool/);
  await docker("stop", "-t", "0", container.id);
  await assert.rejects(
    engine.exec(container.id, { cmd: ["true"] }),
    hasCode("DOCKER_FAILED", /is not running/),
  );
  await assert.rejects(
    engine.exec("no-such-container", { cmd: ["true"] }),
    hasCode("DOCKER_FAILED"),
  );
});

// The engine lets go of input that nobody reads minutes later: that write is still waiting at the end.
const unread = { sanitizeOps: false, sanitizeResources: false };

Deno.test("exec() does not wait for a command to read its input", unread, async () => {
  await using container = await idle();
  const engine = await connectEngine({});
  const many = (async function* () {
    for (let i = 0; i < 200; i++) yield new Uint8Array(65_536);
  })();
  const done = await outputOf(engine, container.id, { cmd: sh("echo no thanks"), stdin: many });
  assert.deepEqual([done.exit_code, done.stdout], [0, "no thanks\n"]);
});
