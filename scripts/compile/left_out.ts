/** What of the npm packages stays out of the binary: types, tests, documentation, native sources. */
import { packageDirectories } from "./npm_package.ts";
import { deno } from "./project.ts";
import { isUnused } from "./unused.ts";

/** Packages of which nothing is needed at run time; DuckDB's libraries lie elsewhere in the binary. */
const PACKAGES = /^(@types\/.*|undici-types|@duckdb\/node-bindings(-.*)?|detect-libc|nan)$/;
/** At the top of a package only: deeper down a library may call its own code so (yaml has doc/). */
const DIRECTORIES = /^(tests?|__tests__|examples?)\//;
/** Code, data that code reads, source maps (else Deno looks for them on disk), licences. */
const KEPT = /(\.([cm]?js|json|wasm|proto|map)|(^|\/)(licen[cs]e|notice|copying)[^/]*)$/i;

/** True where a file of a package belongs into the binary; `path` is relative to the package. */
export function isKept(packageName: string, path: string): boolean {
  return !PACKAGES.test(packageName) && !DIRECTORIES.test(path) && KEPT.test(path) &&
    !/\.d\.[cm]?ts\.map$/.test(path);
}

/** True where a file belongs into the binary; `path` is where it lies in the binary. */
export function belongs(path: string): boolean {
  const inPackage = path.match(
    /^\.deno_compile_node_modules\/[^/]+\/((?:@[^/]+\/)?[^/]+)\/[^/]+\/(.+)$/,
  );
  if (inPackage) return isKept(inPackage[1], inPackage[2]);
  return !/^tests\/|_test\.ts$|\.d\.ts$/.test(path);
}

/** What `deno info --json` says of a module graph, as far as it is used here. */
export interface ModuleGraph {
  modules: { npmPackage?: string }[];
  /** Every package that deno.json and its dependencies name, reached or not. */
  npmPackages: Record<string, { name: string; version: string; dependencies: string[] }>;
}

/** Keys of the packages that a graph's modules import, with all dependencies that are used. */
export function reachedPackages({ modules, npmPackages }: ModuleGraph): Set<string> {
  const reached = new Set<string>();
  const open = modules.flatMap(({ npmPackage }) => npmPackage ?? []);
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (reached.has(key) || !(key in npmPackages) || isUnused(npmPackages[key].name)) continue;
    reached.add(key);
    open.push(...npmPackages[key].dependencies);
  }
  return reached;
}

/** Absolute paths of the files to leave out of a binary of `modules`. */
export async function leftOut(modules: string[]): Promise<string[]> {
  const packages: ModuleGraph["npmPackages"] = {};
  const reached = new Set<string>();
  for (const module of modules) {
    const graph: ModuleGraph = JSON.parse(await deno(["info", "--json", module]));
    Object.assign(packages, graph.npmPackages);
    for (const key of reachedPackages(graph)) reached.add(directoryKey(packages[key]));
  }
  const files = new Set<string>();
  for (const found of Object.values(packages)) {
    const needed = reached.has(directoryKey(found));
    for (const directory of await packageDirectories(found.name, found.version)) {
      for await (const path of walk(directory)) {
        if (!needed || !isKept(found.name, path)) files.add(`${directory}/${path}`);
      }
    }
  }
  return [...files];
}

/** Keys of one package differ by its peers, its directory does not. */
function directoryKey({ name, version }: { name: string; version: string }): string {
  return `${name}@${version}`;
}

async function* walk(directory: string, prefix = ""): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(`${directory}/${prefix}`)) {
    if (entry.isDirectory) yield* walk(directory, `${prefix}${entry.name}/`);
    else yield prefix + entry.name;
  }
}
