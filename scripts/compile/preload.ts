/**
 * Runs inside the compiled binary before main.ts: loads native libraries from the executable itself,
 * through anonymous memory, when they are asked for, and keeps `require` inside the binary.
 *
 * Nothing is unpacked to disk, so starts need no writable directory, cannot trip over each other and
 * leave nothing behind. (`deno compile --self-extracting` unpacks in place, unlocked: a second first
 * start truncates libduckdb.so under the first, which then dies of SIGBUS.)
 */
import Module from "node:module";
import { dirname, join } from "node:path";
import { packageKey, packageOf, PACKAGES, type PackagesIndex } from "./package_key.ts";
import { type PayloadFile, readFully, readIndex } from "./payload.ts";
import { isUnused } from "./unused.ts";

const SELF = "/proc/self/exe";
const O_RDONLY_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;

/** The parts of node's module loader that are used here; they have no types. */
interface ModuleLoader {
  _load: (request: string, parent: unknown, isMain: boolean) => unknown;
  _resolveFilename: (request: string, parent: Requirer | null, ...more: unknown[]) => string;
  _extensions: Record<string, (module: LoadedModule, filename: string) => void>;
  _nodeModulePaths: (from: string) => string[];
  globalPaths: string[];
}

interface LoadedModule {
  exports: unknown;
  require?: (request: string) => unknown;
}

/** The module that calls `require`. */
interface Requirer {
  filename?: string;
}

const loader = Module as unknown as ModuleLoader;

// An optional dependency that is not in the binary would be looked for in /tmp/node_modules (the
// embedded files appear to lie below /tmp), where any user could put one for root to run.
loader._nodeModulePaths = () => [];
loader.globalPaths.length = 0;

const load = loader._load;
let bindings: unknown;
loader._load = (request, parent, isMain) => {
  if (isUnused(request)) return {};
  if (request !== "@duckdb/node-bindings") return load(request, parent, isMain);
  return bindings ??= duckdbBindings();
};

// Packages have hundreds of files that ask for one another by relative paths, of which none is a
// symbolic link here: to look at each path's every component takes longer than to run the code.
const resolve = loader._resolveFilename;
loader._resolveFilename = (request, parent, ...more) =>
  beside(request, parent?.filename) ?? resolve(request, parent, ...more);

// And most of them are functions of their package's script: see packages.ts.
type Functions = Record<string, (...args: unknown[]) => void>;
const packages = new Map<string, Functions | undefined>();
let scripts: { index: PackagesIndex; bytes: Uint8Array } | undefined;

/** The functions of a package by key; undefined where it has no script. */
function packageFunctions(name: string): Functions | undefined {
  if (packages.has(name)) return packages.get(name);
  scripts ??= readScripts();
  const [at, length] = scripts.index[name] ?? [0, 0];
  const text = new TextDecoder().decode(scripts.bytes.subarray(at, at + length));
  const functions = length === 0 ? undefined : (0, eval)(text) as Functions;
  packages.set(name, functions);
  return functions;
}

function readScripts() {
  const bytes = read(PACKAGES);
  const end = bytes.indexOf(0x0a);
  const index: PackagesIndex = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  return { index, bytes: bytes.subarray(end + 1) };
}

for (const extension of [".js", ".cjs"]) {
  const compile = loader._extensions[extension];
  if (compile === undefined) continue;
  loader._extensions[extension] = (module, filename) => {
    const key = packageKey(filename);
    const run = key === null ? undefined : packageFunctions(packageOf(key))?.[key];
    if (run === undefined) return compile(module, filename);
    const require = (request: string) => module.require!(request);
    run.call(module.exports, module.exports, require, module, filename, dirname(filename));
  };
}

/** The file that a relative path means in the file `from`; null where it is no plain one. */
function beside(request: string, from: string | undefined): string | null {
  if (from === undefined || packageKey(from) === null) return null;
  if (!/^\.\.?\//.test(request) || request.endsWith("/")) return null;
  const path = join(dirname(from), request);
  const names = /\.(js|cjs|json)$/.test(path) ? [path] : [`${path}.js`];
  return names.find(isFile) ?? null;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

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

function read(name: string): Uint8Array {
  const { offset, length } = find(name);
  using self = Deno.openSync(SELF);
  self.seekSync(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  readFully(self, bytes);
  return bytes;
}

function find(name: string): PayloadFile {
  const file = readIndex(SELF).find((file) => file.name === name);
  if (!file) throw new Error(`the executable does not carry ${name}`);
  return file;
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}
