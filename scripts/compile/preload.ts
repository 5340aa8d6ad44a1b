/**
 * Runs inside the compiled binary before main.ts: loads DuckDB's native libraries from the executable
 * itself, through anonymous memory, and keeps `require` inside the binary.
 *
 * Nothing is unpacked to disk, so starts need no writable directory, cannot trip over each other and
 * leave nothing behind. (`deno compile --self-extracting` unpacks in place, unlocked: a second first
 * start truncates libduckdb.so under the first, which then dies of SIGBUS.)
 */
import Module from "node:module";
import { readIndex } from "./payload.ts";

const SELF = "/proc/self/exe";
const O_RDONLY_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;

/** The parts of node's module loader that are used here; they have no types. */
interface ModuleLoader {
  _load: (request: string, parent: unknown, isMain: boolean) => unknown;
  _extensions: Record<string, (module: { exports: unknown }, filename: string) => void>;
  _nodeModulePaths: (from: string) => string[];
  globalPaths: string[];
}

const loader = Module as unknown as ModuleLoader;

// An optional dependency that is not in the binary would be looked for in /tmp/node_modules (the
// embedded files appear to lie below /tmp), where any user could put one for root to run.
loader._nodeModulePaths = () => [];
loader.globalPaths.length = 0;

const load = loader._load;
let bindings: unknown;
loader._load = (request, parent, isMain) => {
  if (request !== "@duckdb/node-bindings") return load(request, parent, isMain);
  return bindings ??= duckdbBindings();
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
  const libc = Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
    sendfile: { parameters: ["i32", "i32", "buffer", "usize"], result: "isize" },
  });
  const { open, close, memfd_create, sendfile } = libc.symbols;
  const self = open(cString(SELF), O_RDONLY_CLOEXEC);
  const opened = [self];
  try {
    if (self < 0) throw new Error(`${SELF} cannot be opened (is /proc mounted?)`);
    const paths = new Map<string, string>();
    for (const { name, offset, length } of readIndex(SELF)) {
      const memory = memfd_create(cString(name), MFD_CLOEXEC);
      if (memory < 0) throw new Error("the kernel refuses memfd_create");
      opened.push(memory);
      const position = new BigInt64Array([BigInt(offset)]);
      for (let left = length; left > 0;) {
        const sent = Number(sendfile(memory, self, position, BigInt(left)));
        if (sent <= 0) throw new Error(`${length} bytes of memory for ${name} are not to be had`);
        left -= sent;
      }
      paths.set(name, `/proc/self/fd/${memory}`);
    }
    // duckdb.node asks for "libduckdb.so": the loader takes the one that is loaded already.
    Deno.dlopen(paths.get("libduckdb.so")!, {});
    loadAddon(paths.get("duckdb.node")!);
  } finally {
    // Not earlier: with a descriptor's number used again, the loader would take the second library
    // for the first, by its path.
    for (const fd of opened) if (fd >= 0) close(fd);
    libc.close();
  }
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}
