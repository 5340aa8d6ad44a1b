/** Makes archives of real trees for the tests of lib/archive. */
import type { Compression, ManifestEntry, Source } from "../../../lib/core/model.ts";
import {
  type ArchiveSummary,
  createArchive,
  type CreateOptions,
} from "../../../lib/archive/mod.ts";

export const SIGNAL = new AbortController().signal;
export const COMPRESSIONS: [Compression, number][] = [["gzip", 6], ["zstd", 3], ["none", 0]];

/** The working directory itself as a source. */
export function workDir(path: string): Source {
  return { kind: "path", role: "app", name: ".", path, archive_path: ".", origin: "test" };
}

/** A path in the working directory `dir`. */
export function pathIn(dir: string, name: string): Source {
  const path = `${dir}/${name}`;
  return { kind: "path", role: "data", name, path, archive_path: name, origin: "test" };
}

/** A named volume. */
export function volume(name: string, path: string): Source {
  const archive_path = `volumes/${name}`;
  return { kind: "volume", role: "data", name, path, archive_path, origin: "test" };
}

export interface Made {
  path: string;
  summary: ArchiveSummary;
  manifest: ManifestEntry[];
}

/** Writes an archive to `path`; gzip level 1 where nothing else is said. */
export async function make(
  path: string,
  sources: Source[],
  options: Partial<CreateOptions> = {},
): Promise<Made> {
  const manifest: ManifestEntry[] = [];
  using file = Deno.openSync(path, { write: true, create: true, truncate: true });
  const summary = await createArchive({
    sources,
    compression: "gzip",
    level: 1,
    first: new TextEncoder().encode(`{"archive":"test"}`),
    last: (result) => new TextEncoder().encode(JSON.stringify(result)),
    write(bytes) {
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
    },
    onEntry: (entry) => manifest.push(entry),
    now: new Date("2024-02-29T12:00:00Z"),
    signal: SIGNAL,
    ...options,
  });
  return { path, summary, manifest };
}

/** What GNU tar must be told to restore everything. */
export function gnuTar(archive: string, to: string, compression: Compression): string[] {
  const unpack = { gzip: ["-z"], zstd: ["--zstd"], none: [] }[compression];
  const all = ["--xattrs", "--xattrs-include=*", "--acls", "-S"];
  return ["-x", ...unpack, "-p", ...all, "--numeric-owner", "-f", archive, "-C", to];
}
