/**
 * Libraries for a target, Debian's build of them, pinned by SHA-256: the one installed here, else out of
 * Debian's package. Without them a binary works too, with slower compression.
 */
import { createHash } from "node:crypto";
import { CACHE, scratchDirectory } from "./project.ts";
import type { Arch, NativeLibrary, Target } from "./targets.ts";

export interface DebianLibrary {
  /** The name that programs load it by. */
  name: string;
  package: string;
  version: string;
  /** Where the package lies below a mirror. */
  pool: string;
  /** File name of the library itself, which `name` may be a link to. */
  file: string;
  /** Of that file. */
  sha256: Record<Arch, string>;
  /** What a binary without it is like. */
  without: string;
}

/** MIT. */
export const LIBDEFLATE: DebianLibrary = {
  name: "libdeflate.so.0",
  package: "libdeflate0",
  version: "1.14-1",
  pool: "pool/main/libd/libdeflate",
  file: "libdeflate.so.0",
  sha256: {
    x86_64: "7a20781883ba5f05bdf0a259b026109142b9d9af9169e489af608b51c4e233d5",
    aarch64: "e855913b8d66c3f6aa65e742bf9b531acc94b5c4cd53b70c7a794ea83429e913",
  },
  without: "gzip will take half as long again",
};

/** BSD. */
export const LIBZSTD: DebianLibrary = {
  name: "libzstd.so.1",
  package: "libzstd1",
  version: "1.5.4+dfsg2-5",
  pool: "pool/main/libz/libzstd",
  file: "libzstd.so.1.5.4",
  sha256: {
    x86_64: "37412b7ac11063c25a375bdff6f4fdb340362f926cd9c3a55962e8a9c9bc702e",
    aarch64: "63ff891e4316be1d30a8e551ded6cbb0283772105b352103608e60c06c95ac15",
  },
  without: "zstd will take two thirds as long again",
};

const MIRRORS = [
  "http://deb.debian.org/debian",
  "http://snapshot.debian.org/archive/debian/20250520T000000Z", // keeps what Debian has dropped
];
const PATIENCE_MS = 20_000;

/** The library; null, with a word to people, where it is not to be had. */
export async function debianLibrary(
  library: DebianLibrary,
  target: Target,
): Promise<NativeLibrary | null> {
  const { name, package: debian, version } = library;
  const cached = `${CACHE}/debian/${debian}-${version}-${target.arch}`;
  const tried: string[] = [];
  const ways: [string, () => Promise<Uint8Array>][] = [
    ["installed here", () => Deno.readFile(pathOf(library, target))],
    ["cache", () => Deno.readFile(cached)],
    ["apt-get download", () => fromApt(library, target)],
    ...MIRRORS.map((mirror): [string, () => Promise<Uint8Array>] => [
      mirror,
      () => fromMirror(mirror, library, target),
    ]),
  ];
  for (const [what, get] of ways) {
    try {
      const bytes = new Uint8Array(await get());
      requirePinned(bytes, library, target);
      if (!["installed here", "cache"].includes(what)) await keep(cached, bytes);
      return { name, bytes };
    } catch (error) {
      tried.push(`  ${what}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  console.error(
    `There is no ${debian} ${version} for ${target.arch}: ${library.without}.\n` +
      tried.join("\n"),
  );
  return null;
}

function pathOf({ file }: DebianLibrary, { triplet }: Target): string {
  return `/usr/lib/${triplet}/${file}`;
}

function requirePinned(bytes: Uint8Array, library: DebianLibrary, target: Target): void {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== library.sha256[target.arch]) throw new Error(`another build, sha256 ${sha256}`);
}

async function keep(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.mkdir(`${CACHE}/debian`, { recursive: true });
  const partial = `${path}.${crypto.randomUUID()}`;
  await Deno.writeFile(partial, bytes);
  await Deno.rename(partial, path);
}

/** With the proxies and mirrors that this host's apt knows. */
async function fromApt(library: DebianLibrary, target: Target): Promise<Uint8Array> {
  await using scratch = await scratchDirectory();
  const name = `${library.package}:${target.debian}=${library.version}`;
  await run("apt-get", ["download", "-q", name], { cwd: scratch.path });
  for await (const file of Deno.readDir(scratch.path)) {
    if (file.name.endsWith(".deb")) {
      return await unpack(await Deno.readFile(`${scratch.path}/${file.name}`), library, target);
    }
  }
  throw new Error("it left no package");
}

async function fromMirror(
  mirror: string,
  library: DebianLibrary,
  target: Target,
): Promise<Uint8Array> {
  const { pool, package: debian, version } = library;
  const url = `${mirror}/${pool}/${debian}_${version}_${target.debian}.deb`;
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return await unpack(await response.bytes(), library, target);
}

/** The library out of a Debian package. */
async function unpack(
  deb: Uint8Array,
  library: DebianLibrary,
  target: Target,
): Promise<Uint8Array> {
  const data = arMember(deb, "data.tar.xz");
  return await run("tar", ["-xJO", `.${pathOf(library, target)}`], { stdin: data });
}

/** A member of an `ar` file: each has a header of 60 bytes, name in 16 and length in 10 of them. */
export function arMember(bytes: Uint8Array, wanted: string): Uint8Array {
  const text = (from: number, length: number) =>
    new TextDecoder("latin1").decode(bytes.subarray(from, from + length)).trimEnd();
  for (let at = 8; at + 60 <= bytes.length;) {
    const length = Number(text(at + 48, 10));
    if (!Number.isSafeInteger(length)) break;
    if (text(at, 16).replace(/\/$/, "") === wanted) {
      return bytes.subarray(at + 60, at + 60 + length);
    }
    at += 60 + length + length % 2;
  }
  throw new Error(`the package has no ${wanted}`);
}

async function run(
  command: string,
  args: string[],
  options: { cwd?: string; stdin?: Uint8Array },
): Promise<Uint8Array> {
  const child = new Deno.Command(command, {
    args,
    cwd: options.cwd,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).spawn();
  const output = child.output();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(options.stdin as Uint8Array<ArrayBuffer>);
    await writer.close();
  }
  const { success, stdout, stderr } = await output;
  if (!success) throw new Error(new TextDecoder().decode(stderr).trim());
  return stdout;
}
