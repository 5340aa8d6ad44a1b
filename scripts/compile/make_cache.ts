/**
 * Compiled like the program itself, since V8 takes only what a V8 of the same version and flags made: runs
 * some commands and writes the code that they needed. `MAKER OUT DIRECTORY`, or `MAKER OUT` to find out
 * whether what was written is taken.
 */
import { setFlagsFromString } from "node:v8";
import { loadProgram, runProgram } from "./program.ts";

const exit = Deno.exit;
const [out, directory] = Deno.args;

/** Runs one command line within this process; its exit code. */
function command(script: ReturnType<typeof loadProgram>, args: string[]): Promise<number> {
  Object.defineProperty(Deno, "args", { value: args, configurable: true });
  return new Promise((resolve) => {
    Object.defineProperty(Deno, "exit", { value: resolve, configurable: true });
    runProgram(script, import.meta.url);
  });
}

async function make(): Promise<void> {
  // Else the collector throws away the code of functions that have not run for a while.
  setFlagsFromString("--no-flush-bytecode");
  const script = loadProgram(null);
  const stack = `${directory}/stack`;
  await Deno.mkdir(stack);
  const place = ["--home", `${directory}/home`, "--work-dir", stack];
  await Deno.writeTextFile(`${stack}/file`, "some text\n".repeat(100_000));
  const commands = [
    ["--help"],
    ["backup", "create"],
    ["backup", "create", "--kind", "incremental", "--compression", "zstd"],
    ["backup", "list"],
    ["restore", "2", "--target", `${directory}/restored`],
    ["status"],
  ];
  for (const args of commands) {
    const code = await command(script, [...place, ...args]);
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}`);
  }
  setFlagsFromString("--flush-bytecode"); // a cache is for one set of flags
  await Deno.writeFile(out, script.createCachedData());
}

if (directory !== undefined) await make();
else if (loadProgram(await Deno.readFile(out)).cachedDataRejected) {
  throw new Error("V8 does not take its own code cache");
}
exit(0);
