/** Errors of psql that are none: a cluster's dump drops and makes what cannot be dropped while it runs. */
import type { DumpKind } from "./labels.ts";

/** `pg_dumpall --clean` cannot replace the role that restores it, nor roles that own what stays. */
const EXPECTED = [
  /ERROR: {2}current user cannot be dropped$/,
  /ERROR: {2}session user cannot be dropped$/,
  /ERROR: {2}role ".*" already exists$/,
  /ERROR: {2}role ".*" cannot be dropped because some objects depend on it$/,
];
const MOST = 10;

/** Reads what a restoring tool says, line by line. Only psql goes on behind errors. */
export function unexpectedErrors(kind: DumpKind) {
  const decoder = new TextDecoder();
  const found: string[] = [];
  let rest = "";
  const take = (line: string) => {
    const isError = /\b(ERROR|FATAL|PANIC): {2}|^psql: error|^\\\w+: /.test(line);
    if (!isError || EXPECTED.some((pattern) => pattern.test(line))) return;
    if (found.length < MOST) found.push(line);
  };
  return {
    feed(bytes: Uint8Array) {
      if (kind !== "postgres") return;
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop()!;
      lines.forEach(take);
    },
    /** The first ones; empty where all went well. */
    list(): string[] {
      if (rest !== "") take(rest);
      return found;
    },
  };
}
