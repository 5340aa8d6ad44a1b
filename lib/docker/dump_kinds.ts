/** Which database a service is, by its image, and where such a database keeps its own files. */
import type { Container } from "./engine.ts";
import type { DumpKind } from "./labels.ts";
import { realPath } from "./real_path.ts";

/** Words of an image's last part, without its tag: "bitnami/postgresql:16" is "postgresql". */
const IMAGES: [RegExp, DumpKind][] = [
  [/^(postgres|postgresql|postgis|timescaledb(-ha)?|pgvector|pgautoupgrade)$/, "postgres"],
  [/^mariadb$/, "mariadb"],
  [/^(mysql(-server)?|percona(-server)?)$/, "mysql"],
  [/^(mongo|mongodb|mongodb-community-server|percona-server-mongodb)$/, "mongodb"],
  [/^(redis|valkey|redis-stack(-server)?|keydb)$/, "redis"],
];

/** Given an image's name, returns what it is known for; null for all others. */
export function guessKind(image: string): DumpKind | null {
  const name = image.replace(/@.*$/, "").split("/").at(-1)!.replace(/:.*$/, "");
  return IMAGES.find(([pattern]) => pattern.test(name))?.[1] ?? null;
}

/** Directories in a container, of the images in use, that hold nothing but the database. */
const DATA: Record<DumpKind, string[]> = {
  postgres: ["/var/lib/postgresql", "/bitnami/postgresql"],
  mysql: ["/var/lib/mysql", "/bitnami/mysql", "/bitnami/mariadb"],
  mariadb: ["/var/lib/mysql", "/bitnami/mysql", "/bitnami/mariadb"],
  mongodb: ["/data/db", "/data/configdb", "/bitnami/mongodb"],
  redis: ["/data", "/var/lib/redis", "/bitnami/redis", "/bitnami/valkey"],
  // A database file lies among others.
  sqlite: [],
};

/**
 * Host paths, free of symbolic links, of a container's read-write mounts that hold its database and
 * nothing else: what a dump stands for.
 */
export function rawDirectories(container: Container, kind: DumpKind): string[] {
  return container.mounts.filter((mount) =>
    (mount.type === "bind" || mount.type === "volume") && !mount.read_only &&
    DATA[kind].some((dir) => `${mount.destination}/`.startsWith(`${dir}/`))
  ).map((mount) => realPath(mount.source).real);
}

/** What a dump is called in the archive. */
export function dumpName(kind: DumpKind, path: string | null): string {
  switch (kind) {
    case "postgres":
    case "mysql":
    case "mariadb":
      return "all.sql";
    case "mongodb":
      return "all.archive";
    case "redis":
      return "dump.rdb";
    case "sqlite":
      return path!.split("/").at(-1)!;
  }
}
