/**
 * Libraries that the executable carries, through Deno.dlopen; from source, the host's. Whoever starts a
 * worker that needs one must have imported its module first, since in the compiled binary only the main
 * thread can load it (scripts/compile/preload.ts): workers then find it by its name.
 */

let used = true;

/** For tests: false makes this thread do without the libraries. */
export function useLibraries(use: boolean): void {
  used = use;
}

/** Gives a library's symbols, loaded now; null where there is no such library, or none is to be used. */
export function carriedLibrary<S extends Deno.ForeignLibraryInterface>(
  name: string,
  symbols: S,
): () => Deno.DynamicLibrary<S>["symbols"] | null {
  const loaded = load(name, symbols);
  return () => used ? loaded : null;
}

function load<S extends Deno.ForeignLibraryInterface>(name: string, symbols: S) {
  const { duckbackCarried } = globalThis as { duckbackCarried?: (name: string) => void };
  try {
    duckbackCarried?.(name);
  } catch { /* then the host's, if it has one */ }
  try {
    return Deno.dlopen(name, symbols).symbols;
  } catch {
    return null;
  }
}

/** A buffer and its length, as calls take them. Deno's types ask for one no other thread shares; ours never is. */
export function sized(bytes: Uint8Array) {
  return [bytes as Uint8Array<ArrayBuffer>, BigInt(bytes.length)] as const;
}
