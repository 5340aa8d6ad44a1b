/** Volumes and directories that a run makes: noted before, removed where the run does not reach its end. */
import { dirname } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { Engine, Volume } from "../docker/engine.ts";
import * as posix from "../posix/mod.ts";
import type { JournalFile, MadeVolume } from "../repository/journal.ts";
import { type Context, note } from "./context.ts";

/** Makes an empty volume of a name that is free. Raises REFUSED where it is taken, DOCKER_FAILED. */
export async function makeVolume(
  engine: Engine,
  journal: JournalFile,
  name: string,
  labels: Record<string, string>,
): Promise<Volume> {
  await requireNoVolume(engine, name);
  const entry: MadeVolume = { name, identity: null };
  const before = journal.data.volumes ?? [];
  journal.save({ volumes: [...before, entry] });
  const volume = await engine.createVolume(name, labels);
  if (posix.readdirNames(volume.mountpoint).length > 0) { // somebody was faster
    journal.save({ volumes: before });
    throw taken(name);
  }
  entry.identity = posix.identity(volume.mountpoint);
  journal.save();
  return volume;
}

/** Raises REFUSED where a volume of that name exists. */
export async function requireNoVolume(engine: Engine, name: string) {
  if (await engine.inspectVolume(name)) throw taken(name);
}

function taken(name: string): DuckbackError {
  return new DuckbackError(
    "REFUSED",
    `Cannot make volume "${name}": there is one of that name, and nothing in it is overwritten`,
    { hint: `Choose another name with --as; or, if nobody needs it: docker volume rm ${name}` },
  );
}

/**
 * Removes what `makeVolume` made and the journal still lists. One that is not ours any more, or that a
 * container has by now, stays and is told.
 */
export async function dropVolumes(ctx: Context, engine: Engine, journal: JournalFile) {
  for (const { name, identity } of journal.data.volumes ?? []) {
    const found = await engine.inspectVolume(name);
    if (!found) continue;
    // What older engines call its time of creation is that of the directory's last change. Between its
    // making and its first entry the journal does not know it.
    const ours = identity === null
      ? posix.readdirNames(found.mountpoint).length === 0
      : posix.identity(found.mountpoint) === identity;
    try {
      if (!ours) throw new DuckbackError("REFUSED", "somebody made it anew");
      await engine.removeVolume(name);
    } catch (cause) {
      if (!(cause instanceof DuckbackError) || cause.code === "DOCKER_UNREACHABLE") throw cause;
      note(ctx, `Volume ${name}, filled in part, is left as it is: ${cause.message}`, "warning");
    }
  }
  journal.save({ volumes: [] });
}

/** Makes a directory and those above it that are missing. Raises PosixError. */
export function makeDirectories(journal: JournalFile, path: string) {
  const missing: string[] = [];
  for (let dir = path; posix.statxIfExists(dir) === null; dir = dirname(dir)) missing.unshift(dir);
  if (missing.length === 0) return;
  journal.save({ directories: [...journal.data.directories ?? [], ...missing] });
  posix.mkdirAll(path, 0o755);
}

/** Removes what `makeDirectories` made; what somebody put something into stays. */
export function dropDirectories(journal: JournalFile) {
  for (const dir of [...journal.data.directories ?? []].reverse()) {
    try {
      posix.rmdir(dir);
    } catch {
      // Gone, or somebody's by now.
    }
  }
  journal.save({ directories: [] });
}
