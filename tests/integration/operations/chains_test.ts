/**
 * Chains of real backups, made, deleted and pruned in any order, and rebuilt from the archives alone:
 * whatever is left restores byte for byte (issue E).
 */
// Loaded before the first test: it keeps a timer for as long as the process lives (see there).
import "../../../lib/catalog/duckdb.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { readManifest } from "../../../lib/catalog/manifest.ts";
import { DuckbackError } from "../../../lib/core/errors.ts";
import type { BackupRecord, ManifestEntry } from "../../../lib/core/model.ts";
import { createBackup } from "../../../lib/operations/backup.ts";
import { DEFAULT_REQUEST } from "../../../lib/operations/backup_plan.ts";
import { rebuildCatalog } from "../../../lib/operations/catalog_rebuild.ts";
import { consolidateBackup } from "../../../lib/operations/consolidate.ts";
import { withCatalog } from "../../../lib/operations/context.ts";
import { deleteBackup, whoNeeds } from "../../../lib/operations/delete.ts";
import { allBackups, isRestorable } from "../../../lib/operations/list.ts";
import { makeManifestAnew } from "../../../lib/operations/manifest_anew.ts";
import { prune } from "../../../lib/operations/prune.ts";
import { restore } from "../../../lib/operations/restore.ts";
import { verifyBackups } from "../../../lib/operations/verify.ts";
import { compressionOf, manifestPath } from "../../../lib/repository/naming.ts";
import { names, Place } from "../../e2e/support.ts";
import { changeTree } from "../../fixtures/change_tree.ts";
import { contextOf } from "../../fixtures/context.ts";
import {
  assertSameEntries,
  type Described,
  describeTree,
  seededRandom,
} from "../../fixtures/tree.ts";

const DAY = 86_400_000;

/** A directory that changes, its backups, and what it was at each. */
class History implements AsyncDisposable {
  readonly place = new Place();
  readonly dir = this.place.tree("shop", { first: "first" });
  /** By the names of backups. */
  readonly trees = new Map<string, Described[]>();
  readonly #random: () => number;
  #now = Date.parse("2026-01-01T00:00:00Z");
  readonly ctx = contextOf(this.place.home, this.dir, { now: () => new Date(this.#now += 1000) });
  /** What was done, for the message of an assertion. */
  readonly done: string[] = [];

  constructor(readonly seed: number) {
    this.#random = seededRandom(seed);
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)];
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list.map((one) => ({ one, at: this.#random() })).sort((a, b) => a.at - b.at)
      .map(({ one }) => one);
  }

  set(values: Record<string, unknown>) {
    return withCatalog(this.ctx, ({ settings }) => settings.setAll(values, new Date()));
  }

  async backup(kind: "full" | "incremental") {
    this.#now += this.pick([0, 1, 3]) * DAY;
    await changeTree(this.dir, 12, this.#random, this.seed % 2 === 0);
    const tree = await describeTree(this.dir);
    // What is there is old enough to be told from later changes.
    await new Promise((resolve) => setTimeout(resolve, 120));
    const { backup } = await createBackup(this.ctx, {
      ...DEFAULT_REQUEST,
      ...{ kind, compression: this.pick(["gzip", "zstd", "none"]), level: 1, verify: false },
    });
    assert.equal(backup.status, "completed", this.label);
    this.trees.set(backup.backup_name, tree);
    this.done.push(`${backup.backup_type} ${backup.id}`);
    return backup;
  }

  async deleteSome() {
    const all = await allBackups(this.ctx);
    if (all.length === 0) return;
    const { id } = this.pick(all);
    const needed = whoNeeds(all, id).map((one) => one.id);
    const cascade = this.#random() < 0.5;
    this.done.push(`delete ${id}${cascade ? " --cascade" : ""}`);
    try {
      const gone = await deleteBackup(this.ctx, id, { force: false, cascade });
      assert.ok(cascade || needed.length === 0, this.label);
      assert.deepEqual(new Set(gone.map((one) => one.id)), new Set([id, ...needed]), this.label);
    } catch (error) {
      assert.ok(error instanceof DuckbackError && error.code === "REFUSED", `${error}`);
      assert.deepEqual((await allBackups(this.ctx)).length, all.length, this.label);
    }
  }

  async consolidateSome() {
    const chained = (await allBackups(this.ctx)).filter((one) => one.backup_type === "INCREMENTAL");
    if (chained.length === 0) return;
    const one = this.pick(chained);
    this.done.push(`consolidate ${one.id}`);
    const { backup } = await consolidateBackup(this.ctx, {
      ...{
        id: one.id,
        compression: one.id % 2 === 0 ? "none" : null,
        description: null,
        verify: false,
      },
    });
    assert.deepEqual([backup.status, backup.backup_type], ["completed", "FULL"], this.label);
    this.trees.set(backup.backup_name, this.trees.get(one.backup_name)!);
  }

  async pruneSome() {
    const { removed } = await prune(this.ctx, { dry_run: false, force: true });
    this.done.push(`prune ${removed.join(",")}`);
  }

  /** All that is left lies there with what it needs, and nothing else does. */
  async checkChains() {
    const all = await allBackups(this.ctx);
    for (const backup of all) {
      assert.ok(isRestorable(backup), `${this.label}: ${backup.id}: ${backup.chain_problem}`);
    }
    const kept = all.map(({ backup_name }) => backup_name).sort();
    const archives = names(this.ctx.home.backups).filter((name) => compressionOf(name) !== null);
    assert.deepEqual(archives.map((name) => name.replace(/\.tar.*/, "")).sort(), kept, this.label);
  }

  /** Everything that is left restores byte for byte. */
  async checkTrees() {
    for (const backup of await allBackups(this.ctx)) {
      const target = this.place.path("out");
      await restore(this.ctx, {
        ...{ from: backup.id, paths: [], target, force: false, allow_devices: true },
        ...{ strip: 0, overwrite: null, owner: null },
      });
      // A copy of a file with holes may get those.
      const found = apartFromHoles(await describeTree(target));
      assertSameEntries(found, apartFromHoles(this.trees.get(backup.backup_name)!));
      Deno.removeSync(target, { recursive: true });
    }
  }

  get label(): string {
    return `seed ${this.seed}: ${this.done.join("; ")}`;
  }

  async [Symbol.asyncDispose]() {
    await this.place[Symbol.asyncDispose]();
  }
}

function apartFromHoles(entries: Described[]): Described[] {
  return entries.map((entry) => ({ ...entry, sparse: false }));
}

async function rowsOf({ backup_path }: BackupRecord): Promise<ManifestEntry[]> {
  const rows: ManifestEntry[] = [];
  for await (const batch of readManifest(manifestPath(backup_path))) rows.push(...batch);
  return rows;
}

const SEEDS = Deno.env.get("DUCKBACK_SEEDS")?.split(",").map(Number) ?? [27];
const STEPS = [
  ...["incremental", "incremental", "incremental", "full"] as const,
  ...["delete", "delete", "prune", "prune", "consolidate"] as const,
];

for (const seed of SEEDS) {
  Deno.test(`after any backups, deletions and prunes what is left restores, also rebuilt from its archives (seed ${seed})`, async () => {
    await using history = new History(seed);
    const { ctx } = history;
    await history.set({
      "backup.keep_last": 1,
      "backup.keep_daily": 0,
      "backup.keep_weekly": 0,
      "backup.keep_monthly": 0,
      "backup.keep_yearly": 0,
      "backup.retention_days": 2,
      "auto_backup_retention_days": 2,
    });
    await history.backup("full");
    for (const step of history.shuffled(STEPS)) {
      if (step === "delete") await history.deleteSome();
      else if (step === "prune") await history.pruneSome();
      else if (step === "consolidate") await history.consolidateSome();
      else await history.backup(step);
      await history.checkChains();
    }
    // Something to build on, whatever was deleted last; then all is lost but the archives.
    await history.backup("incremental");
    const before = await allBackups(ctx);
    const rows = await Promise.all(before.map(rowsOf));
    for (const name of names(ctx.home.dir)) {
      if (name !== "backups") Deno.removeSync(join(ctx.home.dir, name), { recursive: true });
    }
    for (const name of names(ctx.home.backups)) {
      if (compressionOf(name) === null) Deno.removeSync(join(ctx.home.backups, name));
    }
    const { archives } = await rebuildCatalog(ctx, [ctx.home.backups]);
    assert.deepEqual(archives.map(({ error }) => error).filter((error) => error !== null), []);
    const after = await allBackups(ctx);
    assert.deepEqual(after.map(known), before.map(known), history.label);
    for (const [n, record] of after.entries()) {
      assert.deepEqual(await rowsOf(record), rows[n], `${history.label}: ${record.id}`);
    }
    // A manifest alone brings back those that it builds on.
    const [newest] = after;
    for (const record of after) Deno.removeSync(manifestPath(record.backup_path));
    await makeManifestAnew(ctx, newest);
    assert.deepEqual(await rowsOf(newest), rows[0], history.label);
    assert.equal((await rebuildCatalog(ctx, [])).archives.length, after.length);
    const verdicts = await verifyBackups(ctx, { id: null, level: "full" });
    assert.deepEqual(verdicts.filter(({ ok }) => !ok), [], history.label);
    assert.equal((await history.backup("incremental")).backup_type, "INCREMENTAL");
    await history.checkChains();
    await history.checkTrees();
  });
}

/** What archives tell of a record. */
function known({ completed_at: _completed, duration_ms: _duration, ...record }: BackupRecord) {
  return { ...record, verify_status: null, verified_at: null, verify_level: null };
}
