/** Names for the files of packages that are the same in Deno's cache and in a binary. */

/** What packages.ts makes, as it is called among what a binary carries. */
export const PACKAGES = "packages.js";

/** Offset and length of each package's script. */
export type PackagesIndex = Record<string, [number, number]>;

/** "yaml/2.9.1/dist/index.js" for that file in Deno's cache or in a binary; null for any other. */
export function packageKey(path: string): string | null {
  return /\/(?:npm|\.deno_compile_node_modules)\/[^/]+\/(.+)$/.exec(path)?.[1] ?? null;
}

/** "yaml/2.9.1" for the key of one of its files. */
export function packageOf(key: string): string {
  return /^(?:@[^/]+\/)?[^/]+\/[^/]+/.exec(key)![0];
}
