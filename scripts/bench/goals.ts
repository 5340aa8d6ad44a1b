/** What is to be reached: the ratios that were set before anything was measured. */
import type { Standing } from "./rounds.ts";

export interface Goal {
  corpus: string;
  job: string;
  peer: string;
  /** At most this of the peer's wall time, or size. */
  most: number;
  what: "wall" | "size";
  /** Which of duckback's runs is meant: 0 is the first. Restores: 0 gzip, 1 zstd. */
  ours: number;
}

const GZIP = "tar \\| gzip -6";
const PIGZ = "tar \\| pigz -6";
const ZSTD = "tar \\| zstd -T0 -3";

function goal(
  corpus: string,
  job: string,
  peer: string,
  most: number,
  what: "wall" | "size" = "wall",
  ours = 0,
): Goal {
  return { corpus, job, peer, most, what, ours };
}

export const GOALS: Goal[] = [
  goal("large", "gzip", PIGZ, 0.6),
  goal("large", "gzip", GZIP, 0.3),
  goal("large", "zstd", ZSTD, 0.9),
  goal("mix", "gzip", PIGZ, 0.65),
  goal("mix", "zstd", ZSTD, 1.0),
  goal("mix", "zstd", "restic", 0.5),
  goal("mix", "zstd", "borg, zstd 3", 0.3),
  goal("small", "gzip", PIGZ, 0.85),
  goal("small", "zstd", ZSTD, 1.2),
  goal("small", "zstd", "restic", 0.25),
  goal("small", "zstd", "borg, zstd 3", 0.15),
  goal("large", "restore", "tar xzf", 0.8),
  goal("mix", "restore", "tar xzf", 0.8),
  goal("small", "restore", "tar xzf", 1.1),
  ...["small", "large", "mix"].flatMap((corpus) => [
    goal(corpus, "restore", "restic", 0.4, "wall", 1),
    goal(corpus, "restore", "borg", 0.3, "wall", 1),
    goal(corpus, "gzip", GZIP, 1.01, "size"),
    goal(corpus, "zstd", ZSTD, 1.02, "size"),
  ]),
];

const LISTED = "tar --listed-incremental \\| pigz -6";

/** Of a second backup; the size is what it adds. */
export const INCREMENTAL_GOALS: Goal[] = [
  ...["small", "mix", "large"].flatMap((corpus) =>
    ["unchanged", "changed"].flatMap((job) => [
      goal(corpus, job, "restic", 0.35),
      goal(corpus, job, "borg, zstd 3", 0.2),
    ])
  ),
  goal("mix", "changed", LISTED, 1.5),
  goal("mix", "changed", "restic", 1.3, "size"),
  goal("pages", "changed", "restic", 1.5, "size"),
].map((one) => ({ ...one, corpus: `incremental ${one.corpus}` }));

/** Verification may add this much to the wall time of a backup. */
export const VERIFY_MOST = 1.35;
export const MEMORY_MOST = 350e6;
/** Seconds in which `find` and `history` answer, start-up included. */
export const HISTORY_MOST = 2;
/** One small file: so many seconds more than start-up, so many MB of the archive. */
export const SINGLE_OVER = 1;
export const SINGLE_READ = 10;

/** Ours to the peer's; null where one of them was not measured. */
export function reached(goal: Goal, standings: Standing[] | undefined): number | null {
  const peer = standings?.find((one) => one.name === goal.peer);
  const ours = standings?.[goal.ours];
  if (!peer || !ours) return null;
  // Ratios are of the first to each: the first to the peer by the first to ours is ours to the peer.
  return goal.what === "wall" ? peer.ratio / ours.ratio : ours.size! / peer.size!;
}
