/** What a long operation tells whoever watches: one callback, plain events, no rendering. */

/** Phases of the operations, in the words shown to people. */
export type Phase =
  | "recover"
  | "preflight"
  | "measure"
  | "hooks"
  | "dump"
  | "stop"
  | "archive"
  | "start"
  | "health"
  | "finish"
  | "verify"
  | "safety"
  | "extract"
  | "restore"
  | "swap"
  | "prune"
  | "drill"
  | "move"
  | "notify"
  | "upgrade";

export type ProgressEvent =
  | { type: "phase"; phase: Phase; text: string }
  /** Totals so far in the current phase; `total_bytes` is 0 where unknown. */
  | { type: "progress"; bytes: number; total_bytes: number; files: number; total_files: number }
  | { type: "note"; level: "info" | "warning"; text: string };

export type ProgressSink = (event: ProgressEvent) => void;

/** For callers nobody watches. */
export const silent: ProgressSink = () => {};
