/** Reads compose files into one merged layer: interpolation, extends, include, overrides. */
import { dirname, join } from "node:path";
import { Environment, isFile } from "./compose_files.ts";
import { isRemote, readLayer } from "./compose_layer.ts";
import {
  EMPTY_LAYER,
  type Include,
  type Layer,
  mergeLayers,
  mergeServices,
  type ServiceLayer,
} from "./compose_model.ts";
import { composeInvalid, type Mark, parseYaml, type YamlDocument } from "./compose_yaml.ts";
import { interpolate, InterpolationError } from "./interpolate.ts";

/** Where a set of files is read: their variables, and where their relative paths begin. */
interface Scope {
  env: Record<string, string>;
  base_dir: string;
}

export class ComposeLoader {
  /** Every file read, in order, each once. */
  readonly files: string[] = [];
  /** .env files that includes brought along. */
  readonly env_files: string[] = [];
  readonly notes = new Set<string>();
  readonly contents = new Map<string, Uint8Array>();

  /** `runs`: read how services run, too. */
  constructor(readonly runs = false) {}

  /** The documents of a file; parsed anew each time, read once. */
  documents(file: string): YamlDocument[] {
    let bytes = this.contents.get(file);
    if (!bytes) {
      try {
        bytes = Deno.readFileSync(file);
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause);
        throw composeInvalid({ file, line: 0, tag: null }, message, cause);
      }
      this.contents.set(file, bytes);
      this.files.push(file);
    }
    return parseYaml(new TextDecoder().decode(bytes), file);
  }

  /** `name:` of the files, interpolated; of several the last counts. */
  projectName(files: string[], env: Record<string, string>): string | null {
    let name: string | null = null;
    for (const document of files.flatMap((file) => this.documents(file))) {
      const found = document.scalar("name");
      if (found) name = this.#text(found.text, found.mark, env) || name;
    }
    return name;
  }

  /** Raises COMPOSE_INVALID. */
  load(files: string[], scope: Scope, including: string[] = []): Layer {
    let model = EMPTY_LAYER;
    for (const file of files) {
      for (const document of this.documents(file)) {
        const layer = this.#read(document, scope);
        const included = layer.include.reduce(
          (all, include) =>
            mergeLayers(all, this.#include(include, scope, [...including, ...files])),
          EMPTY_LAYER,
        );
        const known = mergeLayers(model, included);
        const services = Object.fromEntries(
          Object.keys(layer.services).map((name) => [
            name,
            this.#extended(name, layer, known, scope, []),
          ]),
        );
        model = mergeLayers(known, { ...layer, services });
      }
    }
    return model;
  }

  #read(document: YamlDocument, scope: Scope): Layer {
    const values = document.toPlain((text, mark) => this.#text(text, mark, scope.env));
    return readLayer(values, {
      file: document.file,
      base_dir: scope.base_dir,
      home: scope.env.HOME,
      note: (text) => this.notes.add(text),
      runs: this.runs,
    });
  }

  #text(text: string, mark: Mark, env: Record<string, string>): string {
    if (!text.includes("$")) return text;
    try {
      return interpolate(text, (name) => env[name], (name) => {
        this.notes.add(
          `Variable ${name} is not set and taken as empty (${mark.file}, line ${mark.line})`,
        );
      });
    } catch (error) {
      if (error instanceof InterpolationError) throw composeInvalid(mark, error.message, error);
      throw error;
    }
  }

  /** The service with what it extends; `chain` names "file service" pairs on the way to it. */
  #extended(
    name: string,
    layer: Layer,
    known: Layer,
    scope: Scope,
    chain: string[],
  ): ServiceLayer | null {
    const service = layer.services[name];
    if (!service?.extends) return service;
    const { service: wanted, file, at } = service.extends;
    const step = `${at.file} ${name}`;
    if (chain.includes(step)) throw composeInvalid(at, `services.${name}: extends itself`);
    const rest = { ...service };
    delete rest.extends;
    if (file !== null && isRemote(file)) {
      this.notes.add(
        `${at.file}, line ${at.line}: ${file} is not on this machine and was not read`,
      );
      return rest;
    }
    let base: ServiceLayer | null | undefined;
    if (file === null || file === at.file) {
      base = wanted in layer.services
        ? this.#extended(wanted, layer, known, scope, [...chain, step])
        : known.services[wanted];
    } else {
      if (!isFile(file)) {
        throw composeInvalid(at, `services.${name}.extends: ${file} does not exist`);
      }
      const inner = { ...scope, base_dir: dirname(file) };
      const other = this.documents(file).map((document) => this.#read(document, inner))
        .reduce(mergeLayers, EMPTY_LAYER);
      base = wanted in other.services
        ? this.#extended(wanted, other, EMPTY_LAYER, inner, [...chain, step])
        : undefined;
    }
    if (!base) {
      throw composeInvalid(
        at,
        `services.${name}.extends: there is no service "${wanted}" in ${file ?? at.file}`,
      );
    }
    return mergeServices(base, rest);
  }

  #include(include: Include, scope: Scope, including: string[]): Layer {
    const { paths, at } = include;
    const remote = paths.find(isRemote);
    if (remote) {
      this.notes.add(
        `${at.file}, line ${at.line}: ${remote} is not on this machine and was not read`,
      );
      return EMPTY_LAYER;
    }
    for (const path of paths) {
      if (including.includes(path)) throw composeInvalid(at, `include: ${path} includes itself`);
      if (!isFile(path)) throw composeInvalid(at, `include: ${path} does not exist`);
    }
    const base_dir = include.project_directory ?? dirname(paths[0]);
    const environment = new Environment(scope.env, null);
    if (include.env_files.length > 0) environment.addAll(include.env_files);
    else if (join(base_dir, ".env") !== join(scope.base_dir, ".env")) {
      environment.addDefault(base_dir);
    }
    this.env_files.push(...environment.files);
    return this.load(paths, { env: environment.values, base_dir }, including);
  }
}
