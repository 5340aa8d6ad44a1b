/** What others are told of a run that died: what runs again, and what is still down. */
import type { DuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import type { Journal } from "../repository/journal.ts";
import { announce } from "./announce.ts";
import type { Context } from "./context.ts";
import type { HealthOutcome } from "./health.ts";
import type { Recovery } from "./recover.ts";

/** Told only where services or files had been left in the middle of something. */
export function tellMended(ctx: Context, run: Journal, mended: Recovery): void {
  const { services: started, missing, trees, given_up } = mended;
  const news = { stack: run.stack, backup_id: run.backup_id };
  const down = [...given_up, ...missing];
  const message = [
    `"${run.operation}" of ${run.started_at} died before it was done.`,
    started.length > 0 && `Started again: ${started.join(", ")}`,
    trees.length > 0 && `Put back: ${trees.join(", ")}`,
    missing.length > 0 && `Removed by somebody meanwhile: ${missing.join(", ")}`,
    given_up.length > 0 && `STAYS DOWN, could not be started: ${given_up.join(", ")}`,
  ].filter(Boolean).join("\n");
  if (down.length > 0) {
    const title = `Services of ${run.stack} are down: ${down.join(", ")}`;
    announce(ctx, { ...news, kind: "service_down", title, message });
  } else if (started.length + trees.length > 0) {
    const title = `${run.stack} is as it was before a run that died`;
    announce(ctx, { ...news, kind: "recovered", title, message }, ["service_down"]);
  }
}

/** What a run that died had stopped or half replaced could not be put right. */
export function tellNotMended(ctx: Context, run: Journal, error: DuckbackError): void {
  announce(ctx, {
    kind: "service_down",
    stack: run.stack,
    title: `Services of ${run.stack} may be down: a run died and cannot be mended`,
    message: [error.message, error.hint].filter(Boolean).join("\n"),
    backup_id: run.backup_id,
  });
}

/** A backup whose run died before there was an archive. */
export function tellDied(ctx: Context, record: BackupRecord): void {
  if (record.status !== "failed") return;
  announce(ctx, {
    kind: "backup_failed",
    stack: record.stack,
    title: `Backup of ${record.stack} failed`,
    message: `${record.backup_name}: the run died before it was done.`,
    backup_id: record.id,
  });
}

/** Containers that do not run, and that a journal nobody can read may have listed. */
export function tellMaybeDown(ctx: Context, containers: string[]): void {
  if (containers.length === 0) return;
  announce(ctx, {
    kind: "service_down",
    stack: null,
    title: `Containers may be down: ${containers.join(", ")}`,
    message: "The journal of a run that died cannot be read; these may be what it had stopped.\n" +
      containers.map((name) => `docker start ${name}`).join("\n"),
    backup_id: null,
  });
}

/** What runs again after a run that died, but not well. */
export function tellUnwell(
  ctx: Context,
  stack: string,
  unhealthy: HealthOutcome["unhealthy"],
): void {
  if (unhealthy.length === 0) return;
  const states = unhealthy.map((one) => `${one.container} is ${one.health ?? one.state}`);
  announce(ctx, {
    kind: "service_down",
    stack,
    title: `Services of ${stack} are not well after their start`,
    message: states.join("\n"),
    backup_id: null,
  });
}
