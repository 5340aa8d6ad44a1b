/** A second process for the catalogue's tests; prints one JSON value a line. */
import { openCatalog } from "../../../lib/catalog/open_catalog.ts";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { backup, modes } from "./support.ts";

const [verb, home, ...args] = Deno.args;
const say = (value: unknown) =>
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(value) + "\n"));

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
    db.close();
  },
  /** Writes without a checkpoint and dies: leaves a write-ahead log. */
  async "shell-wal"() {
    const db = await Database.open(`${home}/catalog.duckdb`, { temp_directory: `${home}/tmp` });
    await db.run(
      `UPDATE app_config SET config_value = '"zstd"' WHERE config_key = 'backup.compression'`,
    );
    Deno.kill(Deno.pid, "SIGKILL");
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
