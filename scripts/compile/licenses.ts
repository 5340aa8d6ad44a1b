/** The licences of what a binary is made of: most of them must come with each copy. */
import { packageDirectories } from "./npm_package.ts";
import { deno, PROJECT } from "./project.ts";
import { isUnused } from "./unused.ts";

const LICENSE = /^(licen[cs]e|notice|copying)/i;

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

/** Those of the libraries that are carried, then those of the packages that `modules` reach. */
export async function licenses(modules: string[]): Promise<string> {
  const texts = [await Deno.readTextFile(`${PROJECT}/scripts/compile/licenses.txt`)];
  const told = new Set<string>();
  for (const module of modules) {
    const graph: ModuleGraph = JSON.parse(await deno(["info", "--json", module]));
    for (const key of [...reachedPackages(graph)].sort()) {
      const { name, version } = graph.npmPackages[key];
      if (told.has(`${name} ${version}`)) continue;
      told.add(`${name} ${version}`);
      const [directory] = await packageDirectories(name, version);
      for (const text of directory === undefined ? [] : await licensesIn(directory)) {
        texts.push(`duckback's executable contains ${name} ${version}\n\n${text.trim()}\n`);
      }
    }
  }
  return texts.join(`\n${"-".repeat(72)}\n\n`);
}

async function licensesIn(directory: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const { name, isFile } of Deno.readDir(directory)) {
    if (isFile && LICENSE.test(name)) texts.push(await Deno.readTextFile(`${directory}/${name}`));
  }
  return texts;
}
