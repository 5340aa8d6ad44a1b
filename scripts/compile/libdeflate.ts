/**
 * libdeflate (MIT) for a target, Debian's build of it, pinned by SHA-256: the one installed here, else
 * out of Debian's package. Without it a binary works too, with slower gzip.
 */
import { createHash } from "node:crypto";
import { CACHE, scratchDirectory } from "./project.ts";
import type { NativeLibrary, Target } from "./targets.ts";

const NAME = "libdeflate.so.0";
const VERSION = "1.14-1";
const POOL = "pool/main/libd/libdeflate";
const MIRRORS = [
  "http://deb.debian.org/debian",
  "http://snapshot.debian.org/archive/debian/20250520T000000Z", // keeps what Debian has dropped
];
const PATIENCE_MS = 20_000;

/** The library; null, with a word to people, where it is not to be had. */
export async function libdeflate(target: Target): Promise<NativeLibrary | null> {
  const cached = `${CACHE}/libdeflate/${VERSION}-${target.arch}`;
  const tried: string[] = [];
  const ways: [string, () => Promise<Uint8Array>][] = [
    ["installed here", () => Deno.readFile(target.libdeflate.path)],
    ["cache", () => Deno.readFile(cached)],
    ["apt-get download", () => fromApt(target)],
    ...MIRRORS.map((mirror): [string, () => Promise<Uint8Array>] => [
      mirror,
      () => fromMirror(mirror, target),
    ]),
  ];
  for (const [what, get] of ways) {
    try {
      const bytes = new Uint8Array(await get());
      requirePinned(bytes, target);
      if (!["installed here", "cache"].includes(what)) await keep(cached, bytes);
      return { name: NAME, bytes };
    } catch (error) {
      tried.push(`  ${what}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  console.error(
    `There is no libdeflate ${VERSION} for ${target.arch}: gzip will take half as long again.\n` +
      tried.join("\n"),
  );
  return null;
}

function requirePinned(bytes: Uint8Array, target: Target): void {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (sha256 !== target.libdeflate.sha256) throw new Error(`another build, sha256 ${sha256}`);
}

async function keep(path: string, bytes: Uint8Array): Promise<void> {
  await Deno.mkdir(`${CACHE}/libdeflate`, { recursive: true });
  const partial = `${path}.${crypto.randomUUID()}`;
  await Deno.writeFile(partial, bytes);
  await Deno.rename(partial, path);
}

/** With the proxies and mirrors that this host's apt knows. */
async function fromApt(target: Target): Promise<Uint8Array> {
  await using scratch = await scratchDirectory();
  const name = `libdeflate0:${target.libdeflate.debian}=${VERSION}`;
  await run("apt-get", ["download", "-q", name], { cwd: scratch.path });
  for await (const file of Deno.readDir(scratch.path)) {
    if (file.name.endsWith(".deb")) {
      return await unpack(await Deno.readFile(`${scratch.path}/${file.name}`), target);
    }
  }
  throw new Error("it left no package");
}

async function fromMirror(mirror: string, target: Target): Promise<Uint8Array> {
  const url = `${mirror}/${POOL}/libdeflate0_${VERSION}_${target.libdeflate.debian}.deb`;
  const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return await unpack(await response.bytes(), target);
}

/** The library out of a Debian package. */
async function unpack(deb: Uint8Array, target: Target): Promise<Uint8Array> {
  const data = arMember(deb, "data.tar.xz");
  return await run("tar", ["-xJO", `.${target.libdeflate.path}`], { stdin: data });
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
