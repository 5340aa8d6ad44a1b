/** Questions to 100 backups of 100,000 files: their manifests and rows alone, no archive was ever made. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { manifestLine, writeManifest } from "../../lib/catalog/manifest.ts";
import { openCatalog } from "../../lib/catalog/open_catalog.ts";
import type { NewBackup } from "../../lib/catalog/types.ts";
import { manifestPath } from "../../lib/repository/naming.ts";
import type { Contender } from "./contenders.ts";
import { Random } from "./random.ts";
import { compete, type Standing } from "./rounds.ts";

const BACKUPS = 100;
const FILES = 100_000;
/** Of all files, between two backups. */
const CHANGED = 0.01;
const ADDED = 0.005;

/** What is asked; the first ones are to be answered within goals.ts' HISTORY_MOST seconds. */
const QUESTIONS: [string, string[]][] = [
  ["find NAME", ["find", "module_77777.ts"]],
  ["find GLOB", ["find", "*_7777?.log"]],
  ["find PATH", ["find", "data/uploads/500/photo_50504.jpg"]],
  ["history PATH", ["history", "data/uploads/500/photo_50504.jpg"]],
  ["find --sha256", ["find", "--sha256", "0".repeat(64)]],
  ["diff A B", ["diff", "1", String(BACKUPS)]],
  ["stats", ["stats"]],
  ["query (rows of each backup)", ["query", "SELECT backup_id, count(*) FROM files GROUP BY 1"]],
];

interface File {
  size: number;
  mtime_s: number;
  sha256: string;
}

/** Makes the home in `dir`, then lets the questions take turns. */
export async function measureHistory(
  binary: string,
  rounds: number,
  quick: boolean,
  dir: string,
  absent: Set<string>,
): Promise<Map<string, Standing[]>> {
  const home = join(dir, "history");
  const [backups, files] = quick ? [10, 5000] : [BACKUPS, FILES];
  console.error(`history: making ${backups} manifests of ${files} files`);
  await makeHome(home, backups, files);
  try {
    const contenders = QUESTIONS.map(([name, args]): Contender => ({
      name: `duckback ${name}`,
      needs: [],
      prepare: () => Promise.resolve(),
      argv: () => [
        binary,
        "--home",
        home,
        "--quiet",
        ...args.map((arg) => arg === String(BACKUPS) ? String(backups) : arg),
      ],
      output: null,
    }));
    const job = { title: "history", tree: join(home, "backups"), contenders, keep: true };
    return new Map([["history", await compete(job, rounds, dir, absent)]]);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function makeHome(home: string, backups: number, count: number): Promise<void> {
  const directory = join(home, "backups");
  await Deno.mkdir(directory, { recursive: true });
  const tree = new ChangingTree(count);
  const records: NewBackup[] = [];
  for (let n = 1; n <= backups; n++) {
    const day = new Date(Date.UTC(2026, 0, n, 2));
    const path = join(directory, `backup_auto_shop_${String(n).padStart(3, "0")}.tar.gz`);
    const rows = `${path}.rows`;
    Deno.writeTextFileSync(rows, tree.lines());
    await writeManifest(rows, manifestPath(path));
    Deno.removeSync(rows);
    records.push(recordOf(path, day, tree));
    tree.change(day.getTime() / 1000);
  }
  await using catalog = await openCatalog({ home });
  for (const record of records) await catalog.backups.insert(record);
}

/** A tree of which a little changes from one backup to the next. */
class ChangingTree {
  readonly #random = new Random(6);
  readonly #files = new Map<string, File>();
  #made = 0;

  constructor(count: number) {
    while (this.#made < count) this.#add(1_760_000_000);
  }

  get files(): number {
    return this.#files.size;
  }

  get bytes(): number {
    return this.#files.values().reduce((sum, { size }) => sum + size, 0);
  }

  #add(now: number): void {
    const n = this.#made++;
    const [dir, name, extension] = [
      ["app/src", "module", "ts"],
      ["app/assets", "icon", "svg"],
      ["data/logs", "web", "log"],
      ["data/db", "page", "dat"],
      ["data/uploads", "photo", "jpg"],
    ][n % 5];
    this.#put(`${dir}/${n % 1000 === 504 ? 500 : n % 1000}/${name}_${n}.${extension}`, now);
  }

  #put(path: string, now: number): void {
    const size = Math.floor(100 + this.#random.u32() / 2 ** 16);
    const sha256 = createHash("sha256").update(`${path} ${this.#random.u32()}`).digest("hex");
    this.#files.set(path, { size, mtime_s: now - this.#random.below(86_400), sha256 });
  }

  change(now: number): void {
    const paths = [...this.#files.keys()];
    const any = () => paths[this.#random.below(paths.length)];
    for (let i = 0; i < paths.length * CHANGED; i++) this.#put(any(), now);
    for (let i = 0; i < paths.length * ADDED; i++) {
      this.#files.delete(any());
      this.#add(now);
    }
  }

  /** Rows of the manifest, in the order of a walk; blocks of a mebibyte that compress to a third. */
  lines(): string {
    let at = 0;
    return [...this.#files].sort(([a], [b]) => a < b ? -1 : 1).map(([path, file]) => {
      const place = { block_offset: (at >> 20) * 350_000, block_inner: at & 0xfffff };
      at += file.size;
      const owner = { mode: 0o644, uid: 1000, gid: 1000, mtime_ns: at % 1e9, link: null };
      return manifestLine({ path, type: "file", ...file, ...owner, ...place });
    }).join("");
  }
}

function recordOf(path: string, day: Date, { files, bytes }: ChangingTree): NewBackup {
  const at = day.toISOString();
  const nothing = {
    ...{ source_version: null, description: null, expires_at: null, parent_id: null },
    ...{ error_message: null, verify_status: null, verified_at: null, verify_level: null },
    ...{ drill_status: null, drilled_at: null, drill_seconds: null, suspicion: null },
    ...{ suspicion_cleared_at: null, backup_metadata: null, backup_hash: null },
  };
  return {
    ...nothing,
    backup_name: path.slice(path.lastIndexOf("/") + 1),
    backup_type: "FULL",
    backup_path: path,
    backup_size: Math.floor(bytes / 3),
    file_count: files,
    compression_type: "gzip",
    created_at: at,
    trigger: "auto",
    status: "completed",
    stack: "shop",
    started_at: at,
    completed_at: at,
    duration_ms: 60_000,
    downtime_ms: 1000,
    source_bytes: bytes,
    warnings: [],
    pinned: false,
  };
}
