/**
 * Runs inside the compiled binary before main.ts: gives the bundle a `require`, and loads native
 * libraries from the executable itself, through anonymous memory, when they are asked for.
 *
 * Nothing is unpacked to disk, so starts need no writable directory, cannot trip over each other and
 * leave nothing behind. (`deno compile --self-extracting` unpacks in place, unlocked: a second first
 * start truncates libduckdb.so under the first, which then dies of SIGBUS.)
 */
import Module, { createRequire, isBuiltin } from "node:module";
import { type PayloadFile, readIndex } from "./payload.ts";
import { BINDINGS, isUnused } from "./unused.ts";

const SELF = "/proc/self/exe";
const O_RDONLY_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;

/** The part of node's module loader that is used here; it has no types. */
const loader = Module as unknown as {
  _extensions: Record<string, (module: { exports: unknown }, filename: string) => void>;
};
const builtin = createRequire(import.meta.url);
let bindings: unknown;

// Never looks for a file: an optional dependency that is not in the bundle would be searched for in
// /tmp/node_modules (the embedded files appear to lie below /tmp), where any user could put one for root.
(globalThis as { require?: (request: string) => unknown }).require = (request) => {
  if (request === BINDINGS) return bindings ??= duckdbBindings();
  if (isUnused(request)) return {};
  if (isBuiltin(request)) return builtin(request);
  throw Object.assign(new Error(`Cannot find module '${request}'`), { code: "MODULE_NOT_FOUND" });
};

function duckdbBindings(): unknown {
  const module = { exports: {} };
  try {
    loadDuckdb((path) => loader._extensions[".node"](module, path));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot load DuckDB: ${why}`, { cause });
  }
  return module.exports;
}

function loadDuckdb(loadAddon: (path: string) => void): void {
  // duckdb.node asks for "libduckdb.so": the loader takes the one that is loaded already.
  Deno.dlopen(inMemory("libduckdb.so"), {});
  loadAddon(inMemory("duckdb.node"));
}

// lib/archive/carried_library.ts asks for them; afterwards the library's own name means it, in workers too.
(globalThis as { duckbackCarried?: (name: string) => void }).duckbackCarried = (name) => {
  Deno.dlopen(inMemory(name), {});
};

/** Copies a library of the executable into anonymous memory; returns a path that leads there. */
function inMemory(name: string): string {
  const { offset, length } = find(name);
  const libc = Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
    sendfile: { parameters: ["i32", "i32", "buffer", "usize"], result: "isize" },
  });
  const { open, close, memfd_create, sendfile } = libc.symbols;
  const self = open(cString(SELF), O_RDONLY_CLOEXEC);
  try {
    if (self < 0) throw new Error(`${SELF} cannot be opened (is /proc mounted?)`);
    const memory = memfd_create(cString(name), MFD_CLOEXEC);
    if (memory < 0) throw new Error("the kernel refuses memfd_create");
    const position = new BigInt64Array([BigInt(offset)]);
    for (let left = length; left > 0;) {
      const sent = Number(sendfile(memory, self, position, BigInt(left)));
      if (sent <= 0) throw new Error(`${length} bytes of memory for ${name} are not to be had`);
      left -= sent;
    }
    // Never closed: with a descriptor's number used again, the loader would take the next library for
    // this one, by its path. The library's mapping holds the memory anyway.
    return `/proc/self/fd/${memory}`;
  } finally {
    if (self >= 0) close(self);
    libc.close();
  }
}

function find(name: string): PayloadFile {
  const file = readIndex(SELF).find((file) => file.name === name);
  if (!file) throw new Error(`the executable does not carry ${name}`);
  return file;
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}
