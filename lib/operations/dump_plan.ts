/** Which services of a stack are dumped, by label or by `--dump`, and what that changes of the backup. */
import { DuckbackError } from "../core/errors.ts";
import type { SkippedMount, Source } from "../core/model.ts";
import { dumpName, guessKind, rawDirectories } from "../docker/dump_kinds.ts";
import type { Container } from "../docker/engine.ts";
import { DUMP_KINDS, type DumpKind, labelsOf, serviceOf } from "../docker/labels.ts";
import type { Identity } from "../docker/locate.ts";
import { realPath } from "../docker/real_path.ts";
import type { Stack } from "../docker/stack.ts";
import { exists } from "../repository/pending_archive.ts";
import { list } from "./quiesced.ts";

/** What `--dump` says: every database known by its image, or these ("db", "app=sqlite:/data/app.db"). */
export type DumpRequest = "all" | string[];

/** A database to dump, and where its dump goes. */
export interface PlannedDump {
  service: string;
  container: Identity;
  kind: DumpKind;
  /** The database file in the container (sqlite); null for all else. */
  file: string | null;
  archive_path: string;
}

export interface DumpPlan {
  dumps: PlannedDump[];
  /** Without the files that the dumps stand for. */
  stack: Stack;
  /** Services that a quiesce leaves as they are, and why. */
  leave: Map<string, string>;
  notes: string[];
}

/**
 * Decides by the containers as they are. A labelled service that does not run is backed up by its files;
 * one named by `--dump` must run. Raises USAGE and REFUSED.
 */
export function planDumps(stack: Stack, request: DumpRequest, keep_raw: boolean): DumpPlan {
  const notes: string[] = [];
  const wanted = new Map<string, { kind: DumpKind; file: string | null }>();
  const up = new Map<string, Container>();
  for (const container of stack.containers) {
    const service = serviceOf(container);
    const first = (up.get(service)?.number ?? Infinity) > container.number;
    if (container.state === "running" && !container.oneoff && first) up.set(service, container);
  }
  for (const service of servicesOf(stack)) {
    const { dump } = labelsOf(stack.labels, service);
    if (!dump) continue;
    const kind = dump.kind === "guess" ? guessOf(stack, service) : dump.kind;
    if (!up.has(service)) {
      notes.push(`Service ${service} is to be dumped, but does not run: its files are backed up`);
    } else wanted.set(service, target(service, kind, dump.path));
  }
  for (const [service, chosen] of asked(stack, request, up)) wanted.set(service, chosen);

  const top = freeTop(stack);
  const dumps = [...wanted].map(([service, { kind, file }]): PlannedDump => {
    const { id, name, project, number, oneoff } = up.get(service)!;
    return {
      service,
      container: { id, name, project, service: up.get(service)!.service, number, oneoff },
      kind,
      file,
      archive_path: `${top}/${service}/${dumpName(kind, file)}`,
    };
  });
  return {
    dumps,
    stack: keep_raw ? stack : withoutRaw(stack, dumps),
    leave: new Map(dumps.map(({ service }) => [service, "it is dumped"])),
    notes,
  };
}

/** For a rollback's safety backup, for which everything is down. */
export function noDumps(stack: Stack): DumpPlan {
  return { dumps: [], stack, leave: new Map(), notes: [] };
}

function servicesOf(stack: Stack): string[] {
  const found = [...stack.services.map(({ name }) => name), ...stack.containers.map(serviceOf)];
  return [...new Set(found)].sort();
}

function* asked(
  stack: Stack,
  request: DumpRequest,
  up: Map<string, Container>,
): Generator<[string, { kind: DumpKind; file: string | null }]> {
  if (request === "all") {
    let found = false;
    for (const [service, { image }] of up) {
      const { dump } = labelsOf(stack.labels, service);
      const kind = guessKind(image);
      found ||= dump !== null && dump !== false;
      if (dump !== null || kind === null) continue;
      found = true;
      yield [service, { kind, file: null }];
    }
    if (!found) throw noDatabase(stack);
    return;
  }
  for (const text of request) {
    const [service, how] = split(text);
    if (!servicesOf(stack).includes(service)) throw noService(stack, service);
    if (!up.has(service)) throw notRunning(service);
    const { dump } = labelsOf(stack.labels, service);
    if (how !== null) yield [service, parse(service, how)];
    else if (dump && dump.kind !== "guess") yield [service, target(service, dump.kind, dump.path)];
    else yield [service, target(service, guessOf(stack, service), null)];
  }
}

function split(text: string): [string, string | null] {
  const at = text.indexOf("=");
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

/** "redis" or "sqlite:/data/app.db". */
function parse(service: string, how: string) {
  const [word, ...path] = how.split(":");
  const kind = DUMP_KINDS.find((kind) => kind === word);
  if (kind) return target(service, kind, path.length > 0 ? path.join(":") : null);
  throw new DuckbackError("USAGE", `Cannot dump service "${service}" as "${word}"`, {
    hint: `Kinds: ${DUMP_KINDS.join(", ")}; for SQLite with its file: sqlite:/PATH`,
  });
}

function target(service: string, kind: DumpKind, file: string | null) {
  const name = file?.split("/").at(-1) ?? "";
  const good = kind === "sqlite"
    ? file !== null && file.startsWith("/") && name !== "" && !name.startsWith(".")
    : file === null;
  if (good) return { kind, file };
  throw new DuckbackError("USAGE", `Cannot dump service "${service}" (${kind})`, {
    hint: kind === "sqlite"
      ? "Name its file by an absolute path in the container: sqlite:/PATH/NAME"
      : "Only sqlite takes a path.",
  });
}

function guessOf(stack: Stack, service: string): DumpKind {
  const image = stack.containers.find((container) => serviceOf(container) === service)?.image ??
    stack.services.find(({ name }) => name === service)?.image ?? "";
  const kind = guessKind(image);
  if (kind) return kind;
  throw new DuckbackError(
    "USAGE",
    `Cannot dump service "${service}": its image "${image}" does not tell what database it is`,
    {
      hint: `Say it: --dump ${service}=postgres, or the label duckback.dump (also: ${
        DUMP_KINDS.slice(1).join(", ")
      }).`,
    },
  );
}

function noDatabase(stack: Stack): DuckbackError {
  return new DuckbackError(
    "USAGE",
    `Cannot dump stack "${stack.name}": no running service is a database known by its image`,
    { hint: "Name one and its kind: --dump SERVICE=postgres" },
  );
}

function noService(stack: Stack, service: string): DuckbackError {
  return new DuckbackError(
    "USAGE",
    `Cannot dump service "${service}": stack "${stack.name}" has ${
      servicesOf(stack).join(", ") || "none"
    }`,
  );
}

function notRunning(service: string): DuckbackError {
  return new DuckbackError("REFUSED", `Cannot dump service "${service}": it does not run`, {
    hint:
      `Start it: duckback docker-service start ${service}; or leave --dump out: its files are ` +
      "then backed up.",
  });
}

/** A top directory in the archive that nothing else has. */
function freeTop({ sources, work_dir }: Stack): string {
  const isTaken = (top: string) =>
    sources.some(({ archive_path }) =>
      archive_path === "." ? exists(`${work_dir}/${top}`) : archive_path.split("/")[0] === top
    );
  let top = "dumps";
  while (isTaken(top)) top += "~";
  return top;
}

/**
 * Leaves out sources that are a dumped database's own files, whole, and used by nobody else. Where such
 * files lie inside a larger source they stay, crash-consistent: a rollback would else remove them.
 */
function withoutRaw(stack: Stack, dumps: PlannedDump[]): Stack {
  const skipped: SkippedMount[] = [];
  const out = new Set<Source>();
  for (const { service, container, kind, archive_path } of dumps) {
    const one = stack.containers.find(({ id }) => id === container.id)!;
    for (const path of rawDirectories(one, kind)) {
      const source = stack.sources.find((source) => source.path === path);
      if (!source || usedByOthers(stack, source, service)) continue;
      out.add(source);
      const reason = `the files of a database that is dumped (${archive_path})`;
      skipped.push({ name: source.name, service, reason });
    }
  }
  return {
    ...stack,
    sources: stack.sources.filter((source) => !out.has(source)),
    skipped: [...stack.skipped, ...skipped],
  };
}

/**
 * Says whether an archive path is one of the dumped databases' own files. The database writes to them
 * while they are read, and the dump beside them is what counts.
 */
export function dumpedFiles(
  { stack, dumps }: { stack: Stack; dumps: PlannedDump[] },
): (path: string) => boolean {
  const files = new Set<string>();
  const directories: string[] = [];
  for (const { container, kind, file } of dumps) {
    const one = stack.containers.find(({ id }) => id === container.id)!;
    if (file === null) {
      directories.push(...rawDirectories(one, kind).flatMap((path) => archived(stack, path)));
    } else {
      for (const path of onHost(one, file).flatMap((path) => archived(stack, path))) {
        for (const suffix of SQLITE_FILES) files.add(path + suffix);
      }
    }
  }
  return (path) => files.has(path) || directories.some((dir) => path.startsWith(`${dir}/`));
}

/** What SQLite keeps beside a database: https://sqlite.org/tempfiles.html. */
const SQLITE_FILES = ["", "-wal", "-shm", "-journal"];

/** Host path of a path in a container; none where it lies in no mount. */
function onHost({ mounts }: Container, path: string): string[] {
  const holds = mounts.filter(({ destination, source }) =>
    source !== "" && path.startsWith(`${destination}/`)
  );
  const mount = holds.sort((a, b) => b.destination.length - a.destination.length)[0];
  return mount ? [realPath(mount.source).real + path.slice(mount.destination.length)] : [];
}

/** Archive path of a host path; none where no source holds it. */
function archived({ sources }: Stack, path: string): string[] {
  return sources.filter((source) => path === source.path || path.startsWith(`${source.path}/`))
    .map(({ path: top, archive_path }) =>
      archive_path === "." ? path.slice(top.length + 1) : archive_path + path.slice(top.length)
    );
}

/** By what discovery says of its origin: "volume of db, volume of app". */
function usedByOthers(stack: Stack, source: Source, service: string): boolean {
  const users = source.origin.split(", ").map((origin) =>
    /^(?:bind mount|volume) of (.*)$/.exec(origin)
  );
  return users.some((user) => user === null || user[1] !== service) ||
    stack.sharing.some(({ sources }) => sources.includes(source.name));
}

/** "db and cache", for people. */
export function dumpedServices(dumps: { service: string }[]): string {
  return list([...new Set(dumps.map(({ service }) => service))]);
}
