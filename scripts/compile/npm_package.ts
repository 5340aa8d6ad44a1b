/** Files out of npm packages, through Deno's own npm client and the registry configured for it. */
import { deno, scratchDirectory } from "./project.ts";
import type { PinnedPackage } from "./targets.ts";

/**
 * The directory of a package in Deno's cache, downloaded if need be, for whatever platform it is
 * meant. The tarball's sha512 is checked on download; throws where it is another one.
 */
export async function packageDirectory(pinned: PinnedPackage): Promise<string> {
  const { name, version, integrity } = pinned;
  const cached = await findPackage(name, version);
  if (cached) return cached;
  try {
    await using scratch = await scratchDirectory();
    // A lock file is how Deno is told which checksum to insist on.
    const lock = {
      version: "5",
      specifiers: { [`npm:${name}@${version}`]: version },
      npm: { [`${name}@${version}`]: { integrity } },
    };
    await Deno.writeTextFile(`${scratch.path}/deno.json`, "{}");
    await Deno.writeTextFile(`${scratch.path}/package.lock`, JSON.stringify(lock));
    await deno(["cache", "--frozen", "--lock=package.lock", `npm:${name}@${version}`], {
      cwd: scratch.path,
    });
  } catch (cause) {
    throw new Error(`Cannot get npm package "${name}@${version}"`, { cause });
  }
  const found = await findPackage(name, version);
  if (!found) throw new Error(`Cannot find npm package "${name}@${version}" in Deno's cache`);
  return found;
}

/** Directories of one version of a package; there may be copies (`1.2.3_1`). */
export async function packageDirectories(name: string, version: string): Promise<string[]> {
  const { npmCache } = JSON.parse(await deno(["info", "--json"]));
  const found: string[] = [];
  // One directory for each registry; which one is configured does not matter here.
  for await (const registry of entries(npmCache)) {
    const directory = `${npmCache}/${registry.name}/${name}`;
    for await (const { name: copy } of entries(directory)) {
      if (copy.replace(/_\d+$/, "") === version) found.push(`${directory}/${copy}`);
    }
  }
  return found;
}

async function findPackage(name: string, version: string): Promise<string | undefined> {
  return (await packageDirectories(name, version))[0];
}

async function* entries(directory: string): AsyncGenerator<Deno.DirEntry> {
  try {
    yield* Deno.readDir(directory);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
      throw error;
    }
  }
}
