/** The compiled binary's main module; preload.ts has run before it. */
import { loadProgram, runProgram } from "./program.ts";

runProgram(loadProgram(), import.meta.url);
