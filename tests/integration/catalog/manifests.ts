/** Manifests for tests of what reads many of them. */
import { manifestLine, writeManifest } from "../../../lib/catalog/manifest.ts";
import { type BackupManifest, ManifestSet } from "../../../lib/catalog/manifest_set.ts";
import type { ManifestEntry } from "../../../lib/core/model.ts";

/** A file with made-up metadata: its SHA-256 stands for `content`, its size is that text's length. */
export function file(
  path: string,
  content = "x",
  more: Partial<ManifestEntry> = {},
): ManifestEntry {
  const hex = [...new TextEncoder().encode(content)].map((n) => n.toString(16).padStart(2, "0"));
  return {
    ...{ path, type: "file", size: content.length, mode: 0o644, uid: 0, gid: 0 },
    ...{ mtime_s: 1_700_000_000, mtime_ns: 5, link: null },
    ...{
      sha256: hex.join("").padEnd(64, "0").slice(0, 64),
      block_offset: 0,
      block_inner: 0,
      ...more,
    },
  };
}

/** Anything but a file. */
export function other(
  path: string,
  type: ManifestEntry["type"],
  more: Partial<ManifestEntry> = {},
): ManifestEntry {
  return file(path, "", { type, sha256: null, ...more });
}

/** Writes one manifest for each tree, as backups 1, 2, 3 ... of stack "shop". */
export async function writeManifests(
  directory: string,
  ...trees: ManifestEntry[][]
): Promise<BackupManifest[]> {
  const written: BackupManifest[] = [];
  for (const [n, entries] of trees.entries()) {
    const path = `${directory}/b${n + 1}.manifest.parquet`;
    Deno.writeTextFileSync(`${directory}/rows`, entries.map(manifestLine).join(""));
    await writeManifest(`${directory}/rows`, path);
    written.push({ backup_id: n + 1, stack: "shop", path });
  }
  return written;
}

export async function openSet(
  directory: string,
  manifests: BackupManifest[],
): Promise<ManifestSet> {
  return await ManifestSet.open(manifests, { temp_directory: `${directory}/tmp` });
}
