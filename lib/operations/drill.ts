/**
 * A drill: a backup is restored for real, beside the live stack and out of its reach. Its files go to a
 * scratch directory and scratch volumes; its services start from the images they had, in a network with
 * no way out; then its own commands say whether all is as it should be. Nothing of it is left.
 */
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, BackupRecord } from "../core/model.ts";
import { count, formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import type { Engine } from "../docker/engine.ts";
import type { Context } from "./context.ts";
import { connect, note, openJournal, phase } from "./context.ts";
import { DrillPlace } from "./drill_place.ts";
import { drilledStack, isUp, requireImages } from "./drill_stack.ts";
import { type DrillRun, runDrillCommands, startServices } from "./drill_start.ts";
import { extractBackup } from "./extract_backup.ts";
import { describedBy } from "./rollback_plan.ts";
import { currentSettings } from "./settings.ts";

export interface DrillReport {
  /** Measured time to recovery: from the first byte read to all services healthy. */
  seconds: number;
  entries: number;
  bytes: number;
  /** Services that were started. */
  services: string[];
  /** Those whose `duckback.drill` ran. */
  commands: string[];
  /** Sentences on what the drill does not show. */
  left_out: string[];
}

/** Where the setting asks not to wait for health, a drill waits so long all the same. */
const DEFAULT_TIMEOUT_MS = 60_000;

/**
 * Drills a backup whose archive was proved; `since` is when its first byte was read, on
 * performance.now()'s clock. Raises DRILL_FAILED, DISK_FULL, DOCKER_UNREACHABLE, INTERRUPTED and what
 * `extractBackup` raises; what it made is gone by then.
 */
export async function drill(
  ctx: Context,
  record: BackupRecord,
  since: number,
): Promise<DrillReport> {
  const metadata = record.backup_metadata ?? await describedBy(record.backup_path);
  const settings = await currentSettings(ctx);
  const runs = metadata.services.some(isUp);
  const has_volumes = metadata.sources.some(({ kind }) => kind === "volume");
  const engine = runs || has_volumes ? await connect(ctx) : null;
  const parent = settings["drill.directory"];
  await requireRoom(record, metadata, parent, engine);
  const journal = openJournal(ctx, {
    kind: "drill",
    stack: record.stack,
    work_dir: metadata.work_dir,
    backup_id: record.id,
  });
  try {
    await using place = await DrillPlace.begin(ctx, engine, parent, metadata, journal);
    phase(ctx, "extract", `Restoring ${record.backup_name} for a drill`);
    const { entries, bytes } = await extractBackup(ctx, record, {
      routes: place.routes,
      allow_devices: posix.effectiveIds().uid === 0,
    });
    const restored = { entries, bytes };
    if (!runs || engine === null) {
      return { ...restored, seconds: secondsSince(since), ...NOTHING_STARTED };
    }
    const { services, left_out } = await drilledStack(record, place, ctx.env);
    const names = new Set(services.map(({ name }) => name));
    await requireImages(
      record,
      metadata.services.filter(({ service }) => names.has(service)),
      engine,
    );
    const run: DrillRun = {
      engine,
      place,
      services,
      dumps: (metadata.dumps ?? []).filter(({ service }) => names.has(service)),
      timeout_ms: settings["backup.health_timeout_seconds"] * 1000 || DEFAULT_TIMEOUT_MS,
      backup_id: record.id,
    };
    left_out.push(...await startServices(ctx, run));
    const seconds = secondsSince(since);
    note(ctx, `${count(services.length, "service")} of backup ${record.id} came up.`);
    const commands = await runDrillCommands(ctx, run);
    return { ...restored, seconds, services: [...names], commands, left_out };
  } finally {
    journal.finish();
  }
}

const NOTHING_STARTED = {
  services: [],
  commands: [],
  left_out: [
    "no service ran when the backup was made: its files were restored, nothing was started",
  ],
};

function secondsSince(since: number): number {
  return Math.round(performance.now() - since) / 1000;
}

/** Files take whole blocks of this many bytes, as on most file systems. */
const BLOCK = 4096;

/**
 * Raises DISK_FULL where the whole backup does not fit on one of the disks that take a part of it:
 * a drill must not fill the disk that the live stack works on.
 */
async function requireRoom(
  record: BackupRecord,
  metadata: BackupMetadata,
  parent: string,
  engine: Engine | null,
) {
  const needed = (record.source_bytes ?? 0) + (record.file_count ?? 0) * BLOCK;
  const onlyVolumes = metadata.sources.every(({ kind }) => kind === "volume");
  const places = onlyVolumes ? [] : [parent];
  if (engine !== null) places.push((await engine.info()).root_dir);
  for (const path of places) {
    const free = posix.freeSpace(nearest(path));
    if (needed <= free) continue;
    throw new DuckbackError(
      "DISK_FULL",
      `Cannot drill backup ${record.id}: it takes ${formatBytes(needed)}, ` +
        `${formatBytes(free)} are free in "${path}"`,
      {
        hint: path === parent
          ? "Choose a place with more room: duckback config set drill.directory DIR"
          : "Free some space: volumes of a drill lie in the Docker engine's directory.",
      },
    );
  }
}

function nearest(path: string): string {
  let place = path;
  while (posix.statxIfExists(place, { follow: true }) === null) {
    place = place.slice(0, place.lastIndexOf("/")) || "/";
  }
  return place;
}
