/** An upgrade whose run died: its row gets an end, what it had begun to bring back is brought back. */
import type { UpgradePatch } from "../catalog/types.ts";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { JournalFile, PendingUpgrade } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { note, withCatalog } from "./context.ts";
import { connectPatiently } from "./dead_services.ts";
import { bringBack, type StackBefore } from "./old_containers.ts";
import type { RecoverOptions, Recovery } from "./recover.ts";
import { groupLives, processStart } from "./run_command.ts";
import { currentSettings } from "./settings.ts";

/**
 * Called once trees and services of the journal are mended. Raises START_FAILED where the containers of
 * an upgrade that was rolled back cannot be made anew, unless that is given up.
 */
export async function settleUpgrade(
  ctx: Context,
  journal: JournalFile,
  recovery: Recovery,
  options: RecoverOptions,
) {
  const pending = journal.data.upgrade;
  if (!pending) return;
  const end = pending.phase === "containers"
    ? await finishRollback(ctx, journal, pending, recovery, options)
    : leftAsItIs(journal, pending);
  const { status, error_message } = end;
  const message = `The upgrade of ${journal.data.stack} to ${pending.to_version} is ${status}: ` +
    `${error_message ?? pending.reason}`;
  note(ctx, message, "warning");
  recovery.upgrades.push({ id: pending.id, status: status!, message });
  await record(ctx, pending.id, end);
  journal.save({ upgrade: null });
}

/** Files and data are the old ones: so must be the containers. */
async function finishRollback(
  ctx: Context,
  journal: JournalFile,
  pending: PendingUpgrade,
  recovery: Recovery,
  options: RecoverOptions,
): Promise<UpgradePatch> {
  const before = pending.before as StackBefore;
  const settings = await currentSettings(ctx);
  const rolled_back = { status: "ROLLED_BACK" as const, rollback_reason: pending.reason };
  try {
    if (before.ran.length === 0) return rolled_back;
    const engine = await connectPatiently(ctx, journal);
    await bringBack(ctx, engine, before, {
      timeout_ms: settings["backup.health_timeout_seconds"] * 1000,
      onOutput: () => {},
    });
    recovery.services.push(...before.ran.map(({ name }) => name));
    return rolled_back;
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code === "UNHEALTHY") {
      const unhealthy = error.details.unhealthy as { container: string }[];
      recovery.unhealthy.push(...unhealthy.map(({ container }) => container));
      return { ...rolled_back, error_message: error.message };
    }
    if (error.code !== "START_FAILED") throw cause;
    if (options.give_up) {
      recovery.given_up.push(...before.ran.map(({ name }) => name));
      return { ...rolled_back, status: "FAILED", error_message: error.message };
    }
    throw new DuckbackError(error.code, error.message, {
      cause,
      hint:
        `${error.hint}; then: duckback recover (or leave them down: duckback recover --give-up)`,
      details: error.details,
    });
  }
}

/** Nothing of it can be carried on with: what the command did until then stays. */
function leftAsItIs(journal: JournalFile, pending: PendingUpgrade): UpgradePatch {
  const { phase, process, backup_id } = pending;
  const died = phase === "rollback"
    ? `its run died while it went back (${pending.reason})`
    : "its run died before the services were known to be well";
  const runs = process !== null && processStart(process.pid) === process.started ||
      process !== null && groupLives(process.pid)
    ? `. Its command still runs (process ${process.pid})`
    : "";
  const back = backup_id === null
    ? "no backup was made before it"
    : `to go back: duckback rollback ${backup_id} --rollback-data --stack ${journal.data.stack}, then ` +
      "docker compose up -d";
  return {
    status: "FAILED",
    error_message: `${died}${runs}. The stack is as the command left it; ${back}`,
  };
}

async function record(ctx: Context, id: number, end: UpgradePatch) {
  try {
    await withCatalog(
      ctx,
      ({ upgrades }) => upgrades.update(id, { ...end, completed_at: ctx.now().toISOString() }),
    );
  } catch (cause) {
    const text = asDuckbackError(cause).message;
    note(ctx, `The end of an upgrade could not be recorded: ${text}`, "warning");
  }
}
