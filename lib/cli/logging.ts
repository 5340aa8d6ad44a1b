/** Log lines for people on standard error. The library only says; here it is decided who hears it. */
import {
  configureSync,
  getLogger,
  type Logger,
  type LogLevel,
  type LogRecord,
} from "@logtape/logtape";
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

/** Takes a line as it is to be written, and the record it was made of. */
export type Sink = (line: string, record: LogRecord) => void;

/**
 * A log of a process that nobody watches: each line with its time, as text or as a JSON object. A sink
 * that fails (a full disk) costs the line and nothing else.
 */
export function logLines(
  sink: Sink,
  options: { format: "text" | "json"; verbose: boolean; quiet: boolean; timed: boolean },
): (level: LogLevel, text: string, fields?: Record<string, unknown>) => void {
  const verbosity = options.quiet ? "quiet" : options.verbose ? "verbose" : "normal";
  const line = options.format === "json" ? jsonLine : options.timed ? timedLine : plainLine;
  configureSync({
    reset: true,
    sinks: { lines: (record) => sink(line(record), record) },
    loggers: [
      { category: "duckback", sinks: ["lines"], lowestLevel: LOWEST[verbosity] },
      { category: ["logtape", "meta"], sinks: [] },
    ],
  });
  const logger = getLogger("duckback");
  return (level, text, fields = {}) => logger[level]("{text}", { ...fields, text });
}

function jsonLine({ timestamp, level, properties }: LogRecord): string {
  const { text, ...fields } = properties;
  return JSON.stringify({ time: new Date(timestamp).toISOString(), level, text, ...fields });
}

function plainLine({ level, properties }: LogRecord): string {
  const text = printable(String(properties.text));
  return level === "info" || level === "debug" ? text : `${level}: ${text}`;
}

function timedLine(record: LogRecord): string {
  return `${new Date(record.timestamp).toISOString()} ${plainLine(record)}`;
}

const LOWEST = { verbose: "debug", normal: "info", quiet: "warning" } as const;

function format(record: LogRecord, style: Style): string {
  const text = printable(record.message.join(""));
  return record.level === "warning" ? `${style.yellow("warning:")} ${text}` : style.dim(text);
}
