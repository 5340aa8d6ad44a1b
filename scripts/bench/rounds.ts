/** Lets contenders run in turns, so that what else the machine does meanwhile falls on all alike. */
import { join } from "node:path";
import type { Contender } from "./contenders.ts";
import { type Cost, measure, median, run } from "./measure.ts";

export interface Standing extends Cost {
  name: string;
  /** Bytes of the backup; null for what makes none. */
  size: number | null;
  /** Of the first contender to this one, the median of all rounds: wall and processor time. */
  ratio: number;
  cpu_ratio: number;
  /** Bytes read of the archive, where that was looked at. */
  archive_read?: number | null;
}

export interface Job {
  /** "large: restore" */
  title: string;
  tree: string;
  contenders: Contender[];
  /** Keeps what a contender made in its directory for the next round. */
  keep: boolean;
}

/** Medians over `rounds`; contenders whose commands are missing are named in `absent`. */
export async function compete(
  job: Job,
  rounds: number,
  dir: string,
  absent: Set<string>,
): Promise<Standing[]> {
  const there: Contender[] = [];
  for (const contender of job.contenders) {
    const missing = [];
    for (const need of contender.needs) if (!await isThere(need)) missing.push(need);
    missing.forEach((need) => absent.add(need));
    if (missing.length === 0) there.push(contender);
  }
  const costs = new Map(there.map((contender) => [contender, [] as Cost[]]));
  const sizes = new Map<Contender, number>();
  for (let round = 0; round < rounds; round++) {
    // Every other round the other way round: nobody always runs behind the same one.
    for (const contender of round % 2 === 0 ? there : there.toReversed()) {
      const place = { tree: job.tree, dir: join(dir, `run-${job.contenders.indexOf(contender)}`) };
      if (!job.keep) await remove(place.dir);
      await Deno.mkdir(place.dir, { recursive: true });
      await contender.prepare(place);
      await run(["sync"]);
      // Into the page cache, for each anew: what else the machine does may have pushed it out.
      await run(["sh", "-c", `tar -C '${job.tree}' -cf - . | cat > /dev/null`]);
      const cost = await measure(contender.argv(place), contender.env?.(place));
      costs.get(contender)!.push(cost);
      if (contender.output) {
        const before = contender.before ? await sizeOf(contender.before()) : 0;
        sizes.set(contender, await sizeOf(contender.output(place)) - before);
      }
      const seconds = `${cost.wall.toFixed(2)} s, cpu ${cost.cpu.toFixed(2)} s`;
      console.error(`  ${job.title}, round ${round + 1}: ${contender.name}: ${seconds}`);
      if (!job.keep) await remove(place.dir);
    }
  }
  await Promise.all(job.contenders.map((_, i) => remove(join(dir, `run-${i}`))));
  const first = costs.get(there[0])!;
  return there.map((contender) => {
    const own = costs.get(contender)!;
    const ratio = (of: (cost: Cost) => number) =>
      median(own.map((cost, i) => of(first[i]) / of(cost)));
    return {
      name: contender.name,
      wall: median(own.map((cost) => cost.wall)),
      cpu: median(own.map((cost) => cost.cpu)),
      memory: Math.max(...own.map((cost) => cost.memory)),
      size: sizes.get(contender) ?? null,
      ratio: ratio((cost) => cost.wall),
      cpu_ratio: ratio((cost) => cost.cpu),
    };
  });
}

const known = new Map<string, boolean>();

async function isThere(command: string): Promise<boolean> {
  if (!known.has(command)) {
    const found = await run(["sh", "-c", `command -v ${command}`]).then(() => true, () => false);
    known.set(command, found);
  }
  return known.get(command)!;
}

/** Bytes of all files below `path` but duckback's sidecars: the archive is what is compared. */
async function sizeOf(path: string): Promise<number> {
  const sidecars = ["!", "-name", "*.parquet", "!", "-name", "backup_*.json"];
  const sizes = await run(["find", path, "-type", "f", ...sidecars, "-printf", "%s\n"]);
  return sizes.trim().split("\n").reduce((sum, size) => sum + Number(size), 0);
}

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}
