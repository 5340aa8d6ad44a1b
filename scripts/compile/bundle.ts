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
  main: string;
  preload: string;
  /** What no script imports: workers, migrations, licences. */
  included: string[];
}

/** Makes the scripts of main.ts and of `workers` in `directory`. Throws with what the bundler said. */
export async function bundle(directory: string, workers: string[]): Promise<Bundle> {
  const scripts = `${directory}/${SCRIPTS}`;
  const external = [BINDINGS, ...UNUSED].map((name) => `--external=${name}`);
  await Deno.mkdir(scripts, { recursive: true });
  const outdir = `--outdir=${scripts}`;
  await deno(["bundle", ...OPTIONS, "--code-splitting", ...external, outdir, "main.ts"]);
  const included = [`${directory}/migrations`, `${directory}/licenses.txt`];
  for (const worker of workers) {
    // Under the name by which `new Worker()` asks for it.
    const output = `${scripts}/${worker.slice(worker.lastIndexOf("/") + 1)}`;
    await deno(["bundle", ...OPTIONS, `--output=${output}`, worker]);
    included.push(output);
  }
  const preload = `${directory}/preload.js`;
  await deno(["bundle", ...OPTIONS, `--output=${preload}`, "scripts/compile/preload.ts"]);
  await Deno.mkdir(`${directory}/migrations`);
  for await (const { name } of Deno.readDir(`${PROJECT}/migrations`)) {
    await Deno.copyFile(`${PROJECT}/migrations/${name}`, `${directory}/migrations/${name}`);
  }
  await Deno.writeTextFile(`${directory}/licenses.txt`, await licenses(["main.ts", ...workers]));
  return { main: `${scripts}/main.js`, preload, included };
}

/** True where a file belongs into the binary; `path` is where it lies in it. */
export function belongs(path: string): boolean {
  return /^(preload\.js|licenses\.txt|migrations\/\d{4}_\w+\.sql|lib\/bundle\/[\w-]+\.js|lib\/bundle\/\w+_worker\.ts)$/
    .test(path);
}
