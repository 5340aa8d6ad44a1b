/** What differs between the stack as a backup knew it and as it is: told before anything is replaced. */
import { join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, Role, Source } from "../core/model.ts";
import type { Container, Engine, Image } from "../docker/engine.ts";
import type { Stack } from "../docker/stack.ts";
import {
  type DatabaseVersion,
  type FileTree,
  findDataDirectories,
  fitOf,
  versionOfImage,
} from "./data_version.ts";

/** One thing that is not as it was. */
export interface Difference {
  what: "stack_name" | "compose_files" | "image" | "database";
  /** The service, or the stack. */
  subject: string;
  then: string | null;
  now: string | null;
  /** True where the service cannot run on what would come back. */
  breaks: boolean;
  message: string;
}

/** Looks; what it finds here breaks nothing. Raises DOCKER_UNREACHABLE. */
export async function thenAndNow(
  then: BackupMetadata,
  stack: Stack,
  engine: Engine | null,
  roles: Role[],
): Promise<Difference[]> {
  const found: Difference[] = [];
  const add =
    (what: Difference["what"], subject: string, was: string | null, now: string | null) =>
    (message: string) => found.push({ what, subject, then: was, now, breaks: false, message });
  if (then.project !== stack.name) {
    add("stack_name", stack.name, then.project, stack.name)(
      `the stack was called "${then.project}" then, it is "${stack.name}" now`,
    );
  }
  if (then.compose_hash !== stack.compose_hash) {
    add("compose_files", stack.name, then.compose_hash, stack.compose_hash)(
      stack.compose_hash === null
        ? "there were compose files then, there are none now"
        : then.compose_hash === null
        ? "there were no compose files then"
        : roles.includes("app")
        ? "the compose files differ: the containers stay as they are until `docker compose up -d`"
        : "the compose files have changed since, and stay as they are now",
    );
  }
  for (const { service, image, image_id } of oneEach(then.services)) {
    const now = await imagesNow(service, stack, engine);
    if (now.length === 0) {
      add("image", service, image_id, null)(`${service} (${image}) is no part of the stack now`);
    } else if (!now.some((one) => one.id === image_id)) {
      add("image", service, image_id, now[0].id)(
        `${service} ran ${image} (${short(image_id)}) then, it is ${now[0].name} ` +
          `(${now[0].id ? short(now[0].id) : "not on this machine"}) now`,
      );
    }
  }
  return found;
}

/** The first container of each service. */
function oneEach(services: BackupMetadata["services"]): BackupMetadata["services"] {
  return services.filter((one, n) =>
    services.findIndex(({ service }) => service === one.service) === n
  );
}

function short(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, 12);
}

/** The images of a service's containers; where it has none, the one its compose file names. */
async function imagesNow(service: string, stack: Stack, engine: Engine | null) {
  const containers = stack.containers.filter((one) => (one.service ?? one.name) === service);
  if (containers.length > 0) {
    return containers.map(({ image, image_id }) => ({ name: image, id: image_id }));
  }
  const name = stack.services.find((one) => one.name === service)?.image ?? null;
  if (name === null) return [];
  return [{ name, id: (await imageNow(engine, name))?.id ?? "" }];
}

/** Null where this machine has none of that name, or the engine does not take it for a name. */
async function imageNow(engine: Engine | null, name: string): Promise<Image | null> {
  try {
    return await engine?.inspectImage(name) ?? null;
  } catch (cause) {
    if (cause instanceof DuckbackError && cause.code === "DOCKER_FAILED") return null;
    throw cause;
  }
}

/** A tree that would come in, and where it would lie. */
export interface IncomingTree {
  /** Absolute path now. */
  live: string;
  name: string;
  source: Pick<Source, "kind" | "role">;
  /** As it lies beside the live one, or in the archive. */
  tree: FileTree;
}

/**
 * Compares the release that wrote each data directory in what would come in with the one that its
 * services run: by their containers, and where they have none by the compose files, if these stay.
 * What cannot be told is not told. Raises DOCKER_UNREACHABLE.
 */
export async function databasesThenAndNow(
  trees: IncomingTree[],
  stack: Stack,
  engine: Engine | null,
): Promise<Difference[]> {
  if (!engine) return [];
  const found: Difference[] = [];
  for (const { live, name, source, tree } of trees) {
    for (const { path, version } of await findDataDirectories(tree)) {
      const dir = join(live, path);
      const users = [
        ...stack.containers.filter((one) => sees(one, dir)),
        ...trees.some((one) => one.source.role === "app")
          ? []
          : withoutContainer(stack, dir, source.kind === "volume" ? name : null),
      ];
      const servers = await serversOf(users, version, engine);
      const unfit = servers.filter((server) => fitOf(version, server.version) !== "same");
      if (unfit.length === 0 || unfit.length < servers.length) continue;
      found.push(misfit(join(name, path), version, unfit[0]));
    }
  }
  return found;
}

type User = Pick<Container, "service" | "name" | "image" | "image_id">;

function sees({ mounts }: Container, dir: string): boolean {
  return mounts.some(({ source }) => source !== "" && isIn(dir, source));
}

/** Services that are to have the directory, or the volume, once they are made. */
function withoutContainer(stack: Stack, dir: string, volume: string | null): User[] {
  const made = new Set(stack.containers.map(({ service }) => service));
  return stack.services.filter(({ name, image, mounts }) =>
    image !== null && !made.has(name) &&
    mounts.some(({ type, source }) =>
      source !== null && (type === "volume"
        ? volume === `${stack.name}_${source}` || volume === source
        : type === "bind" && isIn(dir, source))
    )
  ).map(({ name, image }) => ({ service: name, name, image: image!, image_id: image! }));
}

function isIn(dir: string, source: string): boolean {
  return `${dir}/`.startsWith(`${real(source)}/`);
}

function real(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

interface Server {
  service: string;
  image: string;
  version: DatabaseVersion;
}

/** Those of them that run a database of its family. */
async function serversOf(users: User[], data: DatabaseVersion, engine: Engine): Promise<Server[]> {
  const servers: Server[] = [];
  for (const { service, name, image, image_id } of users) {
    const version = versionOfImage(await imageNow(engine, image_id) ?? { env: {} }, image);
    if (!version || (version.kind === "postgres") !== (data.kind === "postgres")) continue;
    servers.push({ service: service ?? name, image, version });
  }
  return servers;
}

const TITLE = { postgres: "PostgreSQL", mysql: "MySQL", mariadb: "MariaDB" };

function misfit(where: string, data: DatabaseVersion, server: Server): Difference {
  const { service, image, version } = server;
  const breaks = fitOf(data, version) === "breaks";
  const then = `${TITLE[data.kind]} ${data.text}`;
  const now = `${TITLE[version.kind]} ${version.text}`;
  return {
    what: "database",
    subject: service,
    then,
    now,
    breaks,
    message: `${where} was written by ${then}, ${service} (${image}) runs ${now}` +
      (breaks
        ? " and would not start on it"
        : " and brings it up to itself: an older server cannot read it after that"),
  };
}

/** Raises REFUSED where a service could not run on what would come back, unless that is wanted. */
export function refuseBreaking(differences: Difference[], backup_id: number, force: boolean) {
  const breaking = differences.filter((difference) => difference.breaks);
  if (breaking.length === 0 || force) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot roll back to backup ${backup_id}: ${
      breaking.map((difference) => difference.message).join("; ")
    }. Nothing was changed`,
    {
      hint:
        "Put the image of that release back into the compose file first and make the container " +
        "anew (docker compose up -d); to go on all the same, add --force.",
      details: { differences },
    },
  );
}
