/** Tests of what a compose file says of how its services run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { loadCompose } from "../../../lib/docker/compose.ts";
import { durationNs, sizeBytes } from "../../../lib/docker/go_values.ts";
import { shellWords } from "../../../lib/docker/shell_words.ts";

async function runs(files: Record<string, string>, env: Record<string, string> = {}) {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(dir, name), text);
    }
    return (await loadCompose({ workDir: dir, env, runs: true }))!.runs!;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("loadCompose() reads how services run, in every form, only where it is asked to", async () => {
  const { web } = await runs({
    ".env": "TAG=3\nFROM_ENV=of .env\n",
    "compose.yaml": `
services:
  web:
    image: web:\${TAG}
    command: serve --name "two words" --tag \${TAG}
    entrypoint: ["/init", "--"]
    environment: ["A=1", "FROM_ENV", "NOT_SET", "EMPTY="]
    healthcheck: {test: curl localhost, interval: 1m30s, retries: 3}
    networks: {front: {aliases: [www]}, back: }
    ulimits: {nofile: 1024, nproc: {soft: 10, hard: 20}}
    extra_hosts: ["a:1.2.3.4", "b=host-gateway"]
    sysctls: ["net.core.somaxconn=1024"]
    secrets: [key, {source: cert, target: tls.pem}]
    user: 1000
    init: true
secrets: {key: {file: k}, cert: {file: c}}
networks: {front: , back: }
`,
  });
  assert.deepEqual(web.command, { argv: ["serve", "--name", "two words", "--tag", "3"] });
  assert.deepEqual(web.entrypoint, { argv: ["/init", "--"] });
  assert.deepEqual(web.environment, { A: "1", FROM_ENV: "of .env", EMPTY: "" });
  assert.deepEqual(web.healthcheck, {
    test: { argv: ["CMD-SHELL", "curl localhost"] },
    interval: "1m30s",
    retries: "3",
  });
  assert.deepEqual(web.networks, { front: { aliases: ["www"] }, back: { aliases: [] } });
  assert.deepEqual(web.ulimits, {
    nofile: { soft: 1024, hard: 1024 },
    nproc: { soft: 10, hard: 20 },
  });
  assert.deepEqual(web.extra_hosts, ["a:1.2.3.4", "b:host-gateway"]);
  assert.deepEqual(web.sysctls, { "net.core.somaxconn": "1024" });
  assert.deepEqual(web.secret_targets, { cert: "tls.pem" });
  assert.deepEqual([web.user, web.init], ["1000", "true"]);

  const dir = await Deno.makeTempDir();
  await Deno.writeTextFile(join(dir, "compose.yaml"), "services: {web: {command: x}}");
  const plain = await loadCompose({ workDir: dir, env: {} });
  await Deno.remove(dir, { recursive: true });
  assert.equal(plain!.runs, undefined);
  assert.equal(plain!.env, undefined);
});

Deno.test("loadCompose() merges how services run as compose merges override files", async () => {
  const { web, worker } = await runs({
    "compose.yaml": `
services:
  web:
    command: [a, b, c]
    environment: {A: 1, B: 2}
    cap_add: [SYS_NICE]
    user: root
    healthcheck: {test: [CMD, x], retries: 1}
  worker:
    extends: web
    command: work
`,
    "compose.override.yaml": `
services:
  web:
    command: [d]
    environment: {B: 3}
    cap_add: [IPC_LOCK]
    user: !reset null
    healthcheck: {retries: 2}
`,
  });
  assert.deepEqual(web.command, { argv: ["d"] });
  assert.deepEqual(web.environment, { A: "1", B: "3" });
  assert.deepEqual(web.cap_add, ["SYS_NICE", "IPC_LOCK"]);
  assert.equal(web.user, undefined);
  assert.deepEqual(web.healthcheck, { test: { argv: ["CMD", "x"] }, retries: "2" });
  assert.deepEqual([worker.command, worker.user], [{ argv: ["work"] }, "root"]);
});

Deno.test("shellWords() cuts as a shell does, and expands nothing", () => {
  const cases: [string, string[]][] = [
    ["", []],
    ["  a  b\tc\n", ["a", "b", "c"]],
    [`sh -c "echo 'a b'"`, ["sh", "-c", "echo 'a b'"]],
    [`a'b'"c" ''`, ["abc", ""]],
    [`a\\ b "x\\"y" 'x\\y'`, ["a b", 'x"y', "x\\y"]],
    [`"x\\ny" $HOME`, ["x\\ny", "$HOME"]],
  ];
  for (const [text, words] of cases) assert.deepEqual(shellWords(text), words, text);
});

Deno.test("durationNs() and sizeBytes() read what compose files write", () => {
  assert.deepEqual(
    ["1m30s", "0.5s", "300ms", "1h", "0", "10", "s", "1m x"].map(durationNs),
    [90e9, 5e8, 3e8, 3600e9, 0, null, null, null],
  );
  assert.deepEqual(
    ["64m", "1gb", "4096", "1.5k", "2GiB", "12b", "x"].map(sizeBytes),
    [67108864, 1073741824, 4096, 1536, 2147483648, 12, null],
  );
});
