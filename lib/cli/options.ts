/** Parsers of option values that several commands share. Wrong values raise USAGE. */
import { InvalidArgumentError } from "./commander.ts";

/** For options that may be given more than once. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** A backup's id. */
export function backupId(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) {
    throw new InvalidArgumentError(
      "A backup's id is a whole number; `duckback backup list` shows them.",
    );
  }
  return Number(text);
}

/** One of a few words. */
export function oneOf<T extends string>(...words: T[]): (text: string) => T {
  return (text) => {
    if ((words as string[]).includes(text)) return text as T;
    throw new InvalidArgumentError(`Allowed: ${words.join(", ")}.`);
  };
}

/** A whole number between two limits. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** The end of a command's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
