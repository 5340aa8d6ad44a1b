/** How the end of `backup verify` looks to people, and its exit code. */
import { EXIT_CODES } from "../core/errors.ts";
import { count, formatBytes, formatDuration } from "../core/units.ts";
import type { VerifyResult } from "../operations/verify.ts";
import type { Style } from "./style.ts";
import { cell } from "./table.ts";

/**
 * 12 where an archive is broken, before 1 where all are sound and a drill failed, before 3 where
 * something beside an archive is not as it should be.
 */
export function verifyCode(results: VerifyResult[]): number {
  const bad = results.filter(({ ok }) => !ok);
  if (bad.some((result) => !result.archive_ok)) return EXIT_CODES.ARCHIVE_CORRUPT;
  if (bad.length > 0) return EXIT_CODES.DRILL_FAILED;
  return results.some(({ problems }) => problems.length > 0) ? EXIT_CODES.PARTIAL : 0;
}

export function verifyLines(results: VerifyResult[], style: Style): string[] {
  if (results.length === 0) return ["There is no archive to verify."];
  return results.flatMap((result) => [
    `${word(result, style)}  ${result.id}  ${cell(result.backup_name)}${foundText(result)}`,
    ...(result.error?.message ?? "").split("\n").filter((line) => line !== "")
      .map((line) => `      ${cell(line)}`),
    ...(result.error?.hint ? [`      ${cell(result.error.hint)}`] : []),
    ...result.problems.map((problem) => style.yellow(`    ! ${cell(problem)}`)),
    ...(result.drill?.left_out ?? []).map((text) => style.dim(`      ${cell(text)}`)),
  ]);
}

function word(result: VerifyResult, style: Style): string {
  if (result.ok) return style.green("good ");
  return style.red(result.archive_ok ? "FAILED" : "BAD  ");
}

function foundText({ ok, entries, bytes, drill }: VerifyResult): string {
  if (!ok) return "";
  if (entries === null) return "  size and SHA-256 as recorded";
  const read = `  ${count(entries, "entry", "entries")}, ${formatBytes(bytes ?? 0)}`;
  if (drill === null) return read;
  const up = drill.services.length === 0 ? "restored" : `${drill.services.map(cell).join(", ")} up`;
  const checks = drill.commands.length === 0
    ? ""
    : `, duckback.drill of ${drill.commands.map(cell).join(", ")} passed`;
  return `${read}; ${up} within ${formatDuration(drill.seconds * 1000)}${checks}`;
}
