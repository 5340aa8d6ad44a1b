/** The native libraries of a binary: DuckDB's, of the version that deno.lock pins, and those of Debian. */
import { debianLibrary, LIBDEFLATE, LIBZSTD } from "./debian_library.ts";
import { loadedPart } from "./elf.ts";
import { packageDirectory } from "./npm_package.ts";
import { PROJECT } from "./project.ts";
import type { NativeLibrary, Target } from "./targets.ts";

/** The libraries that the binary carries, glibc's only. */
export async function nativeLibraries(target: Target): Promise<NativeLibrary[]> {
  const { npm } = JSON.parse(await Deno.readTextFile(`${PROJECT}/deno.lock`));
  const glibc = `@duckdb/node-bindings-linux-${target.cpu}`;
  const key = Object.keys(npm).find((key) => key.startsWith(`${glibc}@`));
  if (!key) throw new Error(`Cannot find "${glibc}" in deno.lock`);
  const version = key.slice(glibc.length + 1);
  const { integrity } = npm[key];
  const directory = await packageDirectory({ name: glibc, version, integrity });
  const duckdb = await Promise.all(
    ["libduckdb.so", "duckdb.node"].map(async (name) => ({
      name,
      bytes: loadedPart(await Deno.readFile(`${directory}/${name}`)),
    })),
  );
  const debian = await Promise.all(
    [LIBDEFLATE, LIBZSTD].map((library) => debianLibrary(library, target)),
  );
  return [...duckdb, ...debian.filter((library) => library !== null)];
}
