/** The manifest of an archive that lost it: from what is in the archive and in those that it builds on. */
import type { Archives } from "../archive/chain_reader.ts";
import { corrupt } from "../archive/corrupt.ts";
import { matchArchive } from "../archive/hash_file.ts";
import { type Inventory, type InventoryOptions, takeInventory } from "../archive/inventory.ts";
import { RecipeHasher } from "../archive/recipe_hash.ts";
import {
  canReadManifest,
  type ManifestBase,
  manifestLine,
  writeManifest,
} from "../catalog/manifest.ts";
import { knownRecipes } from "../catalog/manifest_increment.ts";
import { throwIfAborted } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import * as posix from "../posix/mod.ts";
import { manifestPath, manifestRowsPath } from "../repository/naming.ts";
import { exists } from "../repository/pending_archive.ts";
import { readSidecar } from "../repository/sidecar.ts";
import { TextFile } from "../repository/text_file.ts";
import { type Chain, type Chained, chainOf } from "./chain.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import { IncrementNotes } from "./increment_notes.ts";
import { recordInArchive } from "./record_in_archive.ts";

/** What must be known of a backup. */
type Known = Chained & Pick<BackupRecord, "backup_name" | "file_count" | "source_bytes">;

/**
 * Writes the manifest of an archive; reads all of it. Of an incremental one the parent's is made anew
 * first, where that is lost too. Raises as `recordOfArchive`; nothing is left of what was begun then.
 */
export async function makeManifestAnew(ctx: Context, backup: Known): Promise<Inventory> {
  const { backup_path: archive, backup_name } = backup;
  const chain = await chainOf(ctx, backup, "take in");
  await proveLinks(ctx, chain);
  const { links, archives } = chain;
  const base = links.length === 0 ? null : {
    name: links.at(-1)!.backup_name,
    manifest: await parentManifest(ctx, chain),
  };
  using rows = TextFile.create(manifestRowsPath(archive));
  const write = async (on: ManifestBase | null) => {
    await writeManifest(rows.path, manifestPath(archive), backup_name, on);
    posix.fsyncPath(manifestPath(archive));
  };
  if (base === null) {
    const found = await inventory(ctx, backup, rows, {});
    await write(null);
    return found;
  }
  using notes = IncrementNotes.create(archive);
  const found = await inventory(ctx, backup, rows, notes);
  await addRecipes(ctx, archives, base, notes, rows);
  await write(await notes.basedOn(base.manifest, rows));
  return found;
}

/** Reads the archive; what is in it as it is goes to `rows`. */
async function inventory(
  ctx: Context,
  { backup_path, file_count, source_bytes, backup_metadata }: Known,
  rows: TextFile,
  more: Pick<InventoryOptions, "onRecipe" | "onGone">,
): Promise<Inventory> {
  const whole = { files: file_count ?? 0, bytes: source_bytes ?? 0 };
  const found = await takeInventory(backup_path, {
    onEntry: (entry) => rows.append(manifestLine(entry)),
    onRecipe: more.onRecipe,
    onGone: more.onGone,
    progress: ctx.progress,
    totals: backup_metadata?.stored ?? whole,
    signal: ctx.signal,
  });
  rows.flush();
  return found;
}

/** Adds the files that there are recipes for, with the SHA-256 of what those give. */
async function addRecipes(
  ctx: Context,
  archives: Archives,
  base: { name: string; manifest: string },
  notes: IncrementNotes,
  rows: TextFile,
) {
  const recipes = notes.recipes();
  if (recipes === null) return;
  using hasher = new RecipeHasher(archives, ctx.signal);
  for await (const batch of knownRecipes(base.manifest, base.name, recipes)) {
    throwIfAborted(ctx.signal);
    for (const file of batch) {
      const sha256 = file.sha256 ?? await hasher.hash(file);
      rows.append(manifestLine({ ...file, sha256 }));
    }
  }
  rows.flush();
}

/**
 * Makes sure that the archives are those that the backup was made against: by their lengths, and by the
 * digests that the catalogue or the records beside them know; where neither does, they are read.
 */
async function proveLinks(ctx: Context, { links, records, archives }: Chain) {
  for (const [i, { backup_name, bytes, sha256 }] of links.entries()) {
    const path = archives.earlier.get(backup_name)!;
    const known = records[i]?.backup_path === path ? records[i] : readSidecar(path);
    const { size } = Deno.statSync(path);
    const hash = known?.backup_hash ?? null;
    if (size !== bytes || (hash !== null && hash !== sha256)) {
      throw corrupt(path, "it is not the archive that later backups were made against");
    }
    if (hash !== null) continue;
    phase(ctx, "verify", `Checking the SHA-256 of ${backup_name}`);
    await matchArchive(path, sha256, { progress: ctx.progress, signal: ctx.signal });
  }
}

/** Path of the parent's manifest, which is made anew where it cannot be read. */
async function parentManifest(ctx: Context, { links, records, archives }: Chain): Promise<string> {
  const path = archives.earlier.get(links.at(-1)!.backup_name)!;
  const manifest = manifestPath(path);
  if (exists(manifest) && await canReadManifest(manifest)) return manifest;
  const known = records.at(-1) ?? readSidecar(path) ?? await recordInArchive(path);
  phase(ctx, "verify", `Making the manifest of ${known.backup_name} anew`);
  await makeManifestAnew(ctx, { ...known, backup_path: path });
  return manifest;
}
