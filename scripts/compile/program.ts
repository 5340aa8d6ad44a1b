/**
 * The program within the compiled binary: one script, and what V8 made of it beforehand (its code cache),
 * both behind the ELF image (payload.ts). To compile the same JavaScript at each start took a third of the
 * time of a short command.
 */
import { Script } from "node:vm";
import { readCarried } from "./payload.ts";

export const PROGRAM = "program.js";
export const CODE_CACHE = "program.cache";

const SELF = "/proc/self/exe";

type Main = (require: unknown, module: { exports: unknown }, exports: unknown) => void;

/** The script of the executable; `cachedData` that V8 cannot use only costs time. */
export function loadProgram(cachedData: Uint8Array | null = readCarried(SELF, CODE_CACHE)): Script {
  const source = readCarried(SELF, PROGRAM);
  if (source === null) throw new Error("the executable does not carry its program");
  return new Script(new TextDecoder().decode(source), {
    filename: "duckback.js",
    ...(cachedData === null ? {} : { cachedData }),
  });
}

/** Runs it; `base` is what its relative URLs are relative to (lib/core/here.ts). */
export function runProgram(script: Script, base: string): void {
  const global = globalThis as { duckbackHere?: string; require?: unknown };
  global.duckbackHere = base;
  const main: Main = script.runInThisContext();
  const module = { exports: {} };
  main(global.require, module, module.exports);
}
