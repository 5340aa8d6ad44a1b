/**
 * How a compose file has a service run: what a container is made of besides image and mounts. Read only
 * where containers are made (a drill); values may be secrets and go nowhere else.
 */
import {
  asMap,
  asPairs,
  asText,
  child,
  entries,
  type Found,
  items,
  oneOrMore,
  textOf,
} from "./compose_read.ts";
import { isPlainMap, type PlainMap } from "./compose_yaml.ts";
import { shellWords } from "./shell_words.ts";

/** A command, as a map so that an override replaces it whole. */
export interface Words {
  argv: string[];
}

/** Keys with one value, as text. */
const TEXTS = [
  "user",
  "working_dir",
  "hostname",
  "domainname",
  "stop_signal",
  "stop_grace_period",
  "network_mode",
  "pid",
  "ipc",
  "uts",
  "userns_mode",
  "runtime",
  "init",
  "tty",
  "stdin_open",
  "read_only",
  "privileged",
  "shm_size",
  "mem_limit",
] as const;
/** Keys whose lists are joined when files are merged. */
const LISTS = [
  "cap_add",
  "cap_drop",
  "group_add",
  "security_opt",
  "volumes_from",
  "devices",
  "extra_hosts",
] as const;

/** One service as one file has it, and as they are merged: see ServiceLayer for `reset`, `override`. */
export type RunLayer =
  & { reset: string[]; override: string[] }
  & Partial<Record<typeof TEXTS[number], string>>
  & Partial<Record<typeof LISTS[number], string[]>>
  & {
    command?: Words;
    entrypoint?: Words;
    /** Null: the value is the environment's. */
    environment?: Record<string, string | null>;
    /** Durations as written: "1m30s". */
    healthcheck?: Record<string, string | Words>;
    sysctls?: Record<string, string>;
    ulimits?: Record<string, { soft: number; hard: number }>;
    /** Names by network. */
    networks?: Record<string, { aliases: string[] }>;
    /** Where a secret or config goes: its key, then its place in the container. */
    secret_targets?: Record<string, string>;
    config_targets?: Record<string, string>;
  };

/** A service's `run` of all files merged. */
export type RunDef = Omit<RunLayer, "reset" | "override" | "environment"> & {
  environment: Record<string, string>;
};

/** Raises COMPOSE_INVALID naming file, line and what is wrong. */
export function readRun(service: Found): RunLayer {
  const layer: RunLayer = { reset: [], override: [] };
  for (const key of TEXTS) {
    const text = textOf(service, key);
    if (text !== undefined) layer[key] = text;
  }
  for (const key of LISTS) {
    const found = child(service, key);
    if (found) layer[key] = key === "extra_hosts" ? hosts(found) : oneOrMore(found).map(listItem);
  }
  for (const key of ["command", "entrypoint"] as const) {
    const found = child(service, key);
    if (found) layer[key] = words(found);
  }
  const environment = child(service, "environment");
  if (environment) layer.environment = readEnvironment(environment);
  const check = child(service, "healthcheck");
  if (check) layer.healthcheck = readCheck(asMap(check));
  const sysctls = child(service, "sysctls");
  if (sysctls) layer.sysctls = asPairs(sysctls);
  const limits = child(service, "ulimits");
  if (limits) layer.ulimits = Object.fromEntries(entries(limits).map(readLimit));
  const networks = child(service, "networks");
  if (networks) layer.networks = readNetworks(networks);
  for (const [key, field] of TARGETS) {
    const found = child(service, key);
    if (found) layer[field] = readTargets(found);
  }
  readTags(service, layer);
  return layer;
}

const TARGETS = [["secrets", "secret_targets"], ["configs", "config_targets"]] as const;

function words(found: Found): Words {
  if (Array.isArray(found.value)) return { argv: items(found).map(asText) };
  return { argv: shellWords(asText(found)) };
}

/** A device's or volume's long form is not looked into: it is enough that there is one. */
function listItem(found: Found): string {
  return isPlainMap(found.value) ? JSON.stringify(found.value) : asText(found);
}

function hosts(found: Found): string[] {
  if (Array.isArray(found.value)) {
    return items(found).map((item) => asText(item).replace("=", ":"));
  }
  return entries(found).flatMap(([name, value]) =>
    oneOrMore(value).map((ip) => `${name}:${asText(ip)}`)
  );
}

function readEnvironment(found: Found): Record<string, string | null> {
  if (Array.isArray(found.value)) {
    return Object.fromEntries(
      items(found).map((item) => {
        const text = asText(item);
        const sign = text.indexOf("=");
        return sign < 0 ? [text, null] : [text.slice(0, sign), text.slice(sign + 1)];
      }),
    );
  }
  return Object.fromEntries(
    entries(found).map(([key, value]) => [key, value.value === null ? null : asText(value)]),
  );
}

function readCheck(found: Found): Record<string, string | Words> {
  const check: Record<string, string | Words> = {};
  for (const [key, value] of entries(found)) {
    if (value.value === null) continue;
    if (key !== "test") check[key] = asText(value);
    else if (Array.isArray(value.value)) check.test = words(value);
    else check.test = { argv: ["CMD-SHELL", asText(value)] };
  }
  return check;
}

function readLimit([name, found]: [string, Found]): [string, { soft: number; hard: number }] {
  if (!isPlainMap(found.value)) {
    const both = Number(asText(found));
    return [name, { soft: both, hard: both }];
  }
  const [soft, hard] = ["soft", "hard"].map((key) => Number(textOf(found, key)));
  return [name, { soft: Number.isNaN(soft) ? hard : soft, hard: Number.isNaN(hard) ? soft : hard }];
}

function readNetworks(found: Found): Record<string, { aliases: string[] }> {
  if (Array.isArray(found.value)) {
    return Object.fromEntries(items(found).map((item) => [asText(item), { aliases: [] }]));
  }
  return Object.fromEntries(
    entries(found).map(([name, value]) => {
      const aliases = value.value === null ? undefined : child(asMap(value), "aliases");
      return [name, { aliases: items(aliases).map(asText) }];
    }),
  );
}

function readTargets(found: Found): Record<string, string> {
  return Object.fromEntries(
    items(found).flatMap((item) => {
      if (!isPlainMap(item.value)) return [];
      const target = textOf(item, "target");
      const source = textOf(item, "source");
      return source !== undefined && target !== undefined ? [[source, target]] : [];
    }),
  );
}

function readTags(service: Found, layer: RunLayer) {
  const fields = new Map<string, string>(TARGETS);
  for (const [key, { at }] of entries(service)) {
    if (at.tag === null) continue;
    const field = fields.get(key) ?? key;
    layer[at.tag].push(field);
    if (at.tag === "reset") delete (layer as unknown as PlainMap)[field];
  }
}
