/** `duckback restore ID PATH --in-place`. */
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes, formatDuration } from "../core/units.ts";
import type { Session } from "./session.ts";
import { cell, facts } from "./table.ts";

/** Options of `restore` that say where to or how, and so have no place here. */
interface Others {
  target?: string;
  stop?: boolean;
  stripComponents: number;
  overwrite?: string;
  chown?: string;
  owner: boolean;
}

export async function putBack(
  session: Session,
  id: number | string,
  paths: string[],
  options: Others,
) {
  const { target, stop = false, stripComponents, overwrite, chown, owner } = options;
  const chosen = target ?? overwrite ?? chown;
  if (chosen !== undefined || stripComponents > 0 || !owner || paths.length !== 1) {
    throw new DuckbackError("USAGE", "Cannot restore in place: that takes one path as it was", {
      hint:
        "duckback restore ID PATH --in-place; --target and other options take things elsewhere.",
    });
  }
  if (typeof id === "string") {
    throw new DuckbackError("USAGE", "Cannot restore in place from a file: give a backup's id", {
      hint: "`duckback backup list` shows them; from a file: --target DIR.",
    });
  }
  const { restoreInPlace } = await import("../operations/restore_in_place.ts");
  const ctx = session.context("restore --in-place");
  const { report, ...done } = await restoreInPlace(ctx, { id, path: paths[0], stop });
  session.result(
    { success: true, ...done, ...report },
    () => [
      session.out_style.bold(session.out_style.green(`${cell(done.live)} is back.`)),
      ...facts([
        ["entries", count(report.entries, "entry", "entries")],
        ["size", formatBytes(report.bytes)],
        ["downtime", done.downtime_ms === null ? "" : formatDuration(done.downtime_ms)],
        ["kept", cell(done.kept)],
        ["undo", "duckback rollback --undo"],
      ]),
      ...report.warnings.map((warning) => `  ! ${cell(warning.path)}: ${cell(warning.message)}`),
    ],
    report.warnings.length > 0 ? EXIT_CODES.PARTIAL : 0,
  );
}
