/** The daemon's lines: text or JSON, to standard error or to a file that is rotated by size. */
import { getRotatingFileSink } from "@logtape/file";
import { diskError } from "../repository/durable.ts";
import type { Log } from "../schedule/dispatcher.ts";
import { logLines, type Sink } from "./logging.ts";

export interface DaemonLogOptions {
  format: "text" | "json";
  /** Absolute; null for standard error. */
  file: string | null;
  /** Bytes after which a file is put aside as NAME.1. */
  max_bytes: number;
  /** Files put aside that are kept. */
  max_files: number;
  verbose: boolean;
  quiet: boolean;
  /** Leaves the time out: journald notes it itself. */
  timed: boolean;
}

/** Where the daemon tells what it does. Raises where the file cannot be opened. */
export function daemonLog(options: DaemonLogOptions, write: (text: string) => void): Log {
  const sink: Sink = options.file === null
    ? (line) => write(`${line}\n`)
    : fileSink(options.file, options);
  return logLines(sink, options);
}

function fileSink(path: string, { max_bytes, max_files }: DaemonLogOptions): Sink {
  try {
    const sink = getRotatingFileSink(path, {
      maxSize: max_bytes,
      maxFiles: max_files,
      bufferSize: 0, // each line at once: the daemon may be killed
      formatter: (record) => `${record.message.join("")}\n`,
    });
    return (line, record) => sink({ ...record, message: [line] });
  } catch (cause) {
    throw diskError(`Cannot open log file "${path}"`, cause);
  }
}
