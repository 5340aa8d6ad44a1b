/** The tables: for the terminal, and as docs/benchmarks.md. */
import { CORPORA, type CorpusTree } from "./corpora.ts";
import {
  GOALS,
  HISTORY_MOST,
  INCREMENTAL_GOALS,
  MEMORY_MOST,
  reached,
  SINGLE_OVER,
  SINGLE_READ,
  VERIFY_MOST,
} from "./goals.ts";
import type { Standing } from "./rounds.ts";
import type { StackFigures } from "./stack.ts";

export interface Results {
  machine: string[];
  versions: string[];
  date: string;
  rounds: number;
  quick: boolean;
  /** By corpus and job: "large", "gzip". */
  jobs: Map<string, Map<string, Standing[]>>;
  trees: Map<string, CorpusTree>;
  stack: StackFigures[];
  absent: string[];
}

const JOBS: Record<string, string> = {
  gzip: "Full backup, gzip 6",
  zstd: "Full backup, zstd 3",
  restore: "Restore (duckback checks the SHA-256 of the archive first, then extracts)",
  start: "Start",
  unchanged: "Second backup, nothing changed (zstd 3; the size is what it adds)",
  changed:
    "Second backup; 1 % of small files and of large files' pages changed, 0.5 % of the files " +
    "added, 0.5 % deleted (zstd 3; the size is what it adds)",
  history: "Questions to 100 backups of 100,000 files (10 million rows of manifests)",
  "single gzip": "One file of 10 KB out of an archive of 5 GB, gzip",
  "single zstd": "One file of 10 KB out of an archive of 5 GB, zstd",
  "single restore gzip": "All of an archive of 5 GB, gzip (one round)",
  "single restore zstd": "All of an archive of 5 GB, zstd (one round)",
};

const mb = (bytes: number) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
const seconds = (value: number) => value.toFixed(value < 1 ? 3 : 2);

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => i === 0 ? "---" : "---:");
  return [head, rule, ...rows].map(line).join("\n");
}

function standings(list: Standing[]): string {
  const sizes = list.some((one) => one.size !== null);
  const head = ["program", "wall s", "CPU s", "memory MB"];
  const ours = list[0].name;
  if (sizes) head.push("size MB");
  head.push(`wall of \`${ours}\` to it`, "CPU to it");
  return table(
    head,
    list.map((one) => [
      `\`${one.name}\``,
      seconds(one.wall),
      seconds(one.cpu),
      mb(one.memory),
      ...(sizes ? [one.size === null ? "" : mb(one.size)] : []),
      one.ratio.toFixed(2),
      one.cpu_ratio.toFixed(2),
    ]),
  );
}

function goals(results: Results): string {
  const rows: string[][] = [];
  const add = (what: string, most: string, value: number, good: boolean, digits = 2) =>
    rows.push([what, most, value.toFixed(digits), good ? "reached" : "**missed**"]);
  for (const goal of [...GOALS, ...INCREMENTAL_GOALS]) {
    const value = reached(goal, results.jobs.get(goal.corpus)?.get(goal.job));
    if (value === null) continue;
    const codec = goal.job === "restore" ? [" of gzip", " of zstd"][goal.ours] : "";
    const what = `${goal.corpus}, ${goal.job}${codec}: ${goal.what} to \`${goal.peer}\``;
    add(what, String(goal.most), value, value <= goal.most, goal.what === "size" ? 3 : 2);
  }
  for (const [corpus, jobs] of results.jobs) {
    for (const job of ["gzip", "zstd"]) {
      const [bare, whole] = jobs.get(job) ?? [];
      if (!bare || !whole) continue;
      const ratio = 1 / whole.ratio;
      const what = `${corpus}, ${job}: wall with verification to without`;
      add(what, String(VERIFY_MOST), ratio, ratio <= VERIFY_MOST);
    }
  }
  for (const { name, wall } of results.jobs.get("history")?.get("history") ?? []) {
    if (!/ (find|history) [A-Z]+$/.test(name)) continue;
    add(`history: seconds of \`${name}\``, String(HISTORY_MOST), wall, wall <= HISTORY_MOST);
  }
  for (const job of ["single gzip", "single zstd"]) {
    const list = results.jobs.get("single")?.get(job) ?? [];
    const [cat] = list;
    const start = list.find(({ name }) => name === "duckback backup list");
    if (!cat || !start) continue;
    const over = cat.wall - start.wall;
    add(`${job}: seconds of \`cat\` over start-up`, String(SINGLE_OVER), over, over < SINGLE_OVER);
    const read = (cat.archive_read ?? NaN) / 1e6;
    add(`${job}: MB read of the archive`, String(SINGLE_READ), read, read <= SINGLE_READ, 1);
  }
  for (const [corpus, jobs] of results.jobs) {
    for (const [job, list] of jobs) {
      const most = Math.max(...list.filter(isOurs).map((one) => one.memory)) / 1e6;
      add(`${corpus}, ${job}: memory in MB`, String(MEMORY_MOST / 1e6), most, most <= 350, 0);
    }
  }
  return table(["goal", "at most", "measured", ""], rows);
}

const isOurs = (one: Standing) => one.name.startsWith("duckback");

function stack(figures: StackFigures[]): string {
  const first = figures[0].downtime;
  return table(
    ["what", "data MB", "files", "downtime s", "of the first row to it", "whole command s"],
    figures.map((one) => [
      one.name,
      one.bytes > 0 ? mb(one.bytes) : "",
      one.files > 0 ? String(one.files) : "",
      seconds(one.downtime),
      (first / one.downtime).toFixed(2),
      seconds(one.wall),
    ]),
  );
}

/** The whole report in Markdown. */
export function markdown(results: Results): string {
  const parts = [
    "# Benchmarks",
    "Made by `scripts/deno task bench`; nothing here is written by hand. Whole processes of the " +
    "compiled executable, catalogue and manifest included, page cache warm. Programs take turns " +
    `within one run; figures are medians of ${results.rounds} rounds, memory is the peak of the ` +
    "largest process, ratios are the median of each round's. Every program starts with an empty " +
    "repository (`duckback init`, `restic init`, `borg init` are not measured). The size is that of " +
    "the archive or repository, duckback's without its manifest. duckback and " +
    "restic make their files durable before they end, tar does not." +
    (results.quick ? " **A quick run: small corpora, figures of little worth.**" : ""),
    [`Date: ${results.date}`, ...results.machine, ...results.versions].map((line) => `- ${line}`)
      .join("\n"),
  ];
  if (results.absent.length > 0) parts.push(`Absent: ${results.absent.join(", ")}.`);
  parts.push("## Goals", goals(results));
  for (const [name, jobs] of results.jobs) {
    const corpus = CORPORA.find((one) => one.name === name);
    const tree = results.trees.get(name);
    const size = tree ? ` (${tree.files} files, ${mb(tree.bytes)} MB)` : "";
    parts.push(`## ${corpus ? `${name}: ${corpus.title}${size}` : name}`);
    for (const [job, list] of jobs) parts.push(`### ${JOBS[job]}`, standings(list));
  }
  if (results.stack.length > 0) {
    parts.push(
      "## stack: how long services are down (gzip 6; a container changes 20 MB during the first pass; one round; on the disk under the engine)",
      stack(results.stack),
    );
  }
  return parts.join("\n\n") + "\n";
}
