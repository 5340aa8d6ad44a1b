/** Which compose files a directory has, and the environment their variables are taken from. */
import { basename, dirname, join, resolve } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import { composeInvalid } from "./compose_yaml.ts";
import { DotenvError, parseDotenv } from "./dotenv.ts";
import type { Env } from "./engine.ts";

/** In the order of preference of compose v2. */
const NAMES = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES = [
  "compose.override.yml",
  "compose.override.yaml",
  "docker-compose.override.yml",
  "docker-compose.override.yaml",
];

export interface ComposeFiles {
  /** Absolute, in the order in which they are merged. */
  files: string[];
  /** Relative paths in them begin here: the first file's directory. */
  project_dir: string;
  /** `default`: found by name; `given`: by the caller or COMPOSE_FILE. */
  chosen: "default" | "given";
  /** The .env files that were read. */
  env_files: string[];
  env: Record<string, string>;
  notes: string[];
}

export interface ComposeFilesOptions {
  workDir: string;
  files?: string[];
  /** As `--env-file`: read instead of .env. */
  envFiles?: string[];
  env: Env;
}

/**
 * Null where there is no compose file. Raises COMPOSE_MISSING for one that was named and is not there,
 * COMPOSE_INVALID for a .env file that cannot be read.
 */
export function findComposeFiles(options: ComposeFilesOptions): ComposeFiles | null {
  const { workDir } = options;
  const environment = new Environment(options.env, workDir);
  const named = options.envFiles ?? list(options.env.COMPOSE_ENV_FILES, ",");
  const explicit = named?.map((path) => resolve(workDir, path));
  const disabled = /^(1|t|true)$/i.test(options.env.COMPOSE_DISABLE_ENV_FILE ?? "");
  if (explicit) environment.addAll(explicit);
  else if (!disabled) environment.addDefault(workDir);

  const notes: string[] = [];
  const separator = environment.values.COMPOSE_PATH_SEPARATOR || ":";
  const given = options.files ?? list(environment.values.COMPOSE_FILE, separator);
  const files = given ? given.map((file) => resolve(workDir, file)) : defaultFiles(workDir, notes);
  if (files.length === 0) return null;
  for (const file of given ? files : []) requireFile(file, options.files ? "" : " (COMPOSE_FILE)");
  const project_dir = dirname(files[0]);
  if (!explicit && !disabled && project_dir !== workDir) environment.addDefault(project_dir);
  return {
    files,
    project_dir,
    chosen: given ? "given" : "default",
    env_files: environment.files,
    env: environment.values,
    notes,
  };
}

/** Variables of the process, then of .env files: whoever comes first wins. */
export class Environment {
  readonly files: string[] = [];
  readonly values: Record<string, string> = Object.create(null);

  constructor(env: Env, workDir: string | null) {
    for (const [name, value] of Object.entries(env)) {
      if (value !== undefined) this.values[name] = value;
    }
    // `${PWD}` is where compose would run.
    if (workDir !== null) this.values.PWD = workDir;
  }

  /** Among the files the later one wins; they must exist. */
  addAll(paths: string[]) {
    const merged = new Map<string, string>();
    for (const path of paths) {
      requireFile(path, " (env file)");
      for (const [name, value] of this.#read(path, merged)) merged.set(name, value);
    }
    this.#merge(merged);
  }

  addDefault(dir: string) {
    const path = join(dir, ".env");
    if (isFile(path)) this.#merge(this.#read(path, new Map()));
  }

  #read(path: string, before: Map<string, string>): Map<string, string> {
    this.files.push(path);
    try {
      const text = Deno.readTextFileSync(path);
      return parseDotenv(text, (name) => this.values[name] ?? before.get(name));
    } catch (cause) {
      const line = cause instanceof DotenvError ? cause.line : 0;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw composeInvalid({ file: path, line, tag: null }, message, cause);
    }
  }

  #merge(found: Map<string, string>) {
    for (const [name, value] of found) this.values[name] ??= value;
  }
}

function list(text: string | undefined, separator: string): string[] | undefined {
  const parts = (text ?? "").split(separator).filter((part) => part !== "");
  return parts.length > 0 ? parts : undefined;
}

function defaultFiles(dir: string, notes: string[]): string[] {
  const pick = (names: string[]) => {
    const found = names.filter((name) => isFile(join(dir, name)));
    if (found.length > 1) {
      notes.push(`${found.join(" and ")} are both in ${dir}: ${found[0]} is used, as compose does`);
    }
    return found.slice(0, 1).map((name) => join(dir, name));
  };
  const main = pick(NAMES);
  return main.length > 0 ? [...main, ...pick(OVERRIDES)] : [];
}

function requireFile(path: string, origin: string) {
  if (isFile(path)) return;
  throw new DuckbackError(
    "COMPOSE_MISSING",
    `Cannot read "${path}"${origin}: there is no such file`,
    { hint: `See what lies there: ls ${dirname(path)}`, details: { file: basename(path) } },
  );
}

export function isFile(path: string): boolean {
  try {
    return !Deno.statSync(path).isDirectory;
  } catch (cause) {
    // Not to be looked at is not the same as not there: reading it will say so.
    return !(cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory);
  }
}
