/** Puts a source, entry after entry, with the directories that lead to it. */
import type { ManifestEntry, Source } from "../core/model.ts";
import { cString } from "../posix/c_string.ts";
import { closeQuietly } from "../posix/files.ts";
import { AT_FDCWD } from "../posix/libc.ts";
import { StatView } from "../posix/stat.ts";
import { NO_XATTRS, type Xattr, xattrsAt } from "../posix/xattr.ts";
import type { WalkChoice } from "./archive_options.ts";
import { makeExcluder } from "./exclude.ts";
import type { Earlier } from "./earlier.ts";
import type { Packer } from "./pack.ts";
import { SkipList } from "./skip_list.ts";
import { type SparseMap, sparseMap } from "./sparse_map.ts";
import { Walker } from "./walk.ts";
import type { Logged } from "./walk_log.ts";
import type { Warnings } from "./warnings.ts";

export const NO_LINK = new Uint8Array(0);

/** A directory as the walk found it. */
export interface FoundDirectory {
  path: string;
  stat: StatView;
  xattrs: readonly Xattr[];
}

export function newWalker(
  choice: WalkChoice,
  warnings: Warnings,
  openFiles: boolean,
  earlier: Earlier | null = null,
): Walker {
  return new Walker({
    earlier,
    exclude: makeExcluder(choice.exclude ?? []),
    skip: new SkipList(choice.skip_paths ?? []),
    warnings,
    openFiles,
    oneFileSystem: choice.one_file_system ?? false,
    excludeCaches: choice.exclude_caches ?? false,
  });
}

/** Puts what the walk finds in `source`, but for what was stored earlier and has not changed. */
export async function putSource(
  source: Source,
  walk: Walker,
  packer: Packer,
  parents: Set<string>,
  earlier: Earlier | null,
  onParent: (path: string) => void = () => {},
) {
  const { writer, pulse } = packer;
  let more = walk.begin(source);
  if (more) await addParents(source, packer, parents, onParent);
  else more = walk.next();
  for (; more; more = walk.next()) {
    if (pulse.due()) await pulse.beat();
    if (walk.stored) {
      earlier!.kept(walk);
      continue;
    }
    const { old, above } = earlier?.put(walk.path, walk.type === "directory") ?? NEW;
    for (const { path, stat, xattrs } of above) {
      if (!writer.ready) await writer.wait();
      packer.addEntry(path, "directory", stat, NO_LINK, xattrs);
    }
    if (!writer.ready) await writer.wait();
    if (walk.fd < 0) packer.addCurrent(walk);
    else {
      // To wait costs more than to put a small file: only where there is something to wait for.
      const waiting = addFile(walk, packer, old);
      if (waiting !== null) await waiting;
      closeQuietly(walk.fd);
      walk.fd = -1;
    }
  }
}

/** Nothing was stored earlier. */
const NEW = { old: null, above: [] };

/**
 * Puts the walk's current file; where it changes meanwhile, once more behind that. `old` is what an earlier
 * backup has at its path. Null where it is done.
 */
function addFile(walk: Walker, packer: Packer, old: Logged | null): Promise<void> | null {
  const { references } = packer;
  if (references === null) return addWhole(walk, packer);
  return references.put(walk, old).then((taken) => taken ? undefined : addWhole(walk, packer)!);
}

function addWhole(walk: Walker, packer: Packer): Promise<void> | null {
  const found = holes(walk, packer);
  if (found !== null) {
    return found.then(async (map) => settle(walk, packer, await putFile(walk, packer, map), map));
  }
  const put = putFile(walk, packer, null);
  if (put instanceof Promise) return put.then((entry) => settle(walk, packer, entry, null));
  return packer.changed === null ? null : settle(walk, packer, put, null);
}

async function settle(
  walk: Walker,
  packer: Packer,
  entry: ManifestEntry,
  holed: SparseMap | null,
): Promise<void> {
  const first = packer.changed;
  if (first === null) return;
  const { warnings, writer } = packer;
  if (!walk.reopen()) {
    packer.keep();
    return warnings.add(first.code, walk.path, first.message, true);
  }
  // tar's rule makes this sound for every reader: of two entries of one path the later wins.
  packer.supersede(entry, holed);
  if (!writer.ready) await writer.wait();
  const map = await holes(walk, packer);
  await putFile(walk, packer, map);
  const second = packer.changed;
  if (second === null) {
    const message = `${first.message}; it was read again, this time without a change`;
    warnings.add("FILE_CHANGED", walk.path, message, false);
  } else {
    packer.keep();
    const message = `${second.message}, twice: it does not keep still`;
    warnings.add("FILE_CHANGED", walk.path, message, true);
  }
}

/** Where the walk's current file has holes: its map, else null. */
export function holes({ stat, fd }: Walker, { pulse }: Packer): Promise<SparseMap | null> | null {
  return stat.blocks * 512 < stat.size ? sparseMap(fd, stat.size, pulse) : null;
}

/** Puts the walk's current file; `old` is what an earlier backup has at its path. */
export async function putFileOf(walk: Walker, packer: Packer, old: Logged | null): Promise<void> {
  if (await packer.references?.put(walk, old)) return;
  await putFile(walk, packer, await holes(walk, packer));
}

/** Puts the walk's current file with its content; `packer.changed` tells what happened to it meanwhile. */
export function putFile(
  walk: Walker,
  packer: Packer,
  map: SparseMap | null,
): ManifestEntry | Promise<ManifestEntry> {
  const entry = packer.addCurrent(walk, map);
  if (map !== null) return packer.addSparse(walk, entry, map).then(() => entry);
  if (packer.addSmallContent(walk, entry)) return entry;
  return packer.addContent(walk, entry).then(() => entry);
}

/**
 * Stores the directories between the working directory and a source inside it, once each. Other
 * sources (volumes, external paths) lie under directories that exist in archives only.
 */
async function addParents(
  source: Source,
  packer: Packer,
  done: Set<string>,
  onParent: (path: string) => void,
): Promise<void> {
  const { archive_path, path } = source;
  if (source.kind !== "path" || !path.endsWith(`/${archive_path}`)) return;
  const workDir = path.slice(0, -archive_path.length);
  const stat = new StatView();
  for (let end = archive_path.indexOf("/"); end > 0; end = archive_path.indexOf("/", end + 1)) {
    const parent = archive_path.slice(0, end);
    if (done.has(parent)) continue;
    done.add(parent);
    if (!stat.at(AT_FDCWD, cString(workDir + parent), true) || stat.type !== "directory") continue;
    if (!packer.writer.ready) await packer.writer.wait();
    const xattrs = xattrsAt(cString(workDir + parent)) ?? NO_XATTRS;
    packer.addEntry(parent, "directory", stat, NO_LINK, xattrs);
    onParent(parent);
  }
}
