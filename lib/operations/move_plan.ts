/** Where the parts of a stack go that is restored under another name: volumes, directory, outside paths. */
import { join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { BackupMetadata, Source, VolumeSnapshot } from "../core/model.ts";
import { LABEL } from "../docker/engine.ts";

/** A volume that is made anew and filled. */
export interface MovedVolume {
  /** What it was called. */
  from: string;
  name: string;
  archive_path: string;
  labels: Record<string, string>;
  naming: VolumeSnapshot["naming"];
}

/** Something of the backup that comes to lie elsewhere than its services look for it. */
export interface MovedPath {
  /** Where it was; a volume's name for what cannot be a volume again. */
  from: string;
  to: string;
  archive_path: string;
  origin: string;
  kind: Source["kind"];
}

export interface MovePlan {
  name: string;
  /** The directory of the stack, absolute. */
  dir: string;
  volumes: MovedVolume[];
  /** From outside the old working directory, put back there. */
  in_place: MovedPath[];
  /** What lies in `dir` and must be adapted to. */
  beside: MovedPath[];
}

/** The names of a volume's own label and those that compose looks for. */
function composeLabels(project: string, key: string): Record<string, string> {
  return { [LABEL.project]: project, [LABEL.volume]: key };
}

/**
 * Plans; touches nothing. With `in_place` what came from outside the old working directory goes back
 * where it was. Raises REFUSED where two volumes would get one name.
 */
export function planMove(
  metadata: BackupMetadata,
  name: string,
  dir: string,
  in_place: boolean,
): MovePlan {
  const plan: MovePlan = { name, dir, volumes: [], in_place: [], beside: [] };
  for (const source of metadata.sources) {
    const { path, archive_path, origin, kind } = source;
    const moved = { to: join(dir, archive_path), archive_path, origin, kind };
    if (kind === "volume") {
      const snapshot = metadata.volumes?.find((one) => one.name === source.name) ??
        unknownVolume(source.name, metadata.project);
      if (snapshot.plain) plan.volumes.push(movedVolume(snapshot, archive_path, name, metadata));
      else plan.beside.push({ ...moved, from: source.name });
    } else if (!isIn(path, metadata.work_dir)) {
      if (in_place) plan.in_place.push({ ...moved, from: path, to: path });
      else plan.beside.push({ ...moved, from: path });
    }
  }
  refuseSameName(plan.volumes);
  return plan;
}

function isIn(path: string, dir: string): boolean {
  return path === dir || path.startsWith(`${dir}/`);
}

/** A record that says nothing of its volumes: by their names. */
function unknownVolume(name: string, project: string): VolumeSnapshot {
  const follows = name.startsWith(`${project}_`);
  const naming = follows ? "project" : "named";
  const key = follows ? name.slice(project.length + 1) : null;
  return { name, key, naming, plain: !/^[0-9a-f]{64}$/.test(name), labels: {} };
}

function movedVolume(
  { name: from, key, naming, labels }: VolumeSnapshot,
  archive_path: string,
  project: string,
  metadata: BackupMetadata,
): MovedVolume {
  const short = key ?? from.replace(`${metadata.project}_`, "");
  const own = naming === "external" || key === null && naming === "named";
  return {
    from,
    name: naming === "project" ? `${project}_${short}` : from,
    archive_path,
    labels: { ...labels, ...own ? {} : composeLabels(project, short) },
    naming,
  };
}

function refuseSameName(volumes: MovedVolume[]) {
  const twice = volumes.find(({ name }, n) =>
    volumes.findIndex((other) => other.name === name) < n
  );
  if (!twice) return;
  throw new DuckbackError(
    "REFUSED",
    `Cannot restore volume "${twice.from}": another one of the backup would be "${twice.name}" too`,
    { hint: "Choose another name with --as." },
  );
}
