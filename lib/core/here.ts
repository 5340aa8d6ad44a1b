/** Where this program's own files are. */

/**
 * What relative URLs of a module are relative to: given its `import.meta.url`, that; in the compiled binary,
 * whose program is no module, the place that scripts/compile/program.ts names.
 */
export function here(url: string): string {
  return (globalThis as { duckbackHere?: string }).duckbackHere ?? url;
}
