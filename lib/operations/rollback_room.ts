/** The space that a rollback needs beside the live trees, by file system: asked before it writes anything. */
import { dirname } from "node:path";
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import { formatBytes } from "../core/units.ts";
import * as posix from "../posix/mod.ts";
import type { Context } from "./context.ts";
import { visitIncoming } from "./incoming.ts";
import { preflight } from "./preflight.ts";
import { type RollbackPlan, safetyPlan } from "./rollback_plan.ts";
import { howToSwap } from "./swap.ts";

/** One file system. */
export interface Room {
  /** A place on it where something would be put. */
  path: string;
  needed_bytes: number;
  free_bytes: number;
}

/** Files take whole blocks of this many bytes, as on most file systems. */
const BLOCK = 4096;

/**
 * What would lie beside the live trees, with `only_live` (bytes by target) where that is kept. Volumes
 * that do not exist yet are left out: they are made where the engine keeps all others.
 */
export async function roomNeeded(
  ctx: Context,
  plan: RollbackPlan,
  only_live: number[],
): Promise<Room[]> {
  const content = plan.targets.map(() => 0);
  const rounding = plan.targets.map(() => 0);
  await visitIncoming(ctx, plan.record, plan.targets, ({ type, size }, _live, n) => {
    if (type !== "file") return;
    content[n] += size;
    rounding[n] += (BLOCK - size % BLOCK) % BLOCK;
  });
  const systems = new Map<number, { path: string; content: number; rest: number }>();
  for (const [n, target] of plan.targets.entries()) {
    if (!target.live.startsWith("/")) continue;
    const path = nearest(howToSwap(target, plan.keep).base);
    const { dev } = posix.statx(path, { follow: true });
    const system = systems.get(dev) ?? { path, content: 0, rest: 0 };
    system.content += content[n];
    system.rest += rounding[n] + (only_live[n] ?? 0);
    systems.set(dev, system);
  }
  // A manifest counts holes as content, the record does not.
  const most = plan.record.source_bytes ?? Infinity;
  return [...systems.values()].map(({ path, content, rest }) => ({
    path,
    needed_bytes: Math.min(content, most) + rest,
    free_bytes: posix.freeSpace(path),
  }));
}

/**
 * The same with the safety backup, as large as experience of the stack says; unchanged where there is
 * nothing to save, or no experience. Raises what makes a backup impossible: SAFETY_FAILED.
 */
export async function withSafety(
  ctx: Context,
  plan: RollbackPlan,
  rooms: Room[],
): Promise<Room[]> {
  const safety = await safetyPlan(ctx, plan, null);
  if (!safety) return rooms;
  const { archive_bytes } = await preflight(ctx, safety).catch((cause) => {
    throw safetyFailed(cause);
  });
  const path = dirname(safety.path);
  const { dev } = posix.statx(path, { follow: true });
  const needed_bytes = (archive_bytes ?? 0) + safety.min_free_bytes;
  const same = rooms.find((room) => posix.statx(room.path, { follow: true }).dev === dev);
  if (!same) return [...rooms, { path, needed_bytes, free_bytes: posix.freeSpace(path) }];
  return rooms.map((room) =>
    room === same ? { ...room, needed_bytes: room.needed_bytes + needed_bytes } : room
  );
}

/** Why there is no safety backup, and so no rollback. */
export function safetyFailed(cause: unknown): DuckbackError {
  const error = asDuckbackError(cause);
  if (error.code === "INTERRUPTED") return error;
  return new DuckbackError(
    "SAFETY_FAILED",
    `Cannot make the safety backup: ${error.message}. Nothing was rolled back`,
    { hint: error.hint ?? "Free space or repair what is named, then try again.", cause: error },
  );
}

/** Raises DISK_FULL, naming each file system where it does not fit. */
export function requireRoom(rooms: Room[], backup_id: number) {
  const short = rooms.filter((room) => room.needed_bytes > room.free_bytes);
  if (short.length === 0) return;
  throw new DuckbackError(
    "DISK_FULL",
    `Cannot roll back to backup ${backup_id}: ${
      short.map(({ path, needed_bytes, free_bytes }) =>
        `${formatBytes(needed_bytes)} must fit beside what is there in "${path}", ` +
        `${formatBytes(free_bytes)} are free`
      ).join("; ")
    }. Nothing was changed`,
    {
      hint: "Free some space. Trees that earlier rollbacks replaced lie in .duckback-undo.",
      details: { space: rooms },
    },
  );
}

function nearest(path: string): string {
  let place = path;
  while (place !== "/" && posix.statxIfExists(place, { follow: true }) === null) {
    place = dirname(place);
  }
  return place;
}
