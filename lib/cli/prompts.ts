/** Questions to a person at a terminal; asked on standard error, so that standard output stays clean. */
import process from "node:process";
import { confirm, select, Separator } from "@inquirer/prompts";
import { interrupted } from "../core/errors.ts";

export interface Choice<T> {
  name: string;
  value: T;
  /** Why it cannot be chosen; shown beside it. */
  disabled?: string;
}

/** For prompts: standard output is for results. */
const CONTEXT = { output: process.stderr };

/** The value chosen under a line of titles, or null where q was pressed; raises INTERRUPTED on Ctrl-C. */
export async function choose<T>(
  message: string,
  title: string,
  choices: Choice<T>[],
  signal: AbortSignal,
): Promise<T | null> {
  const { stdin } = process;
  const quit = new AbortController();
  const onKey = (_text: string, key: { name?: string } | undefined) => {
    if (key?.name === "q") quit.abort();
  };
  const config = {
    message,
    choices: [new Separator(`  ${title}`), ...choices],
    default: choices.find((choice) => !choice.disabled)?.value,
    pageSize: 15,
    loop: false,
  };
  const either = AbortSignal.any([signal, quit.signal]);
  stdin.on("keypress", onKey);
  try {
    return await asked(async () => await select<T>(config, { ...CONTEXT, signal: either }));
  } catch (cause) {
    if (quit.signal.aborted && !signal.aborted) return null;
    throw cause;
  } finally {
    stdin.off("keypress", onKey);
  }
}

/** Yes or no; no is the default. Raises INTERRUPTED on Ctrl-C. */
export async function agree(message: string, signal: AbortSignal): Promise<boolean> {
  return await asked(async () =>
    await confirm({ message, default: false }, { ...CONTEXT, signal })
  );
}

async function asked<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const name = (cause as Error).name;
    if (name === "ExitPromptError" || name === "AbortPromptError") throw interrupted(cause);
    throw cause;
  }
}
