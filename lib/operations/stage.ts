/** Extracts what a rollback brings in beside the live trees, services running; nothing live is touched. */
import type { ExtractReport } from "../archive/extract.ts";
import { DuckbackError } from "../core/errors.ts";
import { count } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import { diskError } from "../repository/durable.ts";
import type { JournalFile, SwapStep } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import { extractBackup } from "./extract_backup.ts";
import { treeOnDisk } from "./file_tree.ts";
import type { RollbackPlan } from "./rollback_plan.ts";
import { makeStaging, noteStaged, planSwap, removeStaging, stagedPath } from "./swap.ts";
import { stepsAround } from "./swap_around.ts";
import { databasesThenAndNow, type Difference } from "./then_and_now.ts";

export interface Staged {
  report: ExtractReport;
  /** Databases that do not fit their services' images. */
  differences: Difference[];
}

/**
 * Extracts each source beside (or inside) its live tree and journals the swaps. Raises what
 * `extractBackup` raises, and RESTORE_FAILED where the archive holds nothing of a source.
 */
export async function stage(
  ctx: Context,
  plan: RollbackPlan,
  journal: JournalFile,
): Promise<Staged> {
  phase(ctx, "extract", `Extracting ${count(plan.targets.length, "source")}`);
  const id = String(plan.record.id) + "-" + ctx.now().getTime();
  try {
    plan.targets.forEach((target, n) => {
      posix.mkdirAll(target.live.slice(0, target.live.lastIndexOf("/")) || "/", 0o755);
      addSwap(journal, planSwap(id, n, target, plan.keep));
    });
  } catch (cause) {
    throw diskError("Cannot prepare the restore", cause);
  }
  const steps = [...journal.data.swaps];
  const report = await extractBackup(ctx, plan.record, {
    routes: plan.targets.map((target, n) => ({
      from: target.source.archive_path,
      to: stagedPath(steps[n]),
    })),
    // What was there comes back; only root can make device nodes, and only root could have had any.
    allow_devices: posix.effectiveIds().uid === 0,
  });
  for (const step of steps) {
    if (posix.statxIfExists(stagedPath(step)) === null) {
      throw new DuckbackError(
        "RESTORE_FAILED",
        `Cannot restore "${step.name}": the archive holds nothing of it`,
        { hint: "Nothing was changed. `duckback backup show` tells what the archive lacks." },
      );
    }
    noteStaged(step);
  }
  const trees = plan.targets.map((target, n) => ({
    ...target,
    tree: treeOnDisk(stagedPath(steps[n])),
  }));
  const differences = await databasesThenAndNow(trees, plan.stack, plan.engine);
  for (const step of steps) {
    for (const inner of stepsAround(id, journal.data.swaps.length, step, plan.keep)) {
      addSwap(journal, inner);
    }
  }
  journal.save();
  return { report, differences };
}

/** Notes a swap before its staging directory is made, so that no crash leaves one nobody knows of. */
export function addSwap(journal: JournalFile, step: SwapStep) {
  journal.data.swaps.push(step);
  journal.save();
  makeStaging(step, () => journal.save());
}

/** Removes what was extracted, unless a swap could not be taken back: then `recover` needs it. */
export async function dropStaging(journal: JournalFile) {
  const { committed, swaps } = journal.data;
  if (committed || swaps.some((step) => step.phase !== "staged")) return;
  await removeStaging(swaps);
  journal.save({ swaps: [] });
}
