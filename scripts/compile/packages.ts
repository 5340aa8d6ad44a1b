/**
 * The CommonJS files that a run loads, as one script a package. To find, read and compile some three
 * hundred files one by one takes 60 ms at each start; V8 compiles of a script what is called.
 */
import { Buffer } from "node:buffer";
import { packageKey, packageOf, PACKAGES, type PackagesIndex } from "./package_key.ts";
import { deno } from "./project.ts";
import type { NativeLibrary } from "./targets.ts";

/** Packages of fewer files are left as they are. */
const FEW = 4;

/** Makes the scripts. Throws where a file is no function's body. */
export async function packageScripts(): Promise<NativeLibrary> {
  const files: string[] = JSON.parse(
    await deno(["run", "--allow-all", "--no-check", "scripts/compile/loaded.ts"]),
  );
  const sources: Record<string, string> = {};
  for (const path of files.sort()) {
    const key = packageKey(path);
    if (key !== null) sources[key] = await Deno.readTextFile(path);
  }
  return { name: PACKAGES, bytes: scriptsOf(sources) };
}

/**
 * Given CommonJS files by key, the scripts: a line of JSON that says where each package's begins behind
 * it and how long it is, in bytes, then one script a package, whose value is its functions by key.
 */
export function scriptsOf(sources: Record<string, string>): Uint8Array<ArrayBuffer> {
  const packages = Object.groupBy(Object.keys(sources), (key) => packageOf(key));
  const index: PackagesIndex = {};
  const scripts: Uint8Array[] = [];
  let at = 0;
  for (const [name, keys] of Object.entries(packages)) {
    if (keys!.length < FEW) continue;
    const script = new TextEncoder().encode(scriptOf(name, keys!, sources));
    scripts.push(script);
    index[name] = [at, script.length];
    at += script.length;
  }
  return new Uint8Array(Buffer.concat([Buffer.from(`${JSON.stringify(index)}\n`), ...scripts]));
}

function scriptOf(name: string, keys: string[], sources: Record<string, string>): string {
  const functions = keys.map((key) => {
    const body = `function (exports, require, module, __filename, __dirname) {${sources[key]}\n}`;
    new Function(`return ${body}`); // throws a SyntaxError
    return `${JSON.stringify(key)}: ${body}`;
  });
  return `({\n${functions.join(",\n")}\n})\n//# sourceURL=${name}\n`;
}
