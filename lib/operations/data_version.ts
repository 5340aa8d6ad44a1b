/** Which release of which database a data directory was written by, and which one an image runs. */
import { join } from "node:path";
import type { Image } from "../docker/engine.ts";

export interface DatabaseVersion {
  kind: "postgres" | "mysql" | "mariadb";
  /** The release series, as far as it is known: [15], [9, 6], [10, 11]. */
  series: number[];
  /** As it was found, for people: "15", "10.11.6". */
  text: string;
}

/** A database's directory below the one that was searched; "" is that one itself. */
export interface DataDirectory {
  path: string;
  version: DatabaseVersion;
}

/** A tree as it is on disk, or in an archive. Paths are relative, "" is its top. */
export interface FileTree {
  /** What lies in a directory, as far as it may matter here; nothing where it is none. */
  list(dir: string): Map<string, "directory" | "other">;
  /** The first bytes of a file; null where there is none. */
  read(path: string, most: number): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** Data directories lie near the top of what is mounted; a tree of uploads is not searched in full. */
const DEEPEST = 6;
const MOST_DIRECTORIES = 10_000;

/** Finds the databases' directories in a tree, nearest first. Those whose release cannot be told are left out. */
export async function findDataDirectories(tree: FileTree): Promise<DataDirectory[]> {
  const found: DataDirectory[] = [];
  const waiting = [{ path: "", depth: 0 }];
  for (let n = 0; n < waiting.length && n < MOST_DIRECTORIES; n++) {
    const { path, depth } = waiting[n];
    const entries = tree.list(path);
    const isData = entries.has("PG_VERSION") && entries.has("global") ||
      entries.get("mysql") === "directory" && entries.has("ibdata1");
    if (isData) {
      const version = await versionOfData(tree, path);
      if (version) found.push({ path, version });
      continue;
    }
    if (depth === DEEPEST) continue;
    for (const [name, type] of entries) {
      if (type === "directory") waiting.push({ path: join(path, name), depth: depth + 1 });
    }
  }
  return found;
}

/** Names that tell a database's directory from others, and those that are read in it. */
export function mayTell(path: string): boolean {
  const parts = path.split("/");
  const name = parts.at(-1)!;
  return MARKS.has(name) || name.endsWith(".frm") && parts.at(-2) === "mysql";
}

const MARKS = new Set([
  "PG_VERSION",
  "global",
  "ibdata1",
  "mysql",
  "aria_log_control",
  "mariadb_upgrade_info",
  "mysql_upgrade_info",
  "mysql_upgrade_history",
  "mysql.ibd",
]);

/** What the files of one data directory say of the server that wrote them last, or null. */
export async function versionOfData(tree: FileTree, dir: string): Promise<DatabaseVersion | null> {
  const text = async (name: string) =>
    new TextDecoder().decode(await tree.read(join(dir, name), 4096) ?? new Uint8Array());
  const names = tree.list(dir);
  if (names.has("PG_VERSION")) return versionOf("postgres", await text("PG_VERSION"));
  const isMaria = names.has("aria_log_control");
  const kind = isMaria ? "mariadb" : "mysql";
  for (const name of ["mariadb_upgrade_info", "mysql_upgrade_info"]) {
    const version = names.has(name) ? versionOf(kind, await text(name)) : null;
    if (version) return version;
  }
  if (!isMaria && names.has("mysql_upgrade_history")) {
    const version = lastOf(await text("mysql_upgrade_history"));
    if (version) return version;
  }
  if (!isMaria && names.has("mysql.ibd")) {
    const head = await tree.read(join(dir, "mysql.ibd"), 16);
    // FIL_PAGE_SRV_VERSION of page 0 (fil0types.h): big-endian, 80036 for 8.0.36.
    return head?.length === 16 ? fromNumber("mysql", new DataView(head.buffer).getUint32(8)) : null;
  }
  return await versionOfTables(tree, join(dir, "mysql"), kind);
}

/** MySQL 8.4 and later keep a history of the servers that brought the files up to themselves. */
function lastOf(history: string): DatabaseVersion | null {
  try {
    return versionOf("mysql", JSON.parse(history).upgrade_history.at(-1).version);
  } catch {
    return null;
  }
}

/**
 * Every .frm says at offset 51, little-endian, which server made it: 50744 for 5.7.44, 101106 for
 * 10.11.6. The newest of the system tables counts: an upgrade makes some of them anew.
 */
async function versionOfTables(tree: FileTree, dir: string, kind: "mysql" | "mariadb") {
  let newest = 0;
  for (const name of tree.list(dir).keys()) {
    if (!name.endsWith(".frm")) continue;
    const head = await tree.read(join(dir, name), 55);
    if (head?.length !== 55 || head[0] !== 0xfe || head[1] !== 1) continue; // a view's is text
    newest = Math.max(newest, new DataView(head.buffer).getUint32(51, true));
  }
  return fromNumber(kind, newest);
}

function fromNumber(kind: "mysql" | "mariadb", id: number): DatabaseVersion | null {
  const [major, minor, patch] = [Math.floor(id / 10_000), Math.floor(id / 100) % 100, id % 100];
  return major < 3 || major > 99 ? null : versionOf(kind, `${major}.${minor}.${patch}`);
}

/** Which database an image runs, by what it says in its environment, else by its name. Null: unknown. */
export function versionOfImage(image: Pick<Image, "env">, name: string): DatabaseVersion | null {
  const { env } = image;
  const said = (kind: DatabaseVersion["kind"], ...names: string[]) =>
    names.map((name) => versionOf(kind, env[name] ?? "")).find((version) => version) ?? null;
  return said("postgres", "PG_VERSION", "PG_MAJOR") ?? said("mariadb", "MARIADB_VERSION") ??
    said("mysql", "MYSQL_VERSION", "PS_VERSION", "MYSQL_MAJOR", "PERCONA_MAJOR") ??
    byName(env.BITNAMI_APP_NAME ?? "", env.APP_VERSION ?? "") ?? byTag(name);
}

/** Who tags images by the release of the database in them; anybody else's tag means something else. */
const TAGGED_BY_RELEASE = [
  "library",
  "bitnami",
  "bitnamilegacy",
  "linuxserver",
  "mysql",
  "percona",
  "pgvector",
  "postgis",
  "timescale",
];

function byTag(name: string): DatabaseVersion | null {
  const [, path, tag] = /^([^@]*?)(?::([^:/@]+))?(?:@.*)?$/.exec(name) ?? [];
  // "registry.example:5000/postgis/postgis": the first part is no namespace.
  const parts = (path ?? "").split("/").filter((part, n) =>
    n > 0 || !/[.:]|^localhost$/.test(part)
  );
  const last = parts.pop() ?? "";
  if (parts.length > 0 && !TAGGED_BY_RELEASE.includes(parts.join("/"))) return null;
  // "timescaledb:2.14.2-pg15", "pgvector:pg16"
  const named = /(?:^|[-_])pg(\d+)/.exec(tag ?? "");
  return named ? versionOf("postgres", named[1]) : byName(last, tag ?? "");
}

function byName(name: string, version: string): DatabaseVersion | null {
  if (/exporter|admin|backup/.test(name)) return null;
  if (/postg(res|is)/.test(name)) return versionOf("postgres", version);
  if (/mariadb/.test(name)) return versionOf("mariadb", version);
  return /mysql|percona/.test(name) ? versionOf("mysql", version) : null;
}

/** "15", "15.4-1.pgdg120+1", "9.6.24", "1:10.11.6+maria~ubu2204", "8.0": null where no number leads. */
function versionOf(kind: DatabaseVersion["kind"], found: string): DatabaseVersion | null {
  const parts = /^(?:\d+:)?v?(\d+)(?:\.(\d+))?(?:\.\d+)?/.exec(found.trim());
  if (!parts) return null;
  const [whole, major, minor] = parts;
  const one = kind === "postgres" && Number(major) >= 10;
  const series = one || minor === undefined ? [Number(major)] : [Number(major), Number(minor)];
  return { kind, series, text: whole.replace(/^\d+:/, "").replace(/^v/, "") };
}

/** How a server takes files of another release. */
export type Fit =
  | "same"
  /** It starts, and brings the files up to itself: an older server then cannot read them any more. */
  | "upgrades"
  | "breaks";

/**
 * PostgreSQL starts on files of its own major release alone. MySQL and MariaDB start on older files of
 * their major release, and not on newer ones nor on each other's.
 */
export function fitOf(data: DatabaseVersion, server: DatabaseVersion): Fit {
  if (data.kind !== server.kind) return "breaks";
  const [major, minor = null] = data.series;
  const [now_major, now_minor = null] = server.series;
  if (major !== now_major) return "breaks";
  if (minor === null || now_minor === null || minor === now_minor) return "same";
  return data.kind === "postgres" || minor > now_minor ? "breaks" : "upgrades";
}
