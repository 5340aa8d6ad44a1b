/** From the plain values of one compose file to a Layer. */
import type { Condition, Dependency } from "./engine.ts";
import type { Include, Layer, MountDef, ServiceLayer, VolumeLayer } from "./compose_model.ts";
import {
  absolute,
  asBool,
  asMap,
  asPairs,
  asText,
  child,
  entries,
  type Found,
  items,
  oneOrMore,
  textOf,
  wrong,
} from "./compose_read.ts";
import { readRun } from "./compose_run.ts";
import { isPlainMap, type PlainMap } from "./compose_yaml.ts";

/** Where relative paths begin, and what is told along the way. */
export interface LayerContext {
  file: string;
  base_dir: string;
  home: string | undefined;
  note: (text: string) => void;
  /** Read how services run, too. */
  runs: boolean;
}

const TOP_LEVEL = new Set(
  "version name include services networks volumes configs secrets models".split(" "),
);
const CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"];
const MOUNT_TYPES = ["bind", "volume", "tmpfs", "npipe", "cluster", "image"];

/** Raises COMPOSE_INVALID naming file, line and what is wrong. */
export function readLayer(values: PlainMap, context: LayerContext): Layer {
  const root: Found = { value: values, path: "", at: { file: context.file, line: 0, tag: null } };
  for (const [key, found] of entries(root)) {
    if (TOP_LEVEL.has(key) || key.startsWith("x-")) continue;
    context.note(`${context.file}, line ${found.at.line}: "${key}" is not known to compose`);
  }
  const file = (found: Found) => {
    const path = found.value === null ? undefined : textOf(asMap(found), "file");
    return { file: path === undefined ? null : absolute(path, context.base_dir, context.home) };
  };
  return {
    services: section(root, "services", (found) => readService(found, context)),
    volumes: section(root, "volumes", readVolume),
    configs: section(root, "configs", file),
    secrets: section(root, "secrets", file),
    include: items(child(root, "include")).map((found) => readInclude(found, context)),
  };
}

function section<T>(root: Found, key: string, read: (found: Found) => T): Record<string, T | null> {
  return Object.fromEntries(
    entries(child(root, key)).map((
      [name, found],
    ) => [name, found.at.tag === "reset" ? null : read(found)]),
  );
}

function readService(service: Found, context: LayerContext): ServiceLayer {
  asMap(service);
  const path = (text: string) => absolute(text, context.base_dir, context.home);
  const has = (key: string) => key in (service.value as PlainMap);
  const layer: ServiceLayer = { at: service.at, reset: [], override: [] };
  for (const key of ["image", "container_name", "restart"] as const) {
    const text = textOf(service, key);
    if (text !== undefined) layer[key] = text;
  }
  const base = child(service, "extends");
  if (base) layer.extends = readExtends(base, path);
  const check = child(service, "healthcheck");
  if (check) layer.has_healthcheck = readHealthcheck(asMap(check));
  if (has("profiles")) layer.profiles = items(child(service, "profiles")).map(asText);
  for (const key of ["configs", "secrets"] as const) {
    if (has(key)) layer[key] = items(child(service, key)).map(sourceKey);
  }
  if (has("env_file")) layer.env_files = readEnvFiles(child(service, "env_file"), path);
  if (has("labels")) layer.labels = asPairs(child(service, "labels"));
  if (has("depends_on")) layer.depends_on = readDependencies(child(service, "depends_on"));
  const implied = impliedServices(service);
  if (implied.length > 0) layer.implied = implied;
  if (has("volumes") || has("tmpfs")) {
    const mounts = [
      ...items(child(service, "volumes")).map((found) => readMount(found, path)),
      ...oneOrMore(child(service, "tmpfs")).map((found) => memoryMount(asText(found))),
    ];
    layer.mounts = Object.fromEntries(
      mounts.map((mount) => [mount.target.replace(/(.)\/+$/, "$1"), mount]),
    );
  }
  if (context.runs) layer.run = readRun(service);
  readTags(service, layer);
  return layer;
}

/** Names of a service's keys in the file and in the layer, where they differ. */
const FIELD: Record<string, keyof ServiceLayer> = {
  volumes: "mounts",
  env_file: "env_files",
  healthcheck: "has_healthcheck",
};

function readTags(service: Found, layer: ServiceLayer) {
  for (const [key, { at }] of entries(service)) {
    if (at.tag === null) continue;
    const field = FIELD[key] ?? key as keyof ServiceLayer;
    layer[at.tag].push(field);
    if (at.tag === "reset") delete (layer as unknown as Record<string, unknown>)[field];
  }
}

function readExtends(found: Found, path: (text: string) => string): ServiceLayer["extends"] {
  if (typeof found.value === "string") return { service: found.value, file: null, at: found.at };
  const service = textOf(asMap(found), "service") ?? wrong(found, "service is missing");
  const file = textOf(found, "file");
  return {
    service,
    file: file === undefined ? null : isRemote(file) ? file : path(file),
    at: found.at,
  };
}

function readHealthcheck(check: Found): boolean {
  const disable = child(check, "disable");
  if (disable && asBool(disable)) return false;
  const test = child(check, "test")?.value;
  return !(test === "NONE" || Array.isArray(test) && test[0] === "NONE");
}

/** An item of a service's `configs:` or `secrets:`. */
function sourceKey(found: Found): string {
  if (!isPlainMap(found.value)) return asText(found);
  return textOf(found, "source") ?? wrong(found, "source is missing");
}

function readEnvFiles(found: Found | undefined, path: (text: string) => string) {
  const files: NonNullable<ServiceLayer["env_files"]> = {};
  for (const item of oneOrMore(found)) {
    const isMap = isPlainMap(item.value);
    const text = isMap ? textOf(item, "path") ?? wrong(item, "path is missing") : asText(item);
    const required = isMap ? child(item, "required") : undefined;
    const full = path(text);
    files[full] = { path: full, required: required ? asBool(required) : true };
  }
  return files;
}

function readDependencies(found: Found | undefined): Record<string, Dependency> {
  const out: Record<string, Dependency> = {};
  if (found && Array.isArray(found.value)) {
    for (const item of items(found)) {
      const service = asText(item);
      out[service] = { service, condition: "service_started" };
    }
    return out;
  }
  for (const [service, value] of entries(found)) {
    if (value.at.tag === "reset") continue;
    const condition = value.value === null ? undefined : child(asMap(value), "condition");
    const text = condition ? asText(condition) : "service_started";
    if (!CONDITIONS.includes(text)) wrong(condition!, `must be one of ${CONDITIONS.join(", ")}`);
    out[service] = { service, condition: text as Condition };
  }
  return out;
}

/** Other keys that need another service to run first. */
function impliedServices(service: Found): string[] {
  const links = items(child(service, "links")).map((item) => asText(item).split(":")[0]);
  const from = items(child(service, "volumes_from")).map(asText)
    .filter((text) => !text.startsWith("container:")).map((text) => text.split(":")[0]);
  const shared = ["network_mode", "ipc", "pid"].map((key) => textOf(service, key) ?? "")
    .filter((text) => text.startsWith("service:")).map((text) => text.slice("service:".length));
  return [...new Set([...links, ...from, ...shared])];
}

function readMount(found: Found, path: (text: string) => string): MountDef {
  if (!isPlainMap(found.value)) return shortMount(found, path);
  const type = textOf(found, "type") ?? wrong(found, "type is missing (bind, volume or tmpfs)");
  if (!MOUNT_TYPES.includes(type)) {
    wrong(found, `type "${type}" is none of ${MOUNT_TYPES.join(", ")}`);
  }
  const source = textOf(found, "source") ?? textOf(found, "src");
  const target = textOf(found, "target") ?? textOf(found, "dst") ?? textOf(found, "destination");
  if (!target) return wrong(found, "target is missing");
  if (type === "bind" && !source) return wrong(found, "a bind mount needs a source");
  const read_only = child(found, "read_only");
  return {
    type: type as MountDef["type"],
    source: !source ? null : type === "bind" ? path(source) : source,
    target,
    read_only: read_only ? asBool(read_only) : false,
  };
}

/** "TARGET", "SOURCE:TARGET" or "SOURCE:TARGET:MODE"; a source that looks like a path is a bind mount. */
function shortMount(found: Found, path: (text: string) => string): MountDef {
  const text = asText(found);
  const parts = text.split(":");
  if (parts.some((part) => part === "")) wrong(found, `"${text}" has an empty part`);
  if (parts.length > 3) wrong(found, `"${text}" has too many colons`);
  if (parts.length === 1) return { type: "volume", source: null, target: text, read_only: false };
  const [source, target, mode = ""] = parts;
  if (!target.startsWith("/")) wrong(found, `"${target}" is no absolute path in the container`);
  const read_only = mode.split(",").includes("ro");
  if (/^[./~]/.test(source)) return { type: "bind", source: path(source), target, read_only };
  return { type: "volume", source, target, read_only };
}

/** "/run" or "/run:size=64m" */
function memoryMount(text: string): MountDef {
  return { type: "tmpfs", source: null, target: text.split(":")[0], read_only: false };
}

function readVolume(found: Found): VolumeLayer {
  const layer: VolumeLayer = { at: found.at };
  if (found.value === null) return layer;
  asMap(found);
  const external = child(found, "external");
  const name = textOf(found, "name") ??
    (external && isPlainMap(external.value) ? textOf(external, "name") : undefined);
  if (name !== undefined) layer.name = name;
  if (external) layer.external = isPlainMap(external.value) || asBool(external);
  const driver = textOf(found, "driver");
  if (driver !== undefined) layer.driver = driver;
  const options = child(found, "driver_opts");
  if (options) layer.driver_opts = asPairs(options);
  return layer;
}

function readInclude(found: Found, context: LayerContext): Include {
  const path = (text: string) =>
    isRemote(text) ? text : absolute(text, context.base_dir, context.home);
  if (!isPlainMap(found.value)) {
    return { paths: [path(asText(found))], project_directory: null, env_files: [], at: found.at };
  }
  const paths = oneOrMore(child(found, "path")).map((item) => path(asText(item)));
  if (paths.length === 0) wrong(found, "path is missing");
  const directory = textOf(found, "project_directory");
  return {
    paths,
    project_directory: directory === undefined ? null : path(directory),
    env_files: oneOrMore(child(found, "env_file")).map((item) => path(asText(item))),
    at: found.at,
  };
}

/** Compose can fetch files from git, OCI registries and the web; duckback cannot. */
export function isRemote(path: string): boolean {
  return /^(oci|https?|git|ssh):\/\//.test(path) || /^git@/.test(path) || /\.git(#|$)/.test(path);
}
