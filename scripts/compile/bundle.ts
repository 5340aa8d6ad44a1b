/**
 * The program as few scripts, packages included, by Deno's bundler (esbuild): to find, read and compile
 * a thousand modules one by one takes a third of the time of a short command.
 */
import { licenses } from "./licenses.ts";
import { deno, PROJECT } from "./project.ts";
import { BINDINGS, UNUSED } from "./unused.ts";

/** Where the scripts lie in the binary: from there "../../migrations" leads to the migrations. */
const SCRIPTS = "lib/bundle";
const OPTIONS = ["--quiet", "--frozen", "--platform=deno", "--minify", "--keep-names"];

export interface Bundle {
  /** The program, for `runProgram` (program.ts). */
  program: Uint8Array;
  main: string;
  /** The main module of what makes the code cache. */
  maker: string;
  preload: string;
  /** What no script imports: workers, migrations, licences. */
  included: string[];
}

/** Makes the scripts of main.ts and of `workers` in `directory`. Throws with what the bundler said. */
export async function bundle(directory: string, workers: string[]): Promise<Bundle> {
  const scripts = `${directory}/${SCRIPTS}`;
  await Deno.mkdir(scripts, { recursive: true });
  const make = async (from: string, output: string, ...options: string[]) => {
    await deno(["bundle", ...OPTIONS, ...options, `--output=${output}`, from]);
    return output;
  };
  const external = [BINDINGS, ...UNUSED].map((name) => `--external=${name}`);
  const script = await make("main.ts", `${directory}/program.js`, "--format=cjs", ...external);
  const program = new TextEncoder().encode(asFunction(await Deno.readTextFile(script)));
  const included = [`${directory}/migrations`, `${directory}/licenses.txt`];
  for (const worker of workers) {
    // Under the name by which `new Worker()` asks for it.
    const name = worker.slice(worker.lastIndexOf("/") + 1);
    included.push(await make(worker, `${scripts}/${name}`));
  }
  const main = await make("scripts/compile/start.ts", `${scripts}/main.js`);
  const maker = await make("scripts/compile/make_cache.ts", `${scripts}/make_cache.js`);
  const preload = await make("scripts/compile/preload.ts", `${directory}/preload.js`);
  await Deno.mkdir(`${directory}/migrations`);
  for await (const { name } of Deno.readDir(`${PROJECT}/migrations`)) {
    await Deno.copyFile(`${PROJECT}/migrations/${name}`, `${directory}/migrations/${name}`);
  }
  await Deno.writeTextFile(`${directory}/licenses.txt`, await licenses(["main.ts", ...workers]));
  return { program, main, maker, preload, included };
}

/** A script whose value is what `runProgram` (program.ts) calls; strict, as the modules were. */
export function asFunction(commonjs: string): string {
  if (/[^.\w$]import\s*\(/.test(commonjs)) throw new Error("a script cannot import() a module");
  return `(function(require,module,exports){"use strict";${ascii(commonjs)}\n})`;
}

/** V8 keeps ASCII in half the memory, and reads it faster. In code only texts and patterns have other characters. */
function ascii(code: string): string {
  return code.replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** True where a file belongs into the binary; `path` is where it lies in it. */
export function belongs(path: string): boolean {
  return /^(preload\.js|licenses\.txt|migrations\/\d{4}_\w+\.sql|lib\/bundle\/main\.js|lib\/bundle\/\w+_worker\.ts)$/
    .test(path);
}
