/**
 * How long the services of a real stack are down: two passes, one pass, and what administrators type
 * (stop, `tar | pigz`, start). While the first pass runs a container changes 20 MB.
 */
import { join } from "node:path";
import { createSampleStack, type SampleStack } from "../../tests/fixtures/docker.ts";
import { databasePages, dumpRows, logLines, media, sourceCode } from "./content.ts";
import { Tree } from "./corpora.ts";
import { median, pipeline, run } from "./measure.ts";

export interface StackFigures {
  name: string;
  /** Bytes of content and number of files that are backed up. */
  bytes: number;
  files: number;
  /** Seconds: no service running (each round's, then their median), and the whole command. */
  rounds: number[];
  downtime: number;
  wall: number;
}

const MB = 1_000_000;
const CHANGED_MB = 20;
/** Files of this size fill the stack: what changes is then 20 MB and no more. */
const FILE_MB = 25;
const SMALL_FILES = 200_000;
const SMALL_BYTES = 1000;

/** Needs a Docker engine, docker-compose and pigz; raises where there is none. */
export async function measureStack(
  binary: string,
  rounds: number,
  quick: boolean,
): Promise<StackFigures[]> {
  const gigabyte = quick ? 20 * MB : 1000 * MB;
  await using stack = await createSampleStack({ start: true });
  const home = await Deno.makeTempDir({ prefix: "duckback-bench-home-" });
  try {
    const bench = new StackBench(binary, stack, home);
    const figures: StackFigures[] = [];
    const size = (gigabytes: number) => `${gigabytes} GB`;
    bench.fill("five", 5 * gigabyte);
    figures.push(await bench.measure(`two passes, ${size(5)}`, rounds, () => bench.backup([])));
    const none = () => bench.backup(["--no-precopy"]);
    figures.push(await bench.measure(`one pass, ${size(5)}`, rounds, none));
    const typed = () => bench.stopTarStart();
    figures.push(await bench.measure(`stop, tar \\| pigz, start, ${size(5)}`, rounds, typed));
    bench.fill("ten", 5 * gigabyte);
    figures.push(await bench.measure(`two passes, ${size(10)}`, rounds, () => bench.backup([])));
    await Deno.remove(join(stack.dir, "app-data/ten"), { recursive: true });
    bench.fillSmall(quick ? 2000 : SMALL_FILES);
    const many = `two passes, ${size(5)} and ${SMALL_FILES} small files`;
    figures.push(await bench.measure(many, rounds, () => bench.backup([])));
    return figures;
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

interface Round {
  downtime: number;
  wall: number;
  bytes: number;
  files: number;
}

class StackBench {
  #round = 0;

  constructor(readonly binary: string, readonly stack: SampleStack, readonly home: string) {}

  fill(name: string, bytes: number): void {
    const tree = new Tree(join(this.stack.dir, "app-data"), 7);
    tree.dir(name);
    const kinds = [databasePages, dumpRows, logLines, media];
    for (let i = 0; i * FILE_MB * MB < bytes; i++) {
      tree.file(`${name}/${i}`, Math.min(FILE_MB * MB, bytes - i * FILE_MB * MB), kinds[i % 4]);
    }
  }

  fillSmall(count: number): void {
    const tree = new Tree(join(this.stack.dir, "app-data"), 8);
    for (let i = 0; i < count; i++) {
      if (i % 500 === 0) tree.dir(`small/${i / 500}`);
      tree.file(`small/${Math.floor(i / 500)}/${i}`, SMALL_BYTES, sourceCode);
    }
  }

  async measure(name: string, rounds: number, once: () => Promise<Round>): Promise<StackFigures> {
    const found: Round[] = [];
    for (let round = 0; round < rounds; round++) {
      await run(["sync"]);
      found.push(await once());
      console.error(`  stack: ${name}, round ${round + 1}: ${JSON.stringify(found.at(-1))}`);
    }
    return {
      ...{ name, bytes: found[0].bytes, files: found[0].files },
      rounds: found.map((round) => round.downtime),
      downtime: median(found.map((round) => round.downtime)),
      wall: median(found.map((round) => round.wall)),
    };
  }

  /** One container writes 20 MB anew as soon as the archive is begun. */
  async backup(options: string[]): Promise<Round> {
    const common = ["--home", this.home, "--work-dir", this.stack.dir, "--json"];
    const begin = performance.now();
    const child = new Deno.Command(this.binary, {
      args: [...common, "--progress", "json", "backup", "create", "--no-verify", ...options],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const [text] = await Promise.all([
      new Response(child.stdout).text(),
      this.#changeDuring(child.stderr as unknown as AsyncIterable<Uint8Array>),
    ]);
    const wall = (performance.now() - begin) / 1000;
    const { backup, error } = JSON.parse(text);
    if (!backup) throw new Error(`the backup failed: ${error?.message}`);
    await run([this.binary, ...common, "backup", "delete", "--force", "--id", String(backup.id)]);
    const { downtime_ms, source_bytes: bytes, file_count: files } = backup;
    return { downtime: downtime_ms / 1000, wall, bytes, files };
  }

  async #changeDuring(events: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    let changed: Promise<unknown> | null = null;
    for await (const piece of events) {
      text = (text + decoder.decode(piece, { stream: true })).slice(-10_000);
      if (changed === null && text.includes('"archive"')) changed = this.#change();
    }
    await changed;
  }

  async #change(): Promise<void> {
    const app = (await this.stack.container("app")).name;
    const round = this.#round++;
    const script = `mkdir -p /srv/changed; for i in $(seq ${CHANGED_MB}); do ` +
      `head -c ${MB} /dev/urandom > /srv/changed/$i; done; echo ${round} >> /srv/changed/log`;
    // Where services are down already (one pass) there is nothing to change.
    await run(["docker", "exec", app, "sh", "-c", script]).catch(() => {});
  }

  async stopTarStart(): Promise<Round> {
    const { dir } = this.stack;
    const out = join(this.home, "typed.tar.gz");
    const volume = await this.stack.volumePath();
    const names = async (services: string[]) =>
      await Promise.all(services.map(async (one) => (await this.stack.container(one)).name));
    const begin = performance.now();
    await run(["docker", "stop", ...await names(["web", "app", "db"])]);
    await run(pipeline(`tar -cf - '${dir}' '${volume}' 2>/dev/null | pigz -6 > '${out}'`));
    await run(["docker", "start", ...await names(["db", "app", "web"])]);
    const wall = (performance.now() - begin) / 1000;
    await Deno.remove(out);
    return { downtime: wall, wall, bytes: 0, files: 0 };
  }
}
