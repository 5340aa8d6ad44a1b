/**
 * `scripts/deno task bench [--quick] [--corpus NAME]... [--job NAME]... [--rounds N] [--dir DIR] [--binary FILE]`:
 * measures dist/duckback against its peers. A whole run (all corpora) writes docs/benchmarks.md.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Contender, gzipBackups, restores, starts, zstdBackups } from "./contenders.ts";
import { CORPORA, type CorpusTree, ensureCorpus } from "./corpora.ts";
import { measureHistory } from "./history.ts";
import { INCREMENTAL, measureIncremental } from "./incremental.ts";
import { run } from "./measure.ts";
import { markdown, type Results } from "./report.ts";
import { compete, type Standing } from "./rounds.ts";
import { measureSingle } from "./single.ts";
import { measureStack } from "./stack.ts";

const PROJECT = new URL("../../", import.meta.url).pathname;
const INCREMENTAL_NAMES = INCREMENTAL.map((corpus) => `incremental ${corpus.name}`);
const NAMES = [
  ...CORPORA.map((corpus) => corpus.name),
  ...INCREMENTAL_NAMES,
  ...["start", "single", "history", "stack"],
];
const STARTS = 9;
/** A round of it takes five minutes, and what it measures differs by factors. */
const STACK_ROUNDS = 1;

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: Deno.args,
    options: {
      quick: { type: "boolean", default: false },
      corpus: { type: "string", multiple: true },
      job: { type: "string", multiple: true, default: ["gzip", "zstd", "restore"] },
      rounds: { type: "string", default: "3" },
      dir: { type: "string" },
      binary: { type: "string", default: join(PROJECT, "dist/duckback") },
    },
  });
  const wanted = values.corpus ?? NAMES;
  const unknown = wanted.find((name) => !NAMES.includes(name));
  const rounds = Number(values.rounds);
  if (unknown !== undefined || !(rounds >= 3)) {
    console.error(`Corpora are ${NAMES.join(", ")}; rounds are 3 at least.`);
    return 2;
  }
  await run([join(PROJECT, "scripts/bench/install_peers")]);
  await run([values.binary, "version"]); // else there is nothing to measure
  const dir = values.dir ?? await Deno.makeTempDir({ prefix: "duckback-bench-" });
  try {
    const { binary, job: jobs, quick } = values;
    const results = await bench(binary, { wanted, jobs, rounds, quick }, dir);
    const text = markdown(results);
    console.log(text);
    if (values.corpus === undefined && values.job.length === 3 && !values.quick) {
      await Deno.mkdir(join(PROJECT, "docs"), { recursive: true });
      await Deno.writeTextFile(join(PROJECT, "docs/benchmarks.md"), text);
    }
    return 0;
  } finally {
    // Corpora in a directory that was named stay for the next run.
    if (values.dir === undefined) await Deno.remove(dir, { recursive: true });
  }
}

interface Choice {
  wanted: string[];
  /** Of the full backups' corpora. */
  jobs: string[];
  rounds: number;
  quick: boolean;
}

async function bench(
  binary: string,
  { wanted, jobs: chosen, rounds, quick }: Choice,
  dir: string,
): Promise<Results> {
  const absent = new Set<string>();
  const jobs = new Map<string, Map<string, Standing[]>>();
  const trees = new Map<string, CorpusTree>();
  for (const corpus of CORPORA.filter((one) => wanted.includes(one.name))) {
    console.error(`${corpus.name}: making ${corpus.title}`);
    const tree = ensureCorpus(join(dir, "corpora"), corpus, quick);
    trees.set(corpus.name, tree);
    const found = new Map<string, Standing[]>();
    jobs.set(corpus.name, found);
    const all: [string, Contender[]][] = [
      ["gzip", gzipBackups(binary)],
      ["zstd", zstdBackups(binary)],
      ["restore", restores(binary)],
    ];
    for (const [job, contenders] of all.filter(([job]) => chosen.includes(job))) {
      const title = `${corpus.name}: ${job}`;
      const keep = job === "restore";
      found.set(
        job,
        await compete({ title, tree: tree.path, contenders, keep }, rounds, dir, absent),
      );
    }
  }
  for (const [n, name] of INCREMENTAL_NAMES.entries()) {
    if (!wanted.includes(name)) continue;
    console.error(`${name}: making ${INCREMENTAL[n].title}`);
    const found = await measureIncremental(binary, INCREMENTAL[n], rounds, quick, dir, absent);
    trees.set(name, found.tree);
    jobs.set(name, found.jobs);
  }
  if (wanted.includes("start")) {
    const tree = join(dir, "empty");
    await Deno.mkdir(tree, { recursive: true });
    const contenders = starts(binary, Deno.execPath());
    const job = { title: "start", tree, contenders, keep: true };
    jobs.set("start", new Map([["start", await compete(job, STARTS, dir, absent)]]));
  }
  if (wanted.includes("single")) {
    jobs.set("single", await measureSingle(binary, rounds, quick, dir, absent));
  }
  if (wanted.includes("history")) {
    jobs.set("history", await measureHistory(binary, rounds, quick, dir, absent));
  }
  let stack: Results["stack"] = [];
  if (wanted.includes("stack")) {
    stack = await measureStack(binary, STACK_ROUNDS, quick).catch((error) => {
      console.error(`stack: ${error.message}`);
      absent.add("a Docker engine with docker-compose");
      return [];
    });
  }
  return {
    machine: [...machine(), await fileSystem(dir)],
    versions: await versions(),
    date: new Date().toISOString().slice(0, 10),
    ...{ rounds, quick, jobs, trees, stack },
    absent: [...absent],
  };
}

function machine(): string[] {
  const cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  const memory = (Deno.systemMemoryInfo().total / 2 ** 30).toFixed(0);
  const os = /^PRETTY_NAME="(.*)"$/m.exec(Deno.readTextFileSync("/etc/os-release"))?.[1];
  const load = Deno.loadavg().map((value) => value.toFixed(1)).join(", ");
  return [
    `Machine: ${navigator.hardwareConcurrency} cores of ${cpu}, ${memory} GiB, ${os}, ` +
    `Linux ${Deno.osRelease()}`,
    `Load average at the end of the run (1, 5, 15 minutes): ${load}`,
  ];
}

async function fileSystem(dir: string): Promise<string> {
  const type = (await run(["stat", "-f", "-c", "%T", dir])).trim();
  return `Corpora, archives and what is restored lie on ${type}`;
}

async function versions(): Promise<string[]> {
  const first = (argv: string[]) =>
    run(argv).then((text) => text.split("\n")[0].trim(), () => `${argv[0]}: absent`);
  const found = await Promise.all([
    ["tar", "--version"],
    ["gzip", "--version"],
    ["pigz", "--version"],
    ["zstd", "--version"],
    ["restic", "version"],
    ["borg", "--version"],
  ].map(first));
  return [`Peers: ${found.join("; ")}`, `Deno ${Deno.version.deno}`];
}

Deno.exit(await main());
