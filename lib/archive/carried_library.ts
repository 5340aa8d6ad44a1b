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

/** Deno's types ask for buffers that cannot be shared between threads; ours never are. */
export function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
