/** Log lines for people on standard error. The library only says; here it is decided who hears it. */
import { configureSync, getLogger, type Logger, type LogRecord } from "@logtape/logtape";
import { printable } from "../core/paths.ts";
import type { Style } from "./style.ts";

/** Which lines are shown: all, the usual ones, or warnings only. */
export type Verbosity = "verbose" | "normal" | "quiet";

/** A logger whose lines go to `write`: plain for information, marked for warnings. */
export function logTo(write: (line: string) => void, style: Style, verbosity: Verbosity): Logger {
  configureSync({
    reset: true,
    sinks: { stderr: (record) => write(format(record, style)) },
    loggers: [
      { category: "duckback", sinks: ["stderr"], lowestLevel: LOWEST[verbosity] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  return getLogger("duckback");
}

const LOWEST = { verbose: "debug", normal: "info", quiet: "warning" } as const;

function format(record: LogRecord, style: Style): string {
  const text = printable(record.message.join(""));
  return record.level === "warning" ? `${style.yellow("warning:")} ${text}` : style.dim(text);
}
