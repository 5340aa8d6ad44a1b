/** Databases dumped while they run, by their own tools, and fed back: real servers under load. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { BASE_IMAGE, docker, ensureBaseImage, type SampleStack } from "../fixtures/docker.ts";
import {
  createDatabaseStack,
  image,
  inService,
  PASSWORD,
  quoted,
  service,
  untilReady,
} from "../fixtures/databases.ts";
import { EngineProxy } from "../fixtures/engine_proxy.ts";
import { bson, mongoArchive } from "../fixtures/mongo_archive.ts";
import { finished, names, Place, sh, until } from "./support.ts";

/** A service beside the database, that is stopped as ever. */
const APP = service("app", [`image: ${BASE_IMAGE}`, 'command: ["/bin/service"]']);

function postgres(...lines: string[]): string {
  return service("db", [
    `image: ${image("postgres")}`,
    "command: [/bin/start-postgres]",
    "environment:",
    `  POSTGRES_PASSWORD: ${quoted(PASSWORD)}`,
    "  PGDATA: /var/lib/postgresql/data",
    "volumes: [pg:/var/lib/postgresql/data]",
    ...lines,
  ]);
}

async function postgresStack(...lines: string[]): Promise<SampleStack> {
  await ensureBaseImage();
  const stack = await createDatabaseStack(postgres(...lines) + APP, ["pg"]);
  await untilReady(stack, "db", "sql", "-c", "select 1");
  await inService(stack, "db", "sql", "-c", "create database bank");
  return stack;
}

/** Money that pgbench moves about: in accounts, tellers, branches, and as its history tells. */
async function balances(stack: SampleStack): Promise<string[]> {
  const sums = ["abalance", "tbalance", "bbalance"].map((column, i) =>
    `(select sum(${column}) from pgbench_${["accounts", "tellers", "branches"][i]})`
  );
  const query = `select ${[...sums, "(select sum(delta) from pgbench_history)"].join(", ")},
    (select count(*) from pgbench_history), (select count(*) from pgbench_accounts)`;
  return (await inService(stack, "db", "sql", "-d", "bank", "-c", query)).split("|");
}

async function startedAt(stack: SampleStack): Promise<Record<string, string>> {
  return Object.fromEntries(
    (await stack.containers()).map((item) => [item.service, item.started_at]),
  );
}

function filesIn(dir: string): string[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(join(dir, name)) : [join(dir, name)]
  );
}

/** As it is, or escaped as JSON does it. */
function holds(path: string, text: string): boolean {
  const content = new TextDecoder("latin1").decode(Deno.readFileSync(path));
  return content.includes(text) || content.includes(JSON.stringify(text).slice(1, -1));
}

/** Command lines of all processes of the machine that hold `text`, gathered until it is stopped. */
function watchArguments(text: string) {
  const found = new Set<string>();
  let seen = 0;
  const timer = setInterval(() => {
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const words = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ");
        if (words.includes("pg_dump")) seen++;
        if (words.includes(text)) found.add(words);
      } catch {
        // It ended meanwhile.
      }
    }
  }, 5);
  return {
    stop() {
      clearInterval(timer);
      return { found: [...found], seen };
    },
  };
}

Deno.test("PostgreSQL under load: dumped while it runs, fed back, the books balance", async () => {
  await using place = new Place();
  await using stack = await postgresStack('labels: {duckback.dump: "true"}');
  await inService(stack, "db", "bench", "-i", "-q", "-s", "3", "bank");
  const db = (await stack.container("db")).name;
  await docker("exec", "-d", db, "bench", "-c", "4", "-T", "120", "-n", "bank");
  const worked = async () => Number((await balances(stack))[4]);
  await until("pgbench works", async () => await worked() > 200);
  const before = await startedAt(stack);

  const watch = watchArguments(PASSWORD);
  const made = await place.ok(["backup", "create", "--json", "--verbose"], { cwd: stack.dir });
  const { found, seen } = watch.stop();
  const atEnd = await worked();
  const { backup } = made.json;
  assert.equal(backup.status, "completed");
  assert.equal(backup.backup_metadata.consistency, "stopped");
  assert.ok(seen > 0, "pg_dump was among the processes looked at");
  assert.deepEqual(found, [], "the password is in nobody's arguments");
  const after = await startedAt(stack);
  assert.equal(after.db, before.db, "the database was never stopped");
  assert.notEqual(after.app, before.app, "the service beside it was");

  const [dump] = backup.backup_metadata.dumps;
  assert.deepEqual([dump.service, dump.kind, dump.path], ["db", "postgres", "dumps/db/all.sql"]);
  const listed = (await sh(`tar tzf ${backup.backup_path}`)).split("\n");
  assert.ok(listed.includes("dumps/db/all.sql"));
  assert.ok(!listed.some((path) => path.startsWith("volumes/")), "its own files are left out");
  assert.deepEqual(
    backup.backup_metadata.skipped.map((mount: { name: string; service: string }) =>
      `${mount.service} ${mount.name}`
    ),
    [`db ${stack.project}_pg`],
  );
  assert.equal(
    await sh(`tar xzOf ${backup.backup_path} dumps/db/all.sql | wc -c`),
    `${dump.bytes}\n`,
  );

  // Nothing that duckback writes itself holds the password; the compose file in the archive does.
  await sh(`mkdir own && tar xzf ${backup.backup_path} -C own .duckback`, place.dir);
  const written = [...filesIn(place.home), ...filesIn(place.path("own"))];
  assert.ok(written.some((path) => path.endsWith("catalog.duckdb")) && written.length > 5);
  assert.deepEqual(written.filter((path) => holds(path, PASSWORD)), []);
  assert.ok(!(made.stdout + made.stderr).includes(PASSWORD));
  assert.deepEqual(names(join(place.home, "journal")), []);
  assert.ok(!names(join(place.home, "backups")).some((name) => name.includes("spool")));

  // The accident; clients are still connected while the dump is fed back.
  await inService(
    stack,
    "db",
    "sql",
    "-d",
    "bank",
    "-c",
    "update pgbench_tellers set tbalance = 7",
  );
  await inService(stack, "db", "sql", "-c", "create database later");
  const id = String(backup.id);
  const asked = await place.run(["restore", id, "--dump", "db"], { cwd: stack.dir });
  assert.equal(asked.code, 2, asked.stderr);
  assert.match(asked.stderr, /Add --force/);
  await place.ok(["restore", id, "--dump", "db", "--force"], { cwd: stack.dir });
  const [accounts, tellers, branches, history, count, rows] = await balances(stack);
  assert.deepEqual([tellers, branches, history], [accounts, accounts, accounts]);
  assert.equal(rows, "300000");
  assert.ok(Number(count) > 200 && Number(count) <= atEnd, `${count} of ${atEnd} transactions`);
  await inService(
    stack,
    "db",
    "sh",
    "-c",
    'PGPASSWORD="$POSTGRES_PASSWORD" pg_amcheck -U postgres --install-missing --heapallindexed bank',
  );
  assert.equal(
    await inService(stack, "db", "bench", "-n", "-t", "5", "bank").then(() => "works"),
    "works",
  );
  assert.equal((await startedAt(stack)).db, before.db, "nor was it stopped to be restored");
  // What the dump does not know of is as it was.
  assert.equal(await inService(stack, "db", "sql", "-d", "later", "-c", "select 1"), "1");
  const settings = "select count(*) from pg_db_role_setting";
  assert.equal(await inService(stack, "db", "sql", "-c", settings), "0");
});

/** Rows enough for a dump that takes a while. */
const MANY = "create table many as select i, repeat(md5(i::text), 8) as text " +
  "from generate_series(1, 400000) as i";

Deno.test("a dump that is killed half-way is a failed backup, and nothing was stopped", async () => {
  await using place = new Place();
  await using stack = await postgresStack();
  await inService(stack, "db", "sql", "-d", "bank", "-c", MANY);
  const before = await startedAt(stack);
  const db = (await stack.container("db")).name;
  for (const victim of ["pg_dump", "pg_dumpall"]) {
    const run = place.start(["backup", "create", "--dump", "db", "--json"], { cwd: stack.dir });
    const backups = join(place.home, "backups");
    await until(
      "half of it is there",
      async () => (await sh(`find ${backups} -name all.sql -size +2M 2>/dev/null || true`)) !== "",
    );
    const spool = await sh(`find ${backups} -name '*.spool' -o -name all.sql | xargs stat -c %a`);
    assert.deepEqual(spool.trim().split("\n").sort(), ["600", "700"]);
    await docker("exec", db, "sh", "-c", `kill -KILL $(pidof ${victim})`);
    const result = await finished(run);
    assert.equal(result.code, 1);
    assert.equal(result.json.error.code, "DUMP_FAILED", result.stderr);
    assert.match(result.json.error.message, /Cannot dump service "db" \(postgres\)/);
    assert.deepEqual(names(backups), []);
  }
  assert.deepEqual(await startedAt(stack), before);
  const { backups } = (await place.ok(["backup", "list", "--json"])).json;
  assert.deepEqual(backups.map((row: { status: string }) => row.status), ["failed", "failed"]);
  assert.match(backups[0].error_message, /DUMP_FAILED/);
});

Deno.test("a dump for which there is no room fails the backup before anything is stopped", async () => {
  await using place = new Place();
  await using stack = await postgresStack();
  await inService(stack, "db", "sql", "-d", "bank", "-c", MANY);
  const before = await startedAt(stack);
  const disk = place.tree("disk", {});
  await sh(`mount -t tmpfs -o size=8m tmpfs ${disk}`);
  try {
    await place.ok(["config", "set", "auto_backup_directory", disk]);
    const result = await place.run(["backup", "create", "--dump", "--json"], { cwd: stack.dir });
    assert.equal(result.json.error.code, "DISK_FULL", result.stderr);
    assert.deepEqual(names(disk), []);
    assert.deepEqual(await startedAt(stack), before);
  } finally {
    await sh(`umount ${disk}`);
  }
});

/** A backup whose pg_dump waits for a table that somebody has locked. */
async function stuckDump(place: Place, stack: SampleStack) {
  await inService(stack, "db", "sql", "-d", "bank", "-c", "create table if not exists locked ()");
  const db = (await stack.container("db")).name;
  const lock = "begin; lock table locked; select pg_sleep(60)";
  await docker("exec", "-d", db, "sql", "-d", "bank", "-c", lock);
  const run = place.start(["backup", "create", "--dump"], { cwd: stack.dir });
  await until("pg_dump waits", async () => await dumping(db));
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { run, db };
}

async function dumping(db: string): Promise<boolean> {
  return (await docker("top", db, "-o", "pid,args")).includes("pg_dump ");
}

Deno.test("a signal during a dump ends the dump as well; kill -9 too, and recover tidies up", async () => {
  await using place = new Place();
  await using stack = await postgresStack();
  const before = await startedAt(stack);
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    const { run, db } = await stuckDump(place, stack);
    run.kill(signal);
    const { code } = await finished(run);
    assert.equal(code, signal === "SIGINT" ? 130 : 137);
    await until("pg_dump is gone", async () => !await dumping(db));
    await untilReady(
      stack,
      "db",
      "sql",
      "-c",
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()",
    );
  }
  // To PostgreSQL, its container's first process, an orphan that a signal ended is a crash.
  const log = await sh(`docker logs ${(await stack.container("db")).name} 2>&1`);
  assert.doesNotMatch(log, /terminated by signal|reinitializing/);
  assert.ok(names(join(place.home, "backups")).some((name) => name.endsWith(".spool")));
  await place.ok(["recover"], { cwd: stack.dir });
  assert.deepEqual(names(join(place.home, "backups")), []);
  assert.deepEqual(names(join(place.home, "journal")), []);
  assert.deepEqual(await startedAt(stack), before);
});

Deno.test("what --dump cannot do is said before anything begins", async () => {
  await using place = new Place();
  await using stack = await postgresStack();
  const refused = async (args: string[], code: number, message: RegExp) => {
    const result = await place.run(["backup", "create", ...args], { cwd: stack.dir });
    assert.equal(result.code, code, result.stderr);
    assert.match(result.stderr, message);
  };
  const before = await startedAt(stack);
  await refused(["--dump", "nobody"], 2, /has app, db/);
  await refused(["--dump", "app"], 2, /does not tell what database it is/);
  await refused(["--dump", "db=oracle"], 2, /Kinds: postgres/);
  await refused(["--dump", "db=sqlite"], 2, /absolute path/);
  await refused(["--dump", "db", "--exclude", "*.sql"], 2, /leaves "dumps\/db\/all.sql" out/);
  await refused(
    ["--dump", "db=redis"],
    1,
    /Cannot dump service "db" \(redis\).*Could not connect to Redis/s,
  );
  await docker("stop", (await stack.container("db")).name);
  await refused(["--dump", "db"], 1, /it does not run/);
  assert.equal((await startedAt(stack)).app, before.app);
});

const REDIS_PASSWORD = `re'd "is`;

function redis(name: string, ...options: string[]): string {
  const command = ["redis-server", "--requirepass", REDIS_PASSWORD, "--dir", "/data", ...options];
  const lines = [`image: ${image("redis")}`, `command: ${JSON.stringify(command)}`];
  return service(name, [...lines, `volumes: [${name}:/data]`]);
}

async function redisCli(stack: SampleStack, name: string, ...words: string[]): Promise<string> {
  const script = 'REDISCLI_AUTH=$1; export REDISCLI_AUTH; shift; exec redis-cli "$@"';
  return await inService(stack, name, "sh", "-c", script, "sh", REDIS_PASSWORD, ...words);
}

Deno.test("Redis, with and without an append-only file: dumped while it runs, fed back", async () => {
  await using place = new Place();
  await using stack = await createDatabaseStack(
    redis("cache") + redis("queue", "--appendonly", "yes", "--repl-diskless-sync-delay", "0"),
    ["cache", "queue"],
  );
  for (const name of ["cache", "queue"]) {
    await untilReady(stack, name, "redis-cli", "ping");
    const fill = "for i = 1, 20000 do redis.call('set', 'key' .. i, string.rep(i, 20)) end";
    await redisCli(stack, name, "eval", fill, "0");
    await redisCli(stack, name, "set", "name", `as of ${name}`);
  }
  const before = await startedAt(stack);
  const { backup } =
    (await place.ok(["backup", "create", "--dump", "--json"], { cwd: stack.dir })).json;
  assert.deepEqual(await startedAt(stack), before);
  assert.equal(backup.status, "completed");
  assert.equal(backup.downtime_ms, null);
  assert.equal(backup.backup_metadata.consistency, "idle");
  for (const name of ["cache", "queue"]) {
    await redisCli(stack, name, "flushall");
    await redisCli(stack, name, "set", "later", "1");
    if (name === "queue") {
      // Its files cannot be replaced: it runs again with what it had.
      const dir = await docker(
        "volume",
        "inspect",
        "-f",
        "{{.Mountpoint}}",
        `${stack.project}_queue`,
      );
      const args = ["restore", String(backup.id), "--dump", name, "--force", "--json"];
      await sh(`chattr +i ${dir}`);
      const failed = await place.run(args, { cwd: stack.dir });
      await sh(`chattr -i ${dir}`);
      assert.equal(failed.json.error.code, "NOT_WRITABLE", failed.stderr);
      await untilReady(stack, name, "redis-cli", "ping");
      assert.equal(await redisCli(stack, name, "get", "later"), "1");
    }
    const done = (await place.ok(
      ["restore", String(backup.id), "--dump", name, "--force", "--json"],
      { cwd: stack.dir },
    )).json;
    await untilReady(stack, name, "redis-cli", "ping");
    await until(
      "it has loaded its file",
      async () => await redisCli(stack, name, "dbsize") === "20001",
    );
    assert.equal(await redisCli(stack, name, "get", "name"), `as of ${name}`);
    assert.equal(await redisCli(stack, name, "get", "key777"), "777".repeat(20));
    assert.equal(await redisCli(stack, name, "get", "later"), "");
    // It works on with what it was given, and has it after another start.
    await redisCli(stack, name, "set", "after", "the restore");
    await docker("restart", (await stack.container(name)).name);
    await untilReady(stack, name, "redis-cli", "ping");
    await until(
      "it has loaded its file",
      async () => await redisCli(stack, name, "dbsize") === "20002",
    );
    assert.match(done.notes[0], /What it had before is kept as/);
  }
  assert.deepEqual(names(join(place.home, "journal")), []);
  assert.deepEqual(names(place.home).filter((name) => name.startsWith("spool")), []);
});

Deno.test("kill -9 while Redis is down for its dump: recover starts it, and it has what the dump holds", async () => {
  await using place = new Place();
  await using stack = await createDatabaseStack(
    redis("cache", "--repl-diskless-sync-delay", "0"),
    ["cache"],
  );
  await untilReady(stack, "cache", "redis-cli", "ping");
  await redisCli(stack, "cache", "set", "name", "dumped");
  const { backup } =
    (await place.ok(["backup", "create", "--dump", "--json"], { cwd: stack.dir })).json;
  await redisCli(stack, "cache", "set", "name", "later");
  await using proxy = await EngineProxy.start();
  proxy.rule({ match: /\/containers\/[^/]+\/start$/, times: 1, action: "hang" });
  const run = place.start(["restore", String(backup.id), "--dump", "cache", "--force"], {
    cwd: stack.dir,
    env: proxy.env,
  });
  await until("its start is asked for", () => proxy.count(/\/containers\/[^/]+\/start$/) > 0);
  assert.equal((await stack.container("cache")).state, "exited");
  run.kill("SIGKILL");
  await finished(run);
  await place.ok(["recover"], { cwd: stack.dir });
  await untilReady(stack, "cache", "redis-cli", "ping");
  assert.equal(await redisCli(stack, "cache", "get", "name"), "dumped");
  assert.deepEqual(names(join(place.home, "journal")), []);
  assert.deepEqual(names(place.home).filter((name) => name.startsWith("spool")), []);
});

/** Two rows a transaction, whose sum is nothing, as fast as it can. */
const WRITER =
  "sqlite3 /data/notes.db 'pragma journal_mode = wal; create table if not exists t (n)'; " +
  "while :; do sqlite3 -cmd '.timeout 5000' /data/notes.db " +
  "'begin immediate; insert into t select random() % 1000; " +
  "insert into t select -n from t where rowid = last_insert_rowid(); commit'; done";

Deno.test("SQLite: copied while somebody writes, fed back to a file in use", async () => {
  await using place = new Place();
  await using stack = await createDatabaseStack(
    service("notes", [
      `image: ${image("notes")}`,
      `command: ["sh", "-c", ${quoted(WRITER)}]`,
      'labels: {duckback.dump: "sqlite:/data/notes.db"}',
      "volumes: [./data:/data]",
    ]),
    [],
    { "data/other.txt": "lies beside it\n" },
  );
  const ask = async (sql: string) =>
    await untilReady(stack, "notes", "sqlite3", "-cmd", ".timeout 5000", "/data/notes.db", sql);
  await until("it writes", async () => Number(await ask("select count(*) from t")) > 40);
  // Its own files lie in a directory that is backed up, and come and go while that is read.
  const create = ["backup", "create", "--kind", "incremental", "--json"];
  await place.ok([...create, "--no-verify"], { cwd: stack.dir });
  const { backup } = (await place.ok(create, { cwd: stack.dir })).json;
  assert.deepEqual([backup.status, backup.backup_type], ["completed", "INCREMENTAL"]);
  assert.equal(backup.backup_metadata.dumps[0].path, "dumps/notes/notes.db");
  // Files beside the database are read while the service runs, and the backup says so.
  assert.equal(backup.backup_metadata.consistency, "live");
  assert.ok(
    backup.warnings.some((warning: { code: string }) => warning.code === "CRASH_CONSISTENT"),
  );
  await sh(`tar xzf ${backup.backup_path} dumps`, place.dir);
  const check = "pragma integrity_check; select count(*) % 2, sum(n), count(*) > 40 from t";
  assert.equal(await sh(`sqlite3 dumps/notes/notes.db '${check}'`, place.dir), "ok\n0|0|1\n");
  const rows = await sh("sqlite3 dumps/notes/notes.db 'select count(*) from t'", place.dir);

  await ask("insert into t values (1000000); create table later (n)");
  await place.ok(["restore", String(backup.id), "--dump", "notes", "--force"], { cwd: stack.dir });
  assert.equal(await ask("select name from sqlite_master"), "t");
  assert.equal(await ask("select sum(n), max(n) < 1000 from t"), "0|1");
  assert.ok(Number(await ask("select count(*) from t")) >= Number(rows));
  assert.equal(await ask("pragma integrity_check"), "ok");
  assert.equal(
    await inService(stack, "notes", "ls", "/tmp"),
    "",
    "nothing is left in the container",
  );
});

Deno.test("MariaDB: tables, routines, triggers, events and users, dumped and fed back", async () => {
  await using place = new Place();
  await using stack = await createDatabaseStack(
    service("db", [
      `image: ${image("mariadb")}`,
      "command: [/bin/start-mariadb]",
      "environment:",
      `  MARIADB_ROOT_PASSWORD: ${quoted(PASSWORD)}`,
      "volumes: [my:/var/lib/mysql]",
    ]),
    ["my"],
  );
  const ask = async (sql: string, ...more: string[]) =>
    await inService(stack, "db", "mysql_", "-e", sql, ...more);
  await untilReady(stack, "db", "mysql_", "-e", "select 1");
  await ask(
    `create database bank; use bank;
    create table account (id int primary key, balance int, note blob) engine=innodb;
    create table moved (n int) engine=innodb;
    insert into account select seq, 0, unhex('00ff27225c0a') from seq_1_to_5000;
    create procedure move(a int, b int, n int) begin start transaction;
      update account set balance = balance - n where id = a;
      update account set balance = balance + n where id = b;
      insert into moved values (n); commit; end;
    create event nothing on schedule every 1 day do select 1;
    create user app@localhost identified by 'secret'; grant select on bank.* to app@localhost`
      .replace("create procedure", "delimiter //\ncreate procedure").replace(
        "commit; end;",
        "commit; end//\ndelimiter ;",
      ),
  );
  const db = (await stack.container("db")).name;
  const work = "i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); " +
    'echo "call bank.move($((i % 5000 + 1)), $((i * 7 % 5000 + 1)), $i);"; done | mysql_';
  await docker("exec", "-d", db, "sh", "-c", work);
  await until("it works", async () => Number(await ask("select count(*) from bank.moved")) > 50);
  const before = await startedAt(stack);
  const watch = watchArguments(PASSWORD);
  const { backup } =
    (await place.ok(["backup", "create", "--dump", "--json"], { cwd: stack.dir })).json;
  assert.deepEqual(watch.stop().found, []);
  assert.equal(backup.status, "completed");
  assert.equal(backup.backup_metadata.dumps[0].kind, "mariadb");
  await ask("drop database bank; drop user app@localhost");
  await place.ok(["restore", String(backup.id), "--dump", "db", "--force"], { cwd: stack.dir });
  assert.deepEqual(await startedAt(stack), before);
  const check = await ask("select sum(balance), count(*), hex(min(note)) from bank.account");
  assert.equal(check, "0\t5000\t00FF27225C0A");
  assert.ok(Number(await ask("select count(*) from bank.moved")) > 50);
  assert.equal(
    await ask("call bank.move(1, 2, 3); select event_name from information_schema.events"),
    "nothing",
  );
  assert.match(await ask("show grants for app@localhost"), /GRANT SELECT ON `bank`/);
});

/**
 * In the place of a tool that is not to be had here: notes its arguments, its environment and its
 * configuration, puts out a file, or keeps what it reads.
 */
const FAKE = `#!/bin/sh
name=$(basename "$0")
case "$*" in --version) cat /fake/version; exit ;; esac
if [ -e /fake/fails ]; then echo "cannot, says $name" >&2; exit 9; fi
exec 2>/seen/$name
echo "arguments: $*" >&2
echo "secret variable: $MYSQL_PWD" >&2
for word in "$@"; do case $word in --config=*) cat "\${word#--config=}" >&2 ;; esac; done
case $name in
mongodump | mysqldump) exec cat /fake/output ;;
mongorestore) exec cat >/seen/fed ;;
*) exec cat >>/seen/fed ;;
esac
`;

/** busybox with fake tools before its own, and a secret that is a file. */
async function fakeStack(kind: string, variables: Record<string, string>, output: Uint8Array) {
  await ensureBaseImage();
  const tools = ["mongodump", "mongorestore", "mysqldump", "mysql"];
  const stack = await createDatabaseStack(
    service("db", [
      `image: ${BASE_IMAGE}`,
      `command: ["sh", "-c", "trap 'exit 0' TERM; sleep 600 & wait"]`,
      "environment:",
      "  PATH: /fake:/bin",
      ...Object.entries(variables).map(([name, value]) => `  ${name}: ${quoted(value)}`),
      "volumes: [./fake:/fake:ro, ./seen:/seen, ./secret:/run/secret:ro]",
      `labels: {duckback.dump: ${kind}}`,
    ]),
    [],
    {
      "seen/.keep": "",
      "secret": PASSWORD + "\n",
      "fake/version": "mysqldump  Ver 8.0.36 for Linux\n",
    },
  );
  for (const tool of tools) {
    await Deno.writeTextFile(join(stack.dir, "fake", tool), FAKE, { mode: 0o755 });
  }
  await Deno.writeFile(join(stack.dir, "fake/output"), output);
  const seen = (tool: string) => Deno.readTextFileSync(join(stack.dir, "seen", tool));
  return { stack, seen };
}

Deno.test("MongoDB (fake tools): the password is in a file that only they read; both ways, whole", async () => {
  await using place = new Place();
  const archive = mongoArchive({ "shop.orders": [bson({ _id: "a" }), bson({ _id: "b" })] });
  const { stack, seen } = await fakeStack("mongodb", {
    MONGO_INITDB_ROOT_USERNAME: "root user",
    MONGO_INITDB_ROOT_PASSWORD_FILE: "/run/secret",
  }, archive);
  await using _stack = stack;
  const watch = watchArguments(PASSWORD);
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: stack.dir })).json;
  const written = `password: 'pass''w"or d$HOME\\n'\n`;
  const login = "--config=/dev/fd/4 --username=root user --authenticationDatabase=admin";
  assert.equal(
    seen("mongodump"),
    `arguments: --archive --quiet ${login}\nsecret variable: \n${written}`,
  );
  await place.ok(["restore", String(backup.id), "--dump", "db", "--force"], { cwd: stack.dir });
  assert.deepEqual(watch.stop().found, []);
  assert.equal(
    seen("mongorestore"),
    `arguments: --archive --drop --quiet --stopOnError ${login}\nsecret variable: \n${written}`,
  );
  assert.deepEqual(Deno.readFileSync(join(stack.dir, "seen/fed")), archive);

  // A tool that ends well with half of it is not believed.
  await Deno.writeFile(join(stack.dir, "fake/output"), archive.slice(0, -20));
  const half = await place.run(["backup", "create", "--json"], { cwd: stack.dir });
  assert.equal(half.json.error.code, "DUMP_FAILED");
  assert.match(half.json.error.message, /ends .*, though its tool ended with exit code 0/);
});

Deno.test("MySQL (fake tools): Oracle's own options, the password in a variable alone", async () => {
  await using place = new Place();
  const dump = "-- MySQL dump 10.13\nselect 1;\n-- Dump completed on 2026-11-22 10:00:00\n";
  const { stack, seen } = await fakeStack(
    "mysql",
    { MYSQL_ROOT_PASSWORD: PASSWORD },
    new TextEncoder().encode(dump),
  );
  await using _stack = stack;
  const watch = watchArguments(PASSWORD);
  const { backup } = (await place.ok(["backup", "create", "--json"], { cwd: stack.dir })).json;
  assert.equal(
    seen("mysqldump"),
    "arguments: --user=root --single-transaction --quick --all-databases --routines --events " +
      `--triggers --hex-blob --set-gtid-purged=OFF\nsecret variable: ${PASSWORD}\n`,
  );
  // Streamed, the dump is in the archive as well, and its spool in the home is gone.
  const run = place.start(["backup", "create", "--output", "-"], { cwd: stack.dir });
  const { success, stdout } = await run.output();
  assert.ok(success);
  await Deno.writeFile(place.path("streamed.tar.gz"), stdout);
  assert.equal(await sh("tar xzOf streamed.tar.gz dumps/db/all.sql", place.dir), dump);
  assert.deepEqual(names(place.home).filter((name) => name.startsWith("spool")), []);
  await place.ok(["restore", String(backup.id), "--dump", "db", "--force"], { cwd: stack.dir });
  assert.equal(
    seen("mysql"),
    `arguments: --user=root -e FLUSH PRIVILEGES\nsecret variable: ${PASSWORD}\n`,
  );
  assert.equal(Deno.readTextFileSync(join(stack.dir, "seen/fed")), dump);
  assert.deepEqual(watch.stop().found, []);
  assert.deepEqual(names(join(place.home, "journal")), []);

  await Deno.writeTextFile(join(stack.dir, "fake/fails"), "");
  const failed = await place.run([
    "restore",
    String(backup.id),
    "--dump",
    "db",
    "--force",
    "--json",
  ]);
  assert.equal(failed.json.error.code, "RESTORE_FAILED");
  assert.match(
    failed.json.error.message,
    /dumps\/db\/all.sql to db .*exit code 9\n {2}cannot, says mysql/,
  );
  assert.match(failed.json.error.hint, /may hold a part of it/);
  await Deno.remove(join(stack.dir, "fake/fails"));

  const lacks = await place.run(["backup", "create", "--dump", "db=postgres"], { cwd: stack.dir });
  assert.match(lacks.stderr, /exit code 127\n {2}this container has no psql/);

  // A rollback of the data is not all of it, and says so.
  const rolled = await place.run([
    "rollback",
    String(backup.id),
    "--rollback-data",
    "--force",
    "--json",
  ]);
  assert.equal(rolled.code, 3, rolled.stderr);
  assert.match(rolled.json.problems[0], /db keeps what it holds now: .* restore 1 --dump db/);

  const none = await place.run(["restore", String(backup.id), "--dump", "cache", "--force"]);
  assert.equal(none.code, 10);
  assert.match(none.stderr, /holds those of db/);

  // A damaged archive is told before anything is fed to anybody.
  await sh(`cp ${backup.backup_path} good`, place.dir);
  await sh(`printf x | dd of=${backup.backup_path} bs=1 seek=600 conv=notrunc status=none`);
  await Deno.remove(join(stack.dir, "seen/fed")).catch(() => {});
  const damaged = await place.run(["restore", String(backup.id), "--dump", "db", "--force"]);
  assert.equal(damaged.code, 12, damaged.stderr);
  assert.ok(!names(join(stack.dir, "seen")).includes("fed"));
  // What was found broken is not used again before it has passed.
  await sh(`cp good ${backup.backup_path}`, place.dir);
  await place.ok(["backup", "verify", String(backup.id)]);

  await docker("stop", "-t", "0", (await stack.container("db")).name);
  const down = await place.run(["restore", String(backup.id), "--dump", "db", "--force"], {
    cwd: stack.dir,
  });
  assert.match(down.stderr, /no container of it runs/);
});
