/** A second process for the catalogue's tests; prints one JSON value a line. */
import { openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { backup, modes } from "./support.ts";

const [verb, home, ...args] = Deno.args;
const say = (value: unknown) =>
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(value) + "\n"));

const action = {
  action_type: "backup.create",
  action_description: null,
  action_params: { level: 6 },
  actor: "root",
  client_version: "0.1.0",
  host: "server",
  started_at: "2026-01-01T00:00:00.000Z",
};
const look = {
  stack: "shop",
  service_name: "web",
  container_id: null,
  status: "running",
  health_status: null,
  error_message: null,
  recorded_at: "2026-01-01T00:00:00.000Z",
};

const verbs: Record<string, () => Promise<void>> = {
  /** Opens, lists and closes once, as `duckback backup list` does. */
  async list() {
    await using catalog = await openCatalog({ home });
    say((await catalog.backups.list()).length);
  },
  /** Inserts backups for ever, each with its own open, and says each id once it is acknowledged. */
  async write() {
    for (let at = 0;; at++) {
      await using catalog = await openCatalog({ home });
      say((await catalog.backups.insert(backup(`${args[0]}-${at}`))).id);
    }
  },
  /** Opens and keeps it until killed. */
  async hold() {
    await using _catalog = await openCatalog({ home });
    say("open");
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
  /** Has the file open without duckback's lock, as the duckdb shell would. */
  async shell() {
    const db = await Database.open(`${home}/catalog.duckdb`, { temp_directory: `${home}/tmp` });
    say("open");
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    await db.close();
  },
  /** Writes without a checkpoint and dies: leaves a write-ahead log. */
  async "shell-wal"() {
    const db = await Database.open(`${home}/catalog.duckdb`, { temp_directory: `${home}/tmp` });
    await db.run(
      `UPDATE app_config SET config_value = '"zstd"' WHERE config_key = 'backup.compression'`,
    );
    Deno.kill(Deno.pid, "SIGKILL");
  },
  /** Tries every write and says the code of each; "ok" where it went well. */
  async "every-write"() {
    await using catalog = await openCatalog({ home });
    const { backups, actions, settings, serviceStatus } = catalog;
    const now = new Date("2026-05-05T05:05:05.000Z");
    const writes: (() => Promise<unknown>)[] = [
      () => backups.update(1, { status: "failed", error_message: "x".repeat(100) }),
      () => backups.update(1, { created_at: now.toISOString() }),
      () => backups.update(1, { backup_name: "other" }),
      () => backups.insert(backup("two")),
      () => backups.adopt({ ...backup("one", { stack: "other" }), id: 1 }),
      () => backups.adopt({ ...backup("three"), id: 3 }),
      () => actions.begin(action),
      () =>
        actions.finish(1, { status: "failed", result_message: "x", completed_at: "2026-01-01" }),
      () => settings.set("backup.keep_last", 3, now),
      () => serviceStatus.record([look]),
      () => backups.delete(1),
    ];
    const which = args[0] === undefined ? writes : [writes[Number(args[0])]];
    for (const write of which) say(await write().then(() => "ok", (error) => error.code));
  },
  /** With umask 000: modes of all files while a write-ahead log and temporary files exist. */
  async modes() {
    Deno.umask(0);
    {
      await using catalog = await openCatalog({ home });
      const { db } = (catalog as any).session as { db: Database };
      await db.run("UPDATE app_config SET updated_at = current_timestamp");
      await db.run("SET memory_limit = '20MB'");
      await db.run(
        "CREATE TEMP TABLE big AS SELECT repeat('x', 100) || random() FROM range(400000)",
      );
      const spilled = [...Deno.readDirSync(home)].find((entry) => entry.name.endsWith(".tmp"));
      say([
        (Deno.statSync(home).mode! & 0o777).toString(8),
        modes(home),
        spilled ? modes(`${home}/${spilled.name}`) : {},
      ]);
    }
    say([Deno.umask(), modes(home)]);
  },
};

await verbs[verb]();
Deno.exit(0); // see lib/catalog/duckdb.ts
