/**
 * Makes the executable: `scripts/deno task compile [--target x86_64|aarch64]`.
 * Writes dist/duckback, for another architecture than this one dist/duckback-ARCH.
 */
import { parseArgs } from "node:util";
import { belongs, bundle } from "./compile/bundle.ts";
import { binaryContents } from "./compile/contents.ts";
import { baseExecutable } from "./compile/denort.ts";
import { nativeLibraries } from "./compile/natives.ts";
import { encodeIndex, indexOffset, layOut } from "./compile/payload.ts";
import { CODE_CACHE, PROGRAM } from "./compile/program.ts";
import { deno, PROJECT, scratchDirectory } from "./compile/project.ts";
import { type Arch, type Target, TARGETS } from "./compile/targets.ts";

const SIZE_LIMIT = 170e6;

async function compile(target: Target): Promise<void> {
  const output = `dist/duckback${target.arch === Deno.build.arch ? "" : `-${target.arch}`}`;
  const workers = await workerModules(`${PROJECT}/lib`);
  await deno(["cache", "--frozen", "main.ts", ...workers]);
  const base = await baseExecutable(target);
  const natives = await nativeLibraries(target);

  await using scratch = await scratchDirectory();
  const { program, main, maker, preload, included } = await bundle(
    `${scratch.path}/program`,
    workers,
  );
  const carried: CarriedFile[] = [...natives, { name: PROGRAM, bytes: program }];
  const make = async (script: string, output: string, files: CarriedFile[]) => {
    const carrier = `${scratch.path}/denort`;
    await writeCarrier(carrier, base.bytes, files);
    await deno([
      "compile",
      "--allow-all",
      "--no-check", // `task check` does that
      // MiB: by default short-lived objects may take 100 MB. `gc` is called between phases (core/memory.ts).
      "--v8-flags=--max-semi-space-size=8,--expose-gc",
      "--no-code-cache", // else a file with a known name in /tmp, which anybody could put there
      "--no-config", // all it is made of is in the bundle
      "--unstable-cron",
      `--target=${target.triple}`,
      `--output=${output}`,
      `--preload=${preload}`,
      ...included.map((path) => `--include=${path}`),
      script,
    ], { env: { DENORT_BIN: carrier } });
    await Deno.remove(carrier);
  };
  // Without a code cache, where this machine cannot run what would make it, starts take longer.
  if (target.arch === Deno.build.arch) {
    const tool = `${scratch.path}/make-cache`;
    await make(maker, tool, carried);
    carried.push({ name: CODE_CACHE, bytes: await codeCache(tool, scratch.path) });
  }
  await make(main, output, carried);
  await report(output, base.origin);
}

/** Has the maker make the program's code cache, and see that V8 takes it. */
async function codeCache(maker: string, directory: string): Promise<Uint8Array> {
  const out = `${directory}/${CODE_CACHE}`;
  for (const args of [[out, directory], [out]]) {
    const { code, stderr } = await new Deno.Command(maker, {
      args,
      // No engine, no settings: it is none of its business what there is on this machine.
      clearEnv: true,
      env: { NO_COLOR: "1", DOCKER_HOST: `unix://${directory}/none.sock` },
      stdin: "null",
      stdout: "null",
    }).output();
    if (code !== 0) throw new Error(`the code cache: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return await Deno.readFile(out);
}

/** Modules that only a `new Worker()` names: nothing imports them. */
async function workerModules(directory: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) found.push(...await workerModules(path));
    else if (entry.name.endsWith("_worker.ts")) found.push(path.slice(PROJECT.length + 1));
  }
  return found.sort();
}

interface CarriedFile {
  name: string;
  bytes: Uint8Array;
}

/** The base executable with other files behind it; see payload.ts. */
async function writeCarrier(
  path: string,
  base: Uint8Array,
  carried: CarriedFile[],
): Promise<void> {
  const files = layOut(base.length, carried.map((n) => ({ name: n.name, length: n.bytes.length })));
  const pieces = [
    { offset: 0, bytes: base },
    { offset: indexOffset(base.length), bytes: encodeIndex(files) },
    ...files.map(({ offset }, i) => ({ offset, bytes: carried[i].bytes })),
  ];
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o755 });
  for (const { offset, bytes } of pieces) {
    await file.seek(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  }
}

async function report(output: string, origin: string): Promise<void> {
  const contents = await binaryContents(`${PROJECT}/${output}`);
  const strays = contents.files.filter(({ path }) => !belongs(path));
  if (strays.length > 0) {
    throw new Error(
      `${strays[0].path} and ${strays.length - 1} more files do not belong into ${output}`,
    );
  }
  const row = (bytes: number, what: string) =>
    console.log(`${(bytes / 1e6).toFixed(1).padStart(8)} MB  ${what}`);
  row(contents.base, `denort ${Deno.version.deno} (${origin})`);
  for (const { name, length } of contents.carried) row(length, name);
  row(contents.section, `workers, migrations: ${contents.files.length} files`);
  row(contents.size, output);
  if (contents.size > SIZE_LIMIT) {
    throw new Error(`${output} is larger than the ${SIZE_LIMIT / 1e6} MB it may have`);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { target: { type: "string" } } });
  const arch = values.target ?? Deno.build.arch;
  if (!(arch in TARGETS)) {
    console.error(`compile: --target is one of ${Object.keys(TARGETS).join(", ")}, not "${arch}"`);
    Deno.exit(2);
  }
  try {
    await compile(TARGETS[arch as Arch]);
  } catch (error) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      console.error(`compile: ${cause.message}`);
    }
    Deno.exit(1);
  }
}
