/** A backup of a real stack of 1 GB whose containers write: how long it takes, how long they are down. */
import { join } from "node:path";
import { createSampleStack } from "../../tests/fixtures/docker.ts";
import { databasePages, dumpRows, logLines, media } from "./content.ts";
import { Tree } from "./corpora.ts";
import { median, run } from "./measure.ts";

export interface StackFigures {
  bytes: number;
  compression: string;
  /** Seconds: the whole command, the backup without its verification, and no service running. */
  wall: number;
  duration: number;
  downtime: number;
  archive: number;
}

const MB = 1_000_000;

/** Needs a Docker engine and docker-compose; raises where there is none. */
export async function measureStack(
  binary: string,
  rounds: number,
  quick: boolean,
): Promise<StackFigures[]> {
  const size = quick ? 20 : 250;
  await using stack = await createSampleStack({ start: true });
  const tree = new Tree(join(stack.dir, "app-data"), 7);
  tree.file("pages.db", size * MB, databasePages);
  tree.file("dump.sql", size * MB, dumpRows);
  tree.file("service.log", size * MB, logLines);
  tree.file("film.mp4", size * MB, media);
  const home = await Deno.makeTempDir({ prefix: "duckback-bench-home-" });
  try {
    const common = [binary, "--home", home, "--work-dir", stack.dir, "--json"];
    const figures: StackFigures[] = [];
    for (const compression of ["gzip", "zstd"]) {
      const runs: StackFigures[] = [];
      for (let round = 0; round < rounds; round++) {
        await run(["sync"]);
        const begin = performance.now();
        const text = await run([...common, "backup", "create", "--compression", compression]);
        const wall = (performance.now() - begin) / 1000;
        const { backup } = JSON.parse(text);
        await run([...common, "backup", "delete", "--force", "--id", String(backup.id)]);
        const { duration_ms, downtime_ms, backup_size: archive, source_bytes: bytes } = backup;
        const seconds = { wall, duration: duration_ms / 1000, downtime: downtime_ms / 1000 };
        runs.push({ compression, bytes, archive, ...seconds });
        console.error(`  stack, ${compression}: ${JSON.stringify(seconds)}`);
      }
      const of = (key: "wall" | "duration" | "downtime") => median(runs.map((one) => one[key]));
      figures.push({
        ...runs[0],
        wall: of("wall"),
        duration: of("duration"),
        downtime: of("downtime"),
      });
    }
    return figures;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}
