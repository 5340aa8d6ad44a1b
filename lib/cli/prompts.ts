/** Questions to a person at a terminal; asked on standard error, so that standard output stays clean. */
import { confirm, select } from "@inquirer/prompts";
import { interrupted } from "../core/errors.ts";

export interface Choice<T> {
  name: string;
  value: T;
  /** Why it cannot be chosen; shown beside it. */
  disabled?: string;
}

const context = { output: undefined as unknown as NodeJS.WritableStream };

async function stderr() {
  context.output = (await import("node:process")).stderr;
  return context;
}

/** The value chosen; raises INTERRUPTED on Ctrl-C. */
export async function choose<T>(
  message: string,
  choices: Choice<T>[],
  signal: AbortSignal,
): Promise<T> {
  return await asked(async () =>
    await select<T>({ message, choices, pageSize: 15, loop: false }, { ...await stderr(), signal })
  );
}

/** Yes or no; no is the default. Raises INTERRUPTED on Ctrl-C. */
export async function agree(message: string, signal: AbortSignal): Promise<boolean> {
  return await asked(async () =>
    await confirm({ message, default: false }, { ...await stderr(), signal })
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
