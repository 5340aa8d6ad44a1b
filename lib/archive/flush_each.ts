/** The directories of a small restore, to be flushed one by one: syncfs would wait for all others' writes. */
import { fsync } from "../posix/files.ts";
import { ENOENT } from "../posix/libc.ts";
import { PosixError } from "../posix/posix_error.ts";
import type { Place } from "./restore_entry.ts";
import type { TarEntry } from "./tar_parser.ts";
import type { Target } from "./target.ts";

export class FlushEach {
  /** By target and path. */
  readonly #directories = new Map<string, { target: Target; path: string }>();

  /** Notes the directories above an entry, and itself if it is one. */
  note(entry: TarEntry, { target, relative }: Place): void {
    let path = entry.type === "directory" ? `${relative}/` : relative;
    while (path !== "") {
      path = path.slice(0, Math.max(0, path.lastIndexOf("/")));
      this.#directories.set(`${target.to}\0${path}`, { target, path });
    }
  }

  /** Makes names and metadata durable; files are flushed as they are closed. Throws PosixError. */
  flush(): void {
    for (const { target, path } of this.#directories.values()) {
      try {
        fsync(target.directory(path), target.to);
      } catch (error) {
        // Nothing was made in it: a device that was not asked for.
        if (!(error instanceof PosixError) || error.errno !== ENOENT) throw error;
      }
    }
  }
}
