/** The catalogue row of a backup from `running` to its end, with the sidecar beside its archive. */
import type { Amend, ArchiveResult, ArchiveSummary } from "../archive/archive_options.ts";
import type { NewBackup } from "../catalog/types.ts";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord, Suspicion, Warning } from "../core/model.ts";
import type { StartReport } from "../docker/quiesce.ts";
import * as posix from "../posix/mod.ts";
import { removeQuietly } from "../repository/durable.ts";
import { droppedRowsPath, manifestPath, sidecarPath } from "../repository/naming.ts";
import { writeSidecar } from "../repository/sidecar.ts";
import { TextFile } from "../repository/text_file.ts";
import type { BackupPlan } from "./backup_plan.ts";
import type { Context } from "./context.ts";
import { note, withCatalog } from "./context.ts";
import type { HealthOutcome } from "./health.ts";
import { list, type Quiesced } from "./quiesced.ts";
import type { Output } from "./write_archive.ts";

/** Warnings of files that somebody writes to while they are read. */
const EXPECTED = ["FILE_CHANGED", "FILE_VANISHED"];

/** A record in the making. `problems` are sentences for people: why it is not simply `completed`. */
export class RunningRecord {
  readonly problems: string[] = [];
  /** Says whether an archive path is one of a dumped database's own files. */
  dumped: (path: string) => boolean = () => false;
  #summary: ArchiveSummary | null = null;

  constructor(public record: BackupRecord, readonly metadata: BackupMetadata) {}

  /** Content of `.duckback/backup.json`: the record as known at the start. */
  firstEntry() {
    return { format: "duckback-archive-1", ...this.record, backup_metadata: this.metadata };
  }

  /** Content of `.duckback/result.json`: what is known once the last file is in. */
  lastEntry(found: ArchiveResult, now: Date) {
    const warnings = this.#excused(found.warnings);
    const problems = [...this.problems, ...incompleteness(warnings)];
    return {
      format: "duckback-result-1",
      archived_at: now.toISOString(),
      status: problems.length > 0 ? "partial" : "completed",
      error_message: problems.length > 0 ? problems.join("; ") : null,
      file_count: found.file_count,
      entry_count: found.entry_count,
      source_bytes: found.source_bytes,
      downtime_ms: this.record.downtime_ms,
      consistency: this.metadata.consistency,
      warnings: [...this.record.warnings, ...warnings],
    };
  }

  noteArchive(found: ArchiveSummary) {
    const summary = { ...found, warnings: this.#excused(found.warnings) };
    this.#summary = summary;
    if (found.increment !== null) this.metadata.stored = found.increment.stored;
    this.record.warnings.push(...summary.warnings);
    this.problems.push(...incompleteness(summary.warnings));
  }

  /** A dumped database's own files may change while they are read: its dump is what counts. */
  #excused(warnings: Warning[]): Warning[] {
    return warnings.map((warning) =>
      EXPECTED.includes(warning.code) && this.dumped(warning.path)
        ? { ...warning, message: `${warning.message}; its dump counts`, incomplete: false }
        : warning
    );
  }

  /** Rows of the parent's manifest that do not hold any more; null without a parent. */
  get dropped(): number[] | null {
    return this.#summary!.increment?.dropped ?? null;
  }

  /** Where the manifest's rows must be changed, how; else null. */
  get amend(): Amend | null {
    return this.#summary!.amend;
  }

  /** Marks what makes the data less than cleanly closed. */
  noteResume(report: StartReport, quiesced: Quiesced) {
    for (const name of quiesced.killed) {
      this.warn("SERVICE_KILLED", name, "did not end on its stop signal and was killed", false);
    }
    for (const name of report.missing) {
      this.warn("SERVICE_GONE", name, "was removed by somebody and could not be started", false);
      this.problems.push(`${name} was removed by somebody and could not be started`);
    }
    const meanwhile = report.started_meanwhile;
    if (meanwhile.length === 0) return;
    this.metadata.consistency = "killed";
    for (const name of meanwhile) {
      this.warn(
        "SERVICE_STARTED",
        name,
        "was started by somebody while the archive was made",
        true,
      );
    }
    this.problems.push(`${list(meanwhile)} ran while the archive was made`);
  }

  /** What `duckback.post` commands failed with. */
  noteHooks(problems: string[]) {
    for (const problem of problems) {
      this.warn("HOOK_FAILED", this.record.stack, problem, false);
      this.problems.push(problem);
    }
  }

  serviceDown(message: string) {
    this.warn("SERVICE_DOWN", this.record.stack, message, false);
    this.problems.push(message);
  }

  /** Waited for last; a service that is not well makes the run `partial`. */
  async noteHealth(ctx: Context, outcome: HealthOutcome | null): Promise<HealthOutcome | null> {
    if (!outcome) return outcome;
    const well = outcome.started_again.filter((name) => outcome.healthy.includes(name));
    for (const name of well) {
      this.warn(
        "STARTED_AGAIN",
        name,
        "was not well after its start, and is after a second",
        false,
      );
    }
    if (outcome.unhealthy.length === 0) {
      if (well.length > 0) await save(ctx, this);
      return outcome;
    }
    for (const service of outcome.unhealthy) {
      const state = service.health ?? service.state;
      this.warn("SERVICE_UNHEALTHY", service.service, `is ${state} after its start`, false);
      this.problems.push(`Service ${service.service} is ${state} after its start`);
    }
    this.record.status = "partial";
    this.record.error_message = this.problems.join("; ");
    await save(ctx, this);
    return outcome;
  }

  warn(code: string, path: string, message: string, incomplete: boolean) {
    this.record.warnings.push({ code, path, message, incomplete } satisfies Warning);
  }

  /** Settles everything but the archive's durability. */
  settle(now: Date) {
    const summary = this.#summary!;
    Object.assign(this.record, {
      status: this.problems.length > 0 ? "partial" : "completed",
      error_message: this.problems.length > 0 ? this.problems.join("; ") : null,
      backup_size: summary.archive_bytes,
      backup_hash: summary.sha256,
      file_count: summary.file_count,
      source_bytes: summary.source_bytes,
      backup_metadata: this.metadata,
      completed_at: now.toISOString(),
      duration_ms: now.getTime() - Date.parse(this.record.started_at!),
    });
  }
}

/** Why an archive with these warnings does not hold all it should, in a sentence; none where it does. */
function incompleteness(warnings: Warning[]): string[] {
  const missing = warnings.filter((warning) => warning.incomplete);
  if (missing.length === 0) return [];
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : "";
  return [`${missing[0].path}: ${missing[0].message}${more}`];
}

/** Of a row whose archive nobody has read back yet. */
export const NOT_PROVED = {
  verify_status: null,
  verified_at: null,
  verify_level: null,
  drill_status: null,
  drilled_at: null,
  drill_seconds: null,
} as const;

/** Writes the row `running`, before anything is touched. */
export async function beginRecord(
  ctx: Context,
  plan: BackupPlan,
  metadata: BackupMetadata,
): Promise<RunningRecord> {
  const now = ctx.now();
  const at = now.toISOString();
  const { expires_days } = plan.request;
  const row: NewBackup = {
    backup_name: plan.name,
    backup_type: plan.type,
    source_version: plan.request.version,
    backup_path: plan.path,
    backup_size: null,
    file_count: null,
    compression_type: plan.compression,
    backup_hash: null,
    description: plan.request.description,
    backup_metadata: metadata,
    created_at: at,
    expires_at: expires_days === null
      ? null
      : new Date(now.getTime() + expires_days * 86_400_000).toISOString(),
    trigger: plan.request.trigger,
    status: "running",
    stack: plan.stack.name,
    parent_id: plan.parent?.id ?? null,
    started_at: at,
    completed_at: null,
    duration_ms: null,
    downtime_ms: null,
    source_bytes: null,
    error_message: null,
    warnings: [...plan.warnings],
    ...NOT_PROVED,
    pinned: false,
    suspicion: null,
    suspicion_cleared_at: null,
  };
  const record = await withCatalog(ctx, (catalog) => catalog.backups.insert(row));
  return new RunningRecord(record, metadata);
}

/**
 * Manifest and sidecar first, then the archive's rename, then the row: the rename is the moment at
 * which the backup exists, and everything that describes it is on disk by then. Where the row cannot
 * be written, the backup stands and the next start takes it in from the sidecar.
 */
export async function complete(
  ctx: Context,
  plan: BackupPlan,
  running: RunningRecord,
  output: Output,
) {
  const { manifest, manifest_path } = output;
  if (manifest === null || manifest_path === null) return await settle(ctx, running, output, null);
  await settle(ctx, running, output, async () => {
    const { amendManifestLine, writeManifest } = await import("../catalog/manifest.ts");
    const { amend } = running;
    if (amend) manifest.rewrite((line) => amendManifestLine(line, amend));
    manifest.flush();
    using base = baseOf(plan, running);
    await writeManifest(manifest.path, manifest_path, plan.name, base);
  });
}

/** The same for whatever writes the manifest; null for an archive that has none, nor a record beside it. */
export async function settle(
  ctx: Context,
  running: RunningRecord,
  archive: { finish(): void },
  writeManifest: (() => Promise<void>) | null,
) {
  running.settle(ctx.now());
  if (writeManifest !== null) {
    await writeManifest();
    posix.fsyncPath(manifestPath(running.record.backup_path));
    writeSidecar(running.record);
  }
  archive.finish();
  await save(ctx, running, { quiet_sidecar: true });
}

/** What the manifest has in common with the parent's. */
function baseOf({ parent, path }: BackupPlan, { dropped }: RunningRecord) {
  if (parent === null || dropped === null) return null;
  const rows = dropped.length === 0 ? null : TextFile.create(droppedRowsPath(path));
  for (const row of dropped) rows?.append(`${row}\n`);
  rows?.flush();
  return {
    parquet: manifestPath(parent.backup_path),
    dropped: rows?.path ?? null,
    [Symbol.dispose]: () => rows?.[Symbol.dispose](),
  };
}

/** Records the verdict of `check`; a backup that fails it is `failed`, and the error is thrown on. */
export async function recordVerification(
  ctx: Context,
  running: RunningRecord,
  check: () => Promise<unknown>,
) {
  try {
    await check();
    running.record.verify_status = "passed";
    running.record.verified_at = ctx.now().toISOString();
    running.record.verify_level = "full";
  } catch (cause) {
    const error = asDuckbackError(cause);
    if (error.code === "INTERRUPTED") throw notVerified(running.record.id, error);
    running.record.verify_status = "failed";
    running.record.verified_at = ctx.now().toISOString();
    running.record.verify_level = "full";
    running.record.status = "failed";
    running.record.error_message = `${error.code}: ${error.message}`;
    await save(ctx, running);
    throw error;
  }
  await save(ctx, running);
}

/** Notes in row and sidecar what is suspicious; the backup is none the worse for it. */
export async function recordSuspicion(ctx: Context, running: RunningRecord, found: Suspicion[]) {
  running.record.suspicion = found;
  await save(ctx, running);
}

/** By then the archive is durable and the services run: the signal has cost the proof alone. */
function notVerified(id: number, cause: DuckbackError): DuckbackError {
  return new DuckbackError(
    "INTERRUPTED",
    `Interrupted by a signal: backup ${id} is complete, but was not read back`,
    { cause, hint: `Read it back with: duckback backup verify ${id}` },
  );
}

/** Brings sidecar and row up to date. A catalogue that cannot be written is a problem, not a failure. */
async function save(
  ctx: Context,
  running: RunningRecord,
  options: { quiet_sidecar?: boolean } = {},
) {
  const { id, ...row } = running.record;
  const problem = (what: string, cause: unknown) => {
    const text = `${what}: ${asDuckbackError(cause).message}`;
    if (!running.problems.includes(text)) running.problems.push(text);
    note(ctx, text, "warning");
  };
  if (row.backup_path !== "-" && !options.quiet_sidecar) {
    try {
      writeSidecar(running.record);
    } catch (cause) {
      problem("The record beside the archive could not be updated", cause);
    }
  }
  try {
    await withCatalog(ctx, (catalog) => catalog.backups.update(id, row));
  } catch (cause) {
    problem(
      "The archive is complete, but the catalogue could not be written (the next start takes it in)",
      cause,
    );
  }
}

/** The row says failed and why; nothing of the archive is left under its final name. */
export async function fail(ctx: Context, running: RunningRecord, error: DuckbackError) {
  const now = ctx.now();
  if (running.record.backup_path !== "-") {
    removeQuietly(manifestPath(running.record.backup_path));
    removeQuietly(sidecarPath(running.record.backup_path));
  }
  try {
    await withCatalog(ctx, (catalog) =>
      catalog.backups.update(running.record.id, {
        status: "failed",
        error_message: `${error.code}: ${error.message}`,
        warnings: running.record.warnings,
        backup_metadata: running.metadata,
        downtime_ms: running.record.downtime_ms,
        completed_at: now.toISOString(),
        duration_ms: now.getTime() - Date.parse(running.record.started_at!),
      }));
  } catch (cause) {
    note(
      ctx,
      `The failure could not be recorded (the next start does it): ${
        asDuckbackError(cause).message
      }`,
      "warning",
    );
  }
}
