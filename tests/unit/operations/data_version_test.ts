import assert from "node:assert/strict";
import { join } from "node:path";
import { treeOnDisk } from "../../../lib/operations/file_tree.ts";
import {
  type DatabaseVersion,
  findDataDirectories,
  fitOf,
  versionOfData,
  versionOfImage,
} from "../../../lib/operations/data_version.ts";

const shown = (found: DatabaseVersion | null) =>
  found && `${found.kind} ${found.series.join(".")} ${found.text}`;

Deno.test("versionOfImage() goes by the image's environment, then by well-known tags", () => {
  const table: [Record<string, string>, string, string | null][] = [
    [{ PG_MAJOR: "15", PG_VERSION: "15.4-1.pgdg120+1" }, "db:1", "postgres 15 15.4"],
    [{ PG_MAJOR: "9.6", PG_VERSION: "9.6.24" }, "x", "postgres 9.6 9.6.24"],
    [{ PG_MAJOR: "16" }, "postgres:15", "postgres 16 16"],
    [{ MARIADB_VERSION: "1:10.11.6+maria~ubu2204" }, "x", "mariadb 10.11 10.11.6"],
    [{ MYSQL_MAJOR: "8.0", MYSQL_VERSION: "8.0.36-1.el8" }, "mysql", "mysql 8.0 8.0.36"],
    [{ MYSQL_MAJOR: "innovation", MYSQL_VERSION: "9.1.0-1.el9" }, "x", "mysql 9.1 9.1.0"],
    [{ PS_VERSION: "8.0.36-28.1" }, "percona", "mysql 8.0 8.0.36"],
    [{ BITNAMI_APP_NAME: "postgresql", APP_VERSION: "14.9.0" }, "x", "postgres 14 14.9.0"],
    [{}, "postgres:15-alpine", "postgres 15 15"],
    [{}, "docker.io/library/postgres:9.6.24@sha256:00", "postgres 9.6 9.6.24"],
    [{}, "localhost:5000/postgis/postgis:16-3.4", "postgres 16 16"],
    [{}, "timescale/timescaledb:2.14.2-pg15", "postgres 15 15"],
    [{}, "pgvector/pgvector:pg16", "postgres 16 16"],
    [{}, "mariadb:11", "mariadb 11 11"],
    [{}, "mysql:5.7", "mysql 5.7 5.7"],
    [{}, "postgres", null],
    [{}, "postgres:latest", null],
    [{}, "shop/postgres:1", null],
    [{}, "registry.example:5000/shop/mysql:3.2", null],
    [{}, "bitnami/postgres-exporter:0.15", null],
    [{}, "nginx:1.25", null],
  ];
  for (const [env, name, wanted] of table) {
    assert.equal(shown(versionOfImage({ env }, name)), wanted, `${JSON.stringify(env)} ${name}`);
  }
});

Deno.test("fitOf() tells what a server does with files of another release", () => {
  const version = (text: string): DatabaseVersion => {
    const [kind, series] = text.split(" ");
    return { kind, series: series.split(".").map(Number), text: series } as DatabaseVersion;
  };
  const table: [string, string, string][] = [
    ["postgres 15", "postgres 15", "same"],
    ["postgres 15", "postgres 16", "breaks"],
    ["postgres 16", "postgres 15", "breaks"],
    ["postgres 9.5", "postgres 9.6", "breaks"],
    ["mariadb 10.11", "mariadb 10.11", "same"],
    ["mariadb 10.6", "mariadb 10.11", "upgrades"],
    ["mariadb 10.11", "mariadb 10.6", "breaks"],
    ["mariadb 10.11", "mariadb 11.4", "breaks"],
    ["mysql 5.7", "mysql 8.0", "breaks"],
    ["mysql 8.0", "mysql 8.4", "upgrades"],
    ["mysql 8.4", "mysql 8.0", "breaks"],
    ["mysql 8.0", "mysql 8", "same"],
    ["mysql 8.0", "mariadb 10.11", "breaks"],
  ];
  for (const [data, server, wanted] of table) {
    assert.equal(fitOf(version(data), version(server)), wanted, `${data} in ${server}`);
  }
});

async function inTree(
  files: Record<string, string | Uint8Array>,
  use: (dir: string) => Promise<void>,
) {
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      const path = join(dir, name);
      Deno.mkdirSync(join(path, ".."), { recursive: true });
      if (typeof content === "string") Deno.writeTextFileSync(path, content);
      else Deno.writeFileSync(path, content);
    }
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A table's head as MySQL 5 and MariaDB write it. */
function frm(version: number): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set([0xfe, 1]);
  new DataView(bytes.buffer).setUint32(51, version, true);
  return bytes;
}

Deno.test("versionOfData() reads every way in which a server leaves its release", async () => {
  const dictionary = new Uint8Array(16384);
  new DataView(dictionary.buffer).setUint32(8, 80036);
  const history = JSON.stringify({
    file_format: "1",
    upgrade_history: [{ version: "8.0.40" }, { version: "8.4.3" }],
  });
  const table: [Record<string, string | Uint8Array>, string | null][] = [
    [{ PG_VERSION: "15\n" }, "postgres 15 15"],
    [{ PG_VERSION: "9.6\n" }, "postgres 9.6 9.6"],
    [{ aria_log_control: "", mariadb_upgrade_info: "11.4.2-MariaDB" }, "mariadb 11.4 11.4.2"],
    [{ aria_log_control: "", mysql_upgrade_info: "10.5.8-MariaDB\n" }, "mariadb 10.5 10.5.8"],
    [
      { aria_log_control: "", "mysql/db.frm": frm(100508), "mysql/proc.frm": frm(101106) },
      "mariadb 10.11 10.11.6",
    ],
    [{ "mysql.ibd": dictionary }, "mysql 8.0 8.0.36"],
    [{ "mysql.ibd": dictionary, mysql_upgrade_history: history }, "mysql 8.4 8.4.3"],
    [{ "mysql/user.frm": frm(50744), "mysql/view.frm": "TYPE=VIEW\n" }, "mysql 5.7 5.7.44"],
    [{ "mysql.ibd": new Uint8Array(4) }, null],
    [{ PG_VERSION: "" }, null],
    [{}, null],
  ];
  for (const [files, wanted] of table) {
    await inTree(files, async (dir) => {
      assert.equal(shown(await versionOfData(treeOnDisk(dir), "")), wanted);
    });
  }
});

Deno.test("findDataDirectories() finds them below what is mounted, and no database's own parts", () =>
  inTree({
    "pg/18/docker/PG_VERSION": "18\n",
    "pg/18/docker/global/x": "",
    "pg/18/docker/base/1/PG_VERSION": "18\n",
    "db/ibdata1": "",
    "db/mysql/db.frm": frm(101106),
    "db/aria_log_control": "",
    "src/PG_VERSION": "7\n",
    "src/mysql": "a file",
  }, async (dir) => {
    const find = (path: string) => findDataDirectories(treeOnDisk(join(dir, path)));
    const found = (await find("")).map(({ path, version }) => `${path}: ${shown(version)}`);
    assert.deepEqual(found, ["db: mariadb 10.11 10.11.6", "pg/18/docker: postgres 18 18"]);
    assert.equal((await find("pg/18/docker"))[0].path, "");
    assert.deepEqual(await find("src/PG_VERSION"), []);
  }));
