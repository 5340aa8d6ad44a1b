/** `backup prune`: what retention decides, done; and after which backups it is done unasked. */
import { ancestorsOf } from "../core/chain.ts";
import { asDuckbackError, type ErrorData } from "../core/errors.ts";
import type { BackupRecord, Trigger } from "../core/model.ts";
import { count, formatBytes } from "../core/units.ts";
import { decide } from "../retention/decide.ts";
import type { Candidate, Circumstances, Decision, Verdict } from "../retention/policy.ts";
import { bytesOf } from "../retention/size_limit.ts";
import { announce } from "./announce.ts";
import { audited } from "./audit.ts";
import { type Context, keepingCatalog, note, phase, withCatalog } from "./context.ts";
import { beginExclusive } from "./exclusive.ts";
import { removeBackups, removeFiles } from "./removal.ts";
import { candidates, policyOf } from "./retention_policy.ts";
import { currentSettings } from "./settings.ts";

export interface PruneRequest {
  /** Only say what would be removed. */
  dry_run: boolean;
  /** Remove at once what is past its time, however much it is (see lib/retention). */
  force: boolean;
}

/** Of `--stack`, or of all stacks. */
export interface PruneOutcome {
  dry_run: boolean;
  /** One a backup, newest first. */
  verdicts: Verdict[];
  /** Ids of those that are gone (or would be); with their archives. */
  removed: number[];
  /** Ids past their time that stay because they would be too many at once. */
  held: number[];
  freed_bytes: number;
  /** Of all stacks. */
  kept_bytes: number;
  /** By how much they exceed `backup.max_total_bytes`, all that is left being protected. */
  over_limit_bytes: number;
  /** What could not be removed, and why. */
  problems: string[];
}

/** Removes by the policy; takes the lock. Raises LOCKED, CATALOG_WRITE, INTERRUPTED. */
export async function prune(ctx: Context, request: PruneRequest): Promise<PruneOutcome> {
  const choice = { stack: ctx.stack, force: request.force };
  if (request.dry_run) return outcomeOf(await decideNow(ctx, choice), true);
  await using _catalog = keepingCatalog(ctx);
  using _lock = await beginExclusive(ctx);
  return await pruneLocked(ctx, choice, "prune");
}

/** The same for who holds the lock already. */
export async function pruneLocked(
  ctx: Context,
  choice: Choice,
  description: string,
): Promise<PruneOutcome> {
  const action = { type: "prune", description, params: { ...choice } };
  return await audited(ctx, action, async () => {
    phase(ctx, "prune", "Removing backups that are past their time");
    const outcome = outcomeOf(await decideNow(ctx, choice), false);
    await carryOut(ctx, outcome);
    return outcome;
  }, (done) => ({
    status: done.problems.length > 0 ? "partial" : "completed",
    message: [pruneSentence(done), ...done.problems].join("; "),
  }));
}

/** Of which stack (null: of all), whether the brake is off, and what is needed by a run at work. */
type Choice = Pick<Circumstances, "stack" | "force"> & { needed?: number };

async function decideNow(ctx: Context, choice: Choice): Promise<Decision> {
  const settings = await currentSettings(ctx);
  const records = (await candidates(ctx)).map((record) =>
    record.id === choice.needed ? { ...record, pinned: true } : record
  );
  return decide(records, policyOf(settings), {
    now: ctx.now(),
    seen: await withCatalog(ctx, (catalog) => catalog.actions.hours()),
    ...choice,
  });
}

function outcomeOf(decision: Decision, dry_run: boolean): PruneOutcome {
  const going = decision.verdicts.filter(({ action }) => action !== "keep");
  return {
    dry_run,
    ...decision,
    removed: going.filter(({ action }) => action === "remove").map(({ backup }) => backup.id),
    freed_bytes: going.reduce((sum, { backup }) => sum + bytesOf(backup), 0),
    problems: [],
  };
}

async function carryOut(ctx: Context, outcome: PruneOutcome) {
  const chosen = (action: Verdict["action"]) =>
    outcome.verdicts.filter((verdict) => verdict.action === action).map(({ backup }) => backup);
  const all = await withCatalog(ctx, (catalog) => catalog.backups.list());
  const rows = new Map(all.map((record) => [record.id, record]));
  const doomed = childrenFirst(chosen("remove"), all).flatMap(({ id }) => rows.get(id) ?? []);
  const { removed, failures } = await removeBackups(ctx, doomed, all);
  for (const { record, error } of failures) problem(outcome, record, error.toData());
  outcome.removed = removed.map(({ id }) => id);
  outcome.freed_bytes = chosen("remove").filter(({ id }) => outcome.removed.includes(id))
    .reduce((sum, record) => sum + bytesOf(record), 0);
  for (const record of chosen("remove_files")) {
    try {
      removeFiles(record.backup_path);
      outcome.freed_bytes += bytesOf(record);
    } catch (cause) {
      problem(outcome, record, asDuckbackError(cause).toData());
    }
  }
}

/** Of a chain no part ever lies there without what it needs. */
function childrenFirst(records: Candidate[], all: BackupRecord[]): Candidate[] {
  const depth = ({ id }: Candidate) => ancestorsOf(all, id).ancestors.length;
  return records.map((record) => ({ record, at: depth(record) }))
    .sort((one, other) => other.at - one.at || other.record.id - one.record.id)
    .map(({ record }) => record);
}

function problem(outcome: PruneOutcome, record: BackupRecord, { message }: ErrorData) {
  outcome.problems.push(`Backup ${record.id} stays: ${message}`);
}

/** "removed 3 backups, 1.2 GiB freed, 8 stay". */
export function pruneSentence({ removed, freed_bytes, verdicts, held }: PruneOutcome): string {
  const stay = verdicts.length - removed.length;
  const which = removed.length > 0 ? ` (${removed.join(", ")})` : "";
  return `removed ${count(removed.length, "backup")}${which}, ${formatBytes(freed_bytes)} freed, ` +
    `${stay} stay${held.length > 0 ? `, ${held.length} of them held` : ""}`;
}

/**
 * What belongs to the end of a good backup: prunes its stack where `backup.prune_after` says so for this
 * trigger, and returns what was done, else null. Takes the lock unless `locked`. A prune that fails is
 * noted and announced (`prune_failed`), never thrown: the backup is good all the same.
 */
export async function pruneAfter(
  ctx: Context,
  backup: BackupRecord,
  options: { locked: boolean },
): Promise<PruneOutcome | null> {
  try {
    const { "backup.prune_after": after } = await currentSettings(ctx);
    if (backup.status !== "completed" || !isMeant(after, backup.trigger)) return null;
    using _lock = options.locked ? null : await beginExclusive(ctx);
    const choice = { stack: backup.stack, force: false };
    const outcome = await pruneLocked(ctx, choice, `prune after backup ${backup.id}`);
    tell(ctx, backup, outcome);
    return outcome;
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code === "INTERRUPTED") throw error;
    failed(ctx, backup, error.message);
    return null;
  }
}

function isMeant(after: "none" | "auto" | "all", trigger: Trigger): boolean {
  return trigger !== "safety" && (after === "all" || after === "auto" && trigger === "auto");
}

function tell(ctx: Context, backup: BackupRecord, outcome: PruneOutcome) {
  const { removed, held, over_limit_bytes, problems } = outcome;
  if (removed.length > 0) note(ctx, `Retention ${pruneSentence(outcome)}.`);
  if (held.length > 0) {
    note(
      ctx,
      `${
        count(held.length, "backup")
      } past their time stay: that many at once may be a wrong clock. ` +
        "`duckback backup prune --force` removes them.",
      "warning",
    );
  }
  if (over_limit_bytes > 0) {
    const over = formatBytes(over_limit_bytes);
    failed(ctx, backup, `the archives are ${over} over backup.max_total_bytes, and all protected`);
  }
  for (const text of problems) failed(ctx, backup, text);
}

function failed(ctx: Context, backup: BackupRecord, text: string) {
  note(ctx, `Old backups of ${backup.stack} could not be pruned: ${text}`, "warning");
  announce(ctx, {
    kind: "prune_failed",
    stack: backup.stack,
    title: `Old backups of ${backup.stack} could not be pruned`,
    message: text,
    backup_id: backup.id,
  });
}
