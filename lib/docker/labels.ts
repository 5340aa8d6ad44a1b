/** `duckback.*` labels: how a stack tells duckback to treat its services. Read, checked, never guessed. */
import { nearest } from "../core/nearest.ts";
import type { Role } from "../core/model.ts";
import type { ServiceDef } from "./compose_model.ts";
import type { Container } from "./engine.ts";

export const DUMP_KINDS = [
  "postgres",
  "mysql",
  "mariadb",
  "mongodb",
  "redis",
  "sqlite",
] as const;
export type DumpKind = typeof DUMP_KINDS[number];

/** What `duckback.dump` asks for. `guess`: the image's name tells. */
export interface DumpLabel {
  kind: DumpKind | "guess";
  /** The database file in the container (sqlite:PATH); null for all else. */
  path: string | null;
}

/** A label that is not understood. */
export interface LabelProblem {
  /** "duckback.stp" */
  label: string;
  /** A sentence without the service's name, with a suggestion where there is one. */
  message: string;
  /** True for a bad value of a known label: a backup refuses to begin, it might stop the wrong thing. */
  fatal: boolean;
}

/** The labels in force for one service; null and [] where it has none. */
export interface ServiceLabels {
  /** What a quiesce does to it: true stops, false leaves it running, pause freezes. */
  stop: boolean | "pause" | null;
  /** gitignore patterns, for this service's mounts. */
  exclude: string[];
  /** Role of this service's mounts. */
  role: Role | null;
  /** Commands for `sh -c` in the container, before and after services are held still. */
  pre: string | null;
  post: string | null;
  /** False: never dumped, whatever the image is. */
  dump: DumpLabel | false | null;
  /** Command for `sh -c` in the container of a drill. False: a drill does not start the service. */
  drill: string | false | null;
  problems: LabelProblem[];
}

/** By service (by container name where it has no service). A map: services may be called "constructor". */
export type StackLabels = ReadonlyMap<string, ServiceLabels>;

export const NO_LABELS: ServiceLabels = {
  stop: null,
  exclude: [],
  role: null,
  pre: null,
  post: null,
  dump: null,
  drill: null,
  problems: [],
};

const PREFIX = "duckback.";
const KEYS = ["stop", "exclude", "role", "pre", "post", "dump", "drill"] as const;
/** On what duckback's own tests make; says nothing about a service. */
const IGNORED = ["duckback.test"];

/** The key under which a container's labels, snapshots and reports stand. */
export function serviceOf(container: { service: string | null; name: string }): string {
  return container.service ?? container.name;
}

/** What is in force for a service; that of one without labels where it is not known. */
export function labelsOf(labels: StackLabels | undefined, service: string): ServiceLabels {
  return labels?.get(service) ?? NO_LABELS;
}

/**
 * Labels of all services, label by label: a container's own wins, as it was made with it; the compose
 * file says what a container not made yet will have. Only services that have any are in the map.
 */
export function readLabels(services: ServiceDef[], containers: Container[]): StackLabels {
  const declared = new Map(services.map((service) => [service.name, own(service.labels)]));
  const made = new Map<string, Record<string, string>>();
  // What `compose run` made counts only where its service has nothing else.
  for (const container of [...containers].sort((a, b) => Number(a.oneoff) - Number(b.oneoff))) {
    const service = serviceOf(container);
    made.set(service, { ...own(container.labels), ...made.get(service) });
  }
  const found = new Map<string, ServiceLabels>();
  for (const service of new Set([...declared.keys(), ...made.keys()])) {
    const file = declared.get(service) ?? {};
    const container = made.get(service) ?? {};
    const labels = parseLabels({ ...file, ...container });
    labels.problems.push(...disagreements(file, container));
    if (JSON.stringify(labels) !== JSON.stringify(NO_LABELS)) found.set(service, labels);
  }
  return found;
}

function own(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(labels).filter(([key]) => key.startsWith(PREFIX) && !IGNORED.includes(key)),
  );
}

function disagreements(
  file: Record<string, string>,
  container: Record<string, string>,
): LabelProblem[] {
  return Object.keys(file).filter((label) => label in container && container[label] !== file[label])
    .map((label) => ({
      label,
      message:
        `${label} is "${file[label]}" in the compose file, but the container was made with ` +
        `"${container[label]}", which holds until it is made anew: docker compose up -d`,
      fatal: false,
    }));
}

/** Given labels that begin with "duckback.", returns what they mean. Raises nothing: see `problems`. */
export function parseLabels(labels: Record<string, string>): ServiceLabels {
  const parsed: ServiceLabels = { ...NO_LABELS, exclude: [], problems: [] };
  for (const [label, text] of Object.entries(labels)) {
    const key = KEYS.find((key) => label === PREFIX + key);
    const problem = key ? read(parsed, key, text.trim()) : unknown(label);
    if (problem) parsed.problems.push({ label, ...problem });
  }
  return parsed;
}

type Problem = Omit<LabelProblem, "label">;

function read(into: ServiceLabels, key: typeof KEYS[number], text: string): Problem | null {
  switch (key) {
    case "stop":
      return choose(
        key,
        text,
        { true: true, false: false, pause: "pause" },
        (stop) => into.stop = stop as ServiceLabels["stop"],
      );
    case "role":
      return choose(key, text, { data: "data", app: "app" }, (role) => into.role = role as Role);
    case "exclude":
      into.exclude = text.split(/[,\n]/).map((part) => part.trim()).filter((part) => part !== "");
      return into.exclude.length > 0 ? null : empty(key);
    case "pre":
    case "post":
      into[key] = text || null;
      return text ? null : empty(key);
    case "dump":
      return readDump(into, text);
    case "drill":
      into.drill = text.toLowerCase() === "false" ? false : text || null;
      // A backup does without it.
      return text ? null : { ...empty(key), fatal: false };
  }
}

function readDump(into: ServiceLabels, text: string): Problem | null {
  const file = /^sqlite:(.*)$/s.exec(text);
  if (file) {
    if (!file[1].startsWith("/")) {
      return fatal(
        `duckback.dump: "${text}" needs an absolute path in the container: sqlite:/PATH`,
      );
    }
    into.dump = { kind: "sqlite", path: file[1] };
    return null;
  }
  const known = Object.fromEntries(DUMP_KINDS.map((kind) => [kind, { kind, path: null }]));
  const words = { ...known, true: { kind: "guess", path: null }, false: false };
  return choose("dump", text, words, (dump) => into.dump = dump as ServiceLabels["dump"]);
}

/** Words are told apart whatever their case, as YAML and people write "True" as well. */
function choose(
  key: string,
  text: string,
  words: Record<string, unknown>,
  take: (value: unknown) => void,
): Problem | null {
  const word = Object.keys(words).find((word) => word === text.toLowerCase());
  if (word !== undefined) {
    take(words[word]);
    return null;
  }
  const [near] = nearest(text, Object.keys(words));
  const hint = near ? `; did you mean "${near}"?` : "";
  return fatal(
    `${PREFIX}${key} is "${text}", which is none of ${Object.keys(words).join(", ")}${hint}`,
  );
}

function empty(key: string): Problem {
  return fatal(`${PREFIX}${key} is empty: give it a value, or take the label out`);
}

function fatal(message: string): Problem {
  return { message, fatal: true };
}

function unknown(label: string): Problem {
  const known = KEYS.map((key) => PREFIX + key);
  const [near] = nearest(label, known);
  const hint = near ? `did you mean "${near}"?` : `there are ${known.join(", ")}`;
  return { message: `${label} is no label that duckback knows: ${hint}`, fatal: false };
}
