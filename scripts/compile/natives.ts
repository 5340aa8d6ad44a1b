/** The native libraries of a binary: DuckDB's, of the version that deno.lock pins, and those of Debian. */
import { debianLibrary, LIBDEFLATE, LIBZSTD } from "./debian_library.ts";
import { packageDirectory } from "./npm_package.ts";
import { PROJECT } from "./project.ts";
import type { NativeLibrary, Target } from "./targets.ts";

/** The libraries that the binary carries, glibc's only. */
export async function nativeLibraries(target: Target): Promise<NativeLibrary[]> {
  const { npm } = JSON.parse(await Deno.readTextFile(`${PROJECT}/deno.lock`));
  const glibc = `@duckdb/node-bindings-linux-${target.cpu}`;
  let directory: string | undefined;
  // musl's too: `deno compile` would get it later on and take it in, unless it is there to be left out.
  for (const name of [glibc, `${glibc}-musl`]) {
    const key = Object.keys(npm).find((key) => key.startsWith(`${name}@`));
    if (!key) continue;
    const version = key.slice(name.length + 1);
    const found = await packageDirectory({ name, version, integrity: npm[key].integrity });
    directory ??= found;
  }
  if (!directory) throw new Error(`Cannot find "${glibc}" in deno.lock`);
  const duckdb = await Promise.all(
    ["libduckdb.so", "duckdb.node"].map(async (name) => ({
      name,
      bytes: await Deno.readFile(`${directory}/${name}`),
    })),
  );
  const debian = await Promise.all(
    [LIBDEFLATE, LIBZSTD].map((library) => debianLibrary(library, target)),
  );
  return [...duckdb, ...debian.filter((library) => library !== null)];
}
