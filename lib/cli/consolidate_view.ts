/** How a consolidation looks to people. */
import { formatBytes } from "../core/units.ts";
import type { ConsolidateOutcome } from "../operations/consolidate.ts";
import { backupLines } from "./backup_view.ts";
import type { Style } from "./style.ts";

/** The end of `backup consolidate`. */
export function consolidateLines(outcome: ConsolidateOutcome, style: Style): string[] {
  const { backup, problems, copied_bytes } = outcome;
  const share = Math.floor(100 * copied_bytes / (backup.backup_size || 1));
  return [
    ...backupLines({ backup, problems, health: null, notes: [] }, style),
    `  ${share} % of it are blocks that were copied as they were.`,
    ...whatMayGo(outcome),
  ];
}

/** Nothing is said of backups that the catalogue does not know. */
function whatMayGo({ chain, needed_by }: ConsolidateOutcome): string[] {
  const ids = chain.map(({ id }) => id).filter((id) => id !== null);
  if (ids.length < chain.length) return [];
  const last = ids.at(-1);
  if (needed_by.length > 0) {
    const [many, need] = needed_by.length > 1 ? ["backups", "need"] : ["backup", "needs"];
    return [
      `Backup ${last} is not needed for this one; ${many} ${needed_by.join(", ")} still ${need} ` +
      `backup ${ids[0]}.`,
    ];
  }
  const bytes = chain.reduce((sum, part) => sum + part.bytes, 0);
  return [
    `It needs none of backups ${ids.join(", ")} (${formatBytes(bytes)}). If you do not either: ` +
    `duckback backup delete --id ${ids[0]} --cascade`,
  ];
}
