/**
 * Native libraries of the executable itself (payload.ts), copied into anonymous memory to be loaded from
 * there. Nothing is unpacked to disk, so starts need no writable directory, cannot trip over each other
 * and leave nothing behind. (`deno compile --self-extracting` unpacks in place, unlocked: a second first
 * start truncates libduckdb.so under the first, which then dies of SIGBUS.)
 */
import { type PayloadFile, readIndex } from "./payload.ts";

const SELF = "/proc/self/exe";
const O_RDONLY_CLOEXEC = 0o2000000;
const MFD_CLOEXEC = 1;
const RTLD_LAZY = 1;

const SENDFILE = { parameters: ["i32", "i32", "buffer", "usize"], result: "isize" } as const;

let opened: ReturnType<typeof openLibc> | undefined;
let index: PayloadFile[] | undefined;

/** Loads a library of the executable; afterwards its own name means it. Throws where that cannot be. */
export function loadLibrary(name: string): void {
  Deno.dlopen(inMemory(name), {});
}

/** Copies a library into memory; returns a path that leads there. */
export function inMemory(name: string): string {
  const { sendfile } = opened ??= openLibc();
  const copy = new Copy(name);
  try {
    while (copy.left > 0) copy.sent(sendfile(...copy.next()));
  } finally {
    copy.end();
  }
  return copy.path;
}

/**
 * `loadLibrary` on another thread, which copies and relocates for 50 ms while this one compiles
 * JavaScript. False where it could not be done: `loadLibrary` will say why.
 */
export async function loadLibraryAside(name: string): Promise<boolean> {
  try {
    const { sendfile } = Deno.dlopen("libc.so.6", {
      sendfile: { ...SENDFILE, nonblocking: true },
    }).symbols;
    // Before glibc 2.34 it was not in libc.so.6; a newer libdl leads there.
    const { dlopen } = Deno.dlopen("libdl.so.2", {
      dlopen: { parameters: ["buffer", "i32"], result: "pointer", nonblocking: true },
    }).symbols;
    const copy = new Copy(name);
    try {
      while (copy.left > 0) copy.sent(await sendfile(...copy.next()));
    } finally {
      copy.end();
    }
    return await dlopen(cString(copy.path), RTLD_LAZY) !== null;
  } catch {
    return false;
  }
}

/** Where a copy stands. */
class Copy {
  left: number;
  readonly path: string;
  readonly #self: number;
  readonly #memory: number;
  readonly #position: BigInt64Array<ArrayBuffer>;

  constructor(readonly name: string) {
    const file = (index ??= readIndex(SELF)).find((file) => file.name === name);
    if (!file) throw new Error(`the executable does not carry ${name}`);
    const { open, memfd_create } = opened ??= openLibc();
    this.#self = open(cString(SELF), O_RDONLY_CLOEXEC);
    if (this.#self < 0) throw new Error(`${SELF} cannot be opened (is /proc mounted?)`);
    // Never closed: with a descriptor's number used again, the loader would take the next library for
    // this one, by its path. The library's mapping holds the memory anyway.
    this.#memory = memfd_create(cString(name), MFD_CLOEXEC);
    this.path = `/proc/self/fd/${this.#memory}`;
    this.#position = new BigInt64Array([BigInt(file.offset)]);
    this.left = file.length;
  }

  /** Arguments for sendfile. */
  next(): [number, number, BigInt64Array<ArrayBuffer>, bigint] {
    if (this.#memory < 0) throw new Error("the kernel refuses memfd_create");
    return [this.#memory, this.#self, this.#position, BigInt(this.left)];
  }

  sent(bytes: bigint): void {
    if (bytes <= 0) {
      throw new Error(`${this.left} bytes of memory for ${this.name} are not to be had`);
    }
    this.left -= Number(bytes);
  }

  end(): void {
    opened!.close(this.#self);
  }
}

function openLibc() {
  return Deno.dlopen("libc.so.6", {
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
    memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
    sendfile: SENDFILE,
  }).symbols;
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}
