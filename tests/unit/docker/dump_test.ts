/** What is a whole dump and what is not, the scripts that make one, and what an image is known for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { dumpCheck } from "../../../lib/docker/dump_check.ts";
import { dumpName, guessKind } from "../../../lib/docker/dump_kinds.ts";
import {
  dumpEnv,
  dumpScript,
  redisPlaceScript,
  restoreScript,
} from "../../../lib/docker/dump_scripts.ts";
import type { Engine, ExecRequest } from "../../../lib/docker/engine.ts";
import { howItEnded, requireDone, runScript } from "../../../lib/docker/exec_shell.ts";
import { DUMP_KINDS, type DumpKind } from "../../../lib/docker/labels.ts";
import { unexpectedErrors } from "../../../lib/docker/psql_errors.ts";
import { Crc64 } from "../../../lib/docker/rdb_check.ts";
import { bson, mongoArchive } from "../../fixtures/mongo_archive.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Fed in pieces of every size, the verdict must be the same. */
function check(kind: DumpKind, dump: Uint8Array): { problem: string | null; keep: number | null } {
  const verdicts = [1, 7, 4096, dump.length + 1].map((size) => {
    const check = dumpCheck(kind, dump.length);
    for (let at = 0; at < dump.length; at += size) check.feed(dump.slice(at, at + size));
    return { problem: check.problem(), keep: check.keep };
  });
  for (const verdict of verdicts) assert.deepEqual(verdict, verdicts[0]);
  return verdicts[0];
}

function problem(kind: DumpKind, dump: Uint8Array | string): string | null {
  return check(kind, typeof dump === "string" ? bytes(dump) : dump).problem;
}

Deno.test("dumpCheck() wants the last words of a PostgreSQL cluster's dump", () => {
  const head = "--\n-- PostgreSQL database cluster dump\n--\n\n";
  const tail = "--\n-- PostgreSQL database cluster dump complete\n--\n\n";
  const data = "COPY t FROM stdin;\n1\n\\.\n".repeat(1000);
  assert.equal(problem("postgres", head + data + tail), null);
  assert.match(problem("postgres", head + data)!, /does not say at its end/);
  assert.match(problem("postgres", head + data + tail.slice(0, -12))!, /does not say at its end/);
  assert.match(problem("postgres", data + tail)!, /does not begin/);
  assert.match(problem("postgres", "")!, /empty/);
  // The words far from the end are somebody's data.
  assert.match(problem("postgres", head + tail + data)!, /does not say at its end/);
});

Deno.test("dumpCheck() wants the last words of mysqldump and mariadb-dump", () => {
  const data = "INSERT INTO `t` VALUES (1);\n".repeat(500);
  const tail = "-- Dump completed on 2026-11-22 10:00:00\n";
  assert.equal(problem("mysql", "-- MySQL dump 10.13  Distrib 8.0\n" + data + tail), null);
  assert.equal(
    problem("mariadb", "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n" + tail),
    null,
  );
  assert.match(problem("mysql", "-- MySQL dump 10.13\n" + data)!, /does not say at its end/);
});

/** As rdb.c writes it: magic and version, an auxiliary field, the end and its checksum. */
function rdb(checksum = true): Uint8Array {
  const body = Uint8Array.of(...bytes("REDIS0010"), 0xfa, 1, 0x61, 1, 0x62, 0xff);
  const crc = new Crc64();
  crc.add(body);
  return Uint8Array.of(...body, ...(checksum ? crc.bytes() : new Uint8Array(8)));
}

Deno.test("Crc64 is the one of Redis", () => {
  const crc = new Crc64();
  crc.add(bytes("123456789")); // crc64.c: e9c6d914c4b8d9ca
  assert.equal(crc.bytes().toReversed().toHex(), "e9c6d914c4b8d9ca");
});

Deno.test("dumpCheck() checks a Redis dump's end and checksum, and finds what follows it", () => {
  const dump = rdb();
  assert.deepEqual(check("redis", dump), { problem: null, keep: null });
  assert.equal(problem("redis", rdb(false)), null, "a server may make no checksums");
  const mark = bytes("0123456789".repeat(4));
  assert.deepEqual(check("redis", Uint8Array.of(...dump, ...mark)), {
    problem: null,
    keep: dump.length,
  });
  for (const cut of [1, 8, 9, 15]) {
    assert.match(problem("redis", dump.slice(0, -cut))!, /does not end|no Redis dump/);
  }
  const flipped = dump.slice();
  flipped[10] ^= 1;
  assert.match(problem("redis", flipped)!, /checksum/);
  assert.match(problem("redis", "-NOAUTH Authentication required.\n")!, /no Redis dump/);
  assert.match(problem("redis", "")!, /no Redis dump/);
});

Deno.test("dumpCheck() follows a mongodump archive to its end", () => {
  const documents = [bson({ _id: "a" }), bson({ _id: "b", note: "x".repeat(300) })];
  const archive = mongoArchive({ "shop.orders": documents, "shop.empty": [] });
  assert.equal(problem("mongodb", archive), null);
  assert.equal(problem("mongodb", mongoArchive({})), null);
  for (let cut = 1; cut < archive.length; cut++) {
    const left = archive.slice(0, -cut);
    const found = problem("mongodb", left);
    // Where one collection has ended and the next has not begun, nothing tells.
    if (found === null) assert.deepEqual(left.slice(-4), Uint8Array.of(255, 255, 255, 255));
  }
  const unfinished = archive.slice(
    0,
    -(bson({ db: "shop", collection: "empty", EOF: true, CRC: 1n }).length + 4),
  );
  assert.match(problem("mongodb", unfinished)!, /ends before collection shop.empty/);
  assert.match(problem("mongodb", "Failed: error")!, /no archive of mongodump/);
  assert.match(problem("mongodb", "")!, /empty/);
});

Deno.test("dumpCheck() wants as many pages of a SQLite database as its header says", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = join(dir, "x.db");
    const made = await new Deno.Command("sqlite3", {
      args: [path, "create table t (n); insert into t select randomblob(9000)"],
    }).output();
    assert.ok(made.success);
    const database = Deno.readFileSync(path);
    assert.equal(problem("sqlite", database), null);
    assert.match(problem("sqlite", database.slice(0, -4096))!, /has \d+ bytes of \d+/);
    assert.match(problem("sqlite", "not a database".repeat(100))!, /no SQLite database/);
    assert.equal(problem("sqlite", ""), null, "one in which nothing was ever made");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("guessKind() knows databases by the last part of their image's name", () => {
  const known = {
    "postgres": "postgres",
    "postgres:16-alpine": "postgres",
    "docker.io/bitnami/postgresql:16": "postgres",
    "localhost:5000/postgis/postgis": "postgres",
    "mariadb:11": "mariadb",
    "mysql@sha256:0123": "mysql",
    "mongo:7": "mongodb",
    "valkey/valkey:8": "redis",
    "redis": "redis",
    "prom/redis_exporter": null,
    "mongo-express": null,
    "nginx:1.27": null,
    "": null,
  };
  for (const [image, kind] of Object.entries(known)) assert.equal(guessKind(image), kind, image);
  assert.equal(dumpName("sqlite", "/data/app.db"), "app.db");
  assert.equal(dumpName("redis", null), "dump.rdb");
});

Deno.test("dumpEnv() finds --requirepass in a container's command, for Redis alone", () => {
  const found = (...command: string[]) => dumpEnv("redis", command).REDISCLI_AUTH;
  assert.equal(found("docker-entrypoint.sh", "redis-server", "--requirepass", "a b'c"), "a b'c");
  assert.equal(found("sh", "-c", 'redis-server --requirepass "a b" --save ""'), "a b");
  assert.equal(found("sh", "-c", "redis-server --requirepass secret"), "secret");
  assert.equal(found("sh", "-c", "redis-server --requirepass $REDIS_PASSWORD"), undefined);
  assert.equal(found("redis-server"), undefined);
  assert.deepEqual(dumpEnv("postgres", ["x", "--requirepass", "y"]), {});
});

Deno.test("unexpectedErrors() lets pass what a cluster's dump cannot help, and nothing else", () => {
  const errors = unexpectedErrors("postgres");
  const said = [
    "psql:<stdin>:14: ERROR:  current user cannot be dropped",
    'psql:<stdin>:21: ERROR:  role "postgres" already exists',
    'psql:<stdin>:30: NOTICE:  schema "x" does not exist, skipping',
    'psql:<stdin>:40: ERROR:  database "bank" is being accessed by other users',
    "DETAIL:  There is 1 other session using the database.",
  ].join("\n");
  for (const byte of bytes(said)) errors.feed(Uint8Array.of(byte));
  assert.deepEqual(errors.list(), [
    'psql:<stdin>:40: ERROR:  database "bank" is being accessed by other users',
  ]);
  const other = unexpectedErrors("mysql");
  other.feed(bytes("ERROR:  x\n"));
  assert.deepEqual(other.list(), [], "its client ends at the first error by itself");
});

Deno.test("every script is good shell, in each shell that a container may have", async () => {
  const scripts = [
    ...DUMP_KINDS.map(dumpScript),
    ...DUMP_KINDS.filter((kind) => kind !== "redis").map(restoreScript),
    redisPlaceScript(),
  ];
  for (const script of scripts) {
    for (const [shell, ...args] of [["dash"], ["bash"], ["busybox", "sh"]]) {
      const done = await new Deno.Command(shell, { args: [...args, "-n", "-c", script] }).output();
      assert.ok(done.success, `${shell}: ${new TextDecoder().decode(done.stderr)}\n${script}`);
    }
  }
});

/** An engine whose only container is this machine: runs the command as it is, with no engine between. */
function here(change: (out: Uint8Array) => Uint8Array = (out) => out) {
  const exec = async (_id: string, { cmd, env, stdin, onOutput }: ExecRequest) => {
    const child = new Deno.Command(cmd[0], {
      args: cmd.slice(1),
      env,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    if (stdin && stdin !== "open") {
      for await (const piece of stdin) await writer.write(piece);
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    if (stdin === "open") await writer.close().catch(() => {});
    for (const byte of change(stdout)) await onOutput?.("stdout", Uint8Array.of(byte));
    await onOutput?.("stderr", stderr);
    return { exit_code: code };
  };
  return { exec } as unknown as Engine;
}

async function taken(script: string, engine = here()) {
  const parts: number[] = [];
  const result = await runScript(engine, "here", {
    script,
    onStdout: (b) => void parts.push(...b),
  });
  return { ...result, out: new TextDecoder().decode(Uint8Array.from(parts)) };
}

Deno.test("runScript() hands on exactly what was put out, and knows how it ended", async () => {
  const texts = ["", "x", "\n", "no newline", "a\nb\n", "y".repeat(100_000)];
  for (const text of texts) {
    const done = await taken(`printf %s '${text}'\n`);
    assert.equal(done.out, text);
    assert.deepEqual([done.exit_code, done.whole], [0, true]);
  }
  const failed = await taken("echo some; echo why >&2; exit 3\n");
  assert.deepEqual([failed.exit_code, failed.whole, failed.out], [3, true, "some\n"]);
  assert.equal(howItEnded(failed), "exit code 3\n  why");
  const killed = await taken("kill -9 $$\n");
  assert.deepEqual([killed.exit_code, killed.whole], [137, false]);
  assert.match(howItEnded(killed), /ended by signal 9/);
});

Deno.test("runScript() is not fooled by an end that got lost on the way, nor by one that is data", async () => {
  for (const lost of [1, 5, 30, 60]) {
    const done = await taken("echo all of it\n", here((out) => out.slice(0, -lost)));
    assert.equal(done.whole, false, `${lost} bytes lost`);
    assert.throws(() => requireDone("do it", done), /Cannot do it: its output broke off/);
  }
  const data = await taken(
    "printf '\\nduckback-00000000-0000-0000-0000-000000000000 0\\n'; exit 1\n",
  );
  assert.equal(data.exit_code, 1);
  assert.match(data.out, /duckback-0000/);
});

Deno.test("runScript() gives the script its arguments, environment and input as they are", async () => {
  const result = await runScript(here(), "here", {
    script: 'printf "%s|" "$@" "$WORD"; cat\n',
    args: ["a b", "it's", "$HOME"],
    env: { WORD: "w" },
    stdin: (async function* () {
      await Promise.resolve();
      yield bytes("input");
    })(),
  });
  assert.equal(result.stdout, "a b|it's|$HOME|w|input");
});
