/**
 * Fails where a module of lib/ imports what it must not: `scripts/deno run -A scripts/check_imports.ts`.
 *
 *   core <- posix, config, docker, archive, repository, catalog, retention, notify
 *        <- operations <- schedule, web <- cli <- main.ts
 *
 * A module may import what lies below it, never a sibling. Each third-party library has one importing
 * file in lib/, so that an upgrade touches one file.
 */

/** From the bottom up; modules in one row are siblings. */
const LAYERS = [
  ["core"],
  ["posix", "config", "docker", "archive", "repository", "catalog", "retention", "notify"],
  ["operations"],
  ["schedule", "web"],
  ["cli"],
];
/** Siblings that may be imported all the same: libc is below whoever works on files. */
const GRANTED: Record<string, string[]> = { archive: ["posix"], repository: ["posix"] };

interface Import {
  line: number;
  specifier: string;
}

/** Given the project's root, returns one readable line for each import that is not allowed. */
export async function checkImports(root: string): Promise<string[]> {
  const problems: string[] = [];
  const importers = new Map<string, Set<string>>();
  for (const path of [...await sources(root, "lib"), ...await sources(root, "main.ts")]) {
    const module = moduleOf(path);
    if (path !== "main.ts" && layerOf(module) < 0) {
      problems.push(
        `${path}: "${module}" is no module of the design (see scripts/check_imports.ts)`,
      );
      continue;
    }
    for (const { line, specifier } of importsOf(await Deno.readTextFile(`${root}/${path}`))) {
      const problem = specifier.startsWith(".")
        ? objection(path, module, resolve(path, specifier))
        : /^(npm|jsr|https?):/.test(specifier)
        ? `name "${specifier}" in deno.json and import it by that name`
        : null;
      if (problem) problems.push(`${path}:${line} ${problem}`);
      const library = specifier.startsWith(".") ? null : libraryOf(specifier);
      if (library) importers.set(library, (importers.get(library) ?? new Set()).add(path));
    }
  }
  for (const [library, paths] of importers) {
    if (paths.size > 1) {
      problems.push(
        `${library} has ${paths.size} importing files: ${[...paths].sort().join(", ")}`,
      );
    }
  }
  return problems.sort();
}

/** Why a file of `module` must not import the file `target`, or null where it may. */
function objection(path: string, module: string, target: string): string | null {
  if (!target.startsWith("lib/")) {
    return `imports ${target}: nothing outside lib/ belongs into the program`;
  }
  if (path === "main.ts") return null;
  const wanted = moduleOf(target);
  if (wanted === module || GRANTED[module]?.includes(wanted)) return null;
  const [here, there] = [layerOf(module), layerOf(wanted)];
  if (there < 0) return `imports ${target}: "${wanted}" is no module of the design`;
  if (there < here) return null;
  const relation = there === here ? "siblings never import each other" : "it lies above";
  return `imports ${target}: ${module} must not import ${wanted} (${relation})`;
}

function layerOf(module: string): number {
  return LAYERS.findIndex((layer) => layer.includes(module));
}

/** "lib/docker/engine.ts" -> "docker"; a file directly in lib/ has its own name. */
function moduleOf(path: string): string {
  return path === "main.ts" ? path : path.split("/")[1];
}

/** The package a bare specifier names, or null for what the runtime brings along. */
function libraryOf(specifier: string): string | null {
  if (/^[a-z]+:/.test(specifier)) return null;
  const name = specifier.replace(/^@types\//, "").split("/");
  return name[0].startsWith("@") ? `${name[0]}/${name[1]}` : name[0];
}

/** Static and dynamic imports and re-exports with a literal specifier, types included. */
export function importsOf(source: string): Import[] {
  // Comments are blanked, not removed: offsets keep telling the line.
  const code = source.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, (text) => text.replace(/[^\n]/g, " "));
  const pattern =
    /^\s*(?:import|export)\b[^"'`;()]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["'`]([^"'`]+)["'`]/gm;
  return [...code.matchAll(pattern)].map((match) => {
    const specifier = match[1] ?? match[2] ?? match[3];
    const at = match.index + match[0].lastIndexOf(specifier);
    return { line: code.slice(0, at).split("\n").length, specifier };
  });
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Source files of a directory, or the file itself, as paths relative to `root`. */
async function sources(root: string, path: string): Promise<string[]> {
  try {
    if ((await Deno.stat(`${root}/${path}`)).isFile) return /\.[cm]?tsx?$/.test(path) ? [path] : [];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const found: string[] = [];
  for await (const entry of Deno.readDir(`${root}/${path}`)) {
    found.push(...await sources(root, `${path}/${entry.name}`));
  }
  return found.sort();
}

if (import.meta.main) {
  const problems = await checkImports(new URL("..", import.meta.url).pathname.replace(/\/$/, ""));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) {
    console.error(`imports: ${problems.length} not allowed`);
    Deno.exit(1);
  }
}
