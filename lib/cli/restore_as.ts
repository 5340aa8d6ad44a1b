/** `duckback restore ID|FILE --as NAME`. */
import { resolve } from "node:path";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes } from "../core/units.ts";
import type { RestoreAsOutcome } from "../operations/restore_as.ts";
import type { Session } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, facts } from "./table.ts";

/** Options of `restore` that go with `--as`, and whether one was given that does not. */
export interface AsOptions {
  name: string;
  target: string | undefined;
  external_in_place: boolean;
  allow_devices: boolean;
  others: boolean;
}

export async function restoreElsewhere(session: Session, from: number | string, given: AsOptions) {
  const { name, external_in_place, allow_devices, others } = given;
  if (others) {
    throw new DuckbackError("USAGE", "Cannot restore parts of a backup as another stack", {
      hint: "--as takes all of it; --target, --external-in-place and --allow-devices go with it.",
    });
  }
  const { restoreAs } = await import("../operations/restore_as.ts");
  const target = resolve(session.terminal.cwd, given.target ?? name);
  const request = { from, name, target, external_in_place, allow_devices };
  const outcome = await restoreAs(session.context("restore --as"), request);
  const { report, ...done } = outcome;
  const incomplete = report.warnings.length + done.problems.length > 0;
  session.result(
    { success: true, ...done, ...report },
    () => asLines(outcome, session.out_style),
    incomplete ? EXIT_CODES.PARTIAL : 0,
  );
}

const IMAGE_STATE = {
  here: "here",
  other: "ANOTHER IMAGE has this name here",
  missing: "MISSING here",
  unknown: "not looked for: no Docker engine answers",
};

function asLines(done: RestoreAsOutcome, style: Style): string[] {
  const { report } = done;
  return [
    style.bold(style.green(`${cell(done.from_stack)} is stack ${done.stack} now.`)),
    ...facts([
      ["directory", cell(done.work_dir)],
      ["entries", `${count(report.entries, "entry", "entries")}, ${formatBytes(report.bytes)}`],
      ...done.volumes.map(({ name, from }): [string, string] => [
        "volume",
        cell(name) + (name === from ? "" : ` (was ${cell(from)})`),
      ]),
      ...done.in_place.map(({ to }): [string, string] => ["back at", cell(to)]),
      ...done.images.map(({ image, services, state }): [string, string] => [
        "image",
        `${cell(image)} (${services.map(cell).join(", ")}): ${IMAGE_STATE[state]}`,
      ]),
    ]),
    ...done.adapt.map((text) => style.yellow(`  ! ${cell(text)}`)),
    ...done.problems.map((text) => style.yellow(`  ! ${cell(text)}`)),
    ...report.warnings.map(({ path, message }) => `  ! ${cell(path)}: ${cell(message)}`),
    ...done.next.length > 0 ? ["", "Next:", ...done.next.map((line) => `  ${cell(line)}`)] : [],
  ];
}
