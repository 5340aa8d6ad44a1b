/** Where a backup's bytes go (a file of the repository or standard output), and the writing of them. */
import { type ArchiveSummary, createArchive } from "../archive/create.ts";
import { DuckbackError } from "../core/errors.ts";
import { manifestLine } from "../catalog/manifest.ts";
import { PendingArchive } from "../repository/pending_archive.ts";
import { manifestPath, manifestRowsPath } from "../repository/naming.ts";
import { TextFile } from "../repository/text_file.ts";
import { type BackupPlan, neverArchived } from "./backup_plan.ts";
import type { RunningRecord } from "./backup_record.ts";
import type { Context } from "./context.ts";
import { phase } from "./context.ts";
import type { Estimate } from "./preflight.ts";

/** Takes an archive's bytes in order. Disposed before `finish`, it leaves nothing behind. */
export interface Output extends Disposable {
  write(bytes: Uint8Array): void | Promise<void>;
  /** Makes the archive durable under its final name. */
  finish(): void;
  /** Rows of the manifest-to-be, one JSON line an entry; null where none is kept (standard output). */
  manifest: TextFile | null;
  /** Where the manifest goes, or null. */
  manifest_path: string | null;
}

/** Opens the place the plan names; fails before any service is touched. */
export function openOutput(plan: BackupPlan): Output {
  return plan.path === "-" ? new StandardOutput() : new RepositoryOutput(plan.path);
}

class RepositoryOutput implements Output {
  readonly #archive: PendingArchive;
  readonly manifest: TextFile;
  readonly manifest_path: string;

  constructor(path: string) {
    this.#archive = PendingArchive.create(path);
    this.manifest_path = manifestPath(path);
    try {
      this.manifest = TextFile.create(manifestRowsPath(path));
    } catch (cause) {
      this.#archive[Symbol.dispose]();
      throw cause;
    }
  }

  write(bytes: Uint8Array) {
    this.#archive.write(bytes);
  }

  finish() {
    this.#archive.finish();
  }

  [Symbol.dispose]() {
    this.manifest[Symbol.dispose]();
    this.#archive[Symbol.dispose]();
  }
}

class StandardOutput implements Output {
  readonly manifest = null;
  readonly manifest_path = null;

  /** Asynchronous: a reader that stalls must not keep signals from being seen. */
  async write(bytes: Uint8Array) {
    try {
      for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    } catch (cause) {
      const gone = cause instanceof Deno.errors.BrokenPipe;
      throw new DuckbackError(
        "IO",
        `Cannot write to standard output: ${gone ? "the reader closed the pipe" : String(cause)}`,
        { cause, hint: "The archive is incomplete: what the reader got is not a backup." },
      );
    }
  }

  finish() {}
  [Symbol.dispose]() {}
}

/** Walks the sources into `output`; afterwards `running` knows sizes, counts, hash and warnings. */
export async function writeArchive(
  ctx: Context,
  plan: BackupPlan,
  running: RunningRecord,
  output: Output,
  estimate: Estimate,
): Promise<ArchiveSummary> {
  phase(ctx, "archive", `Archiving ${plan.stack.name}`);
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value, null, 1) + "\n");
  const summary = await createArchive({
    sources: plan.sources,
    exclude: plan.exclude,
    skip_paths: neverArchived(ctx, plan),
    one_file_system: plan.request.one_file_system,
    exclude_caches: plan.request.exclude_caches,
    compression: plan.compression,
    level: plan.level,
    now: ctx.now(),
    first: json(running.firstEntry()),
    last: (found) => json(running.lastEntry(found, ctx.now())),
    write: (bytes) => output.write(bytes),
    onEntry: (entry) => output.manifest?.append(manifestLine(entry)),
    progress: ctx.progress,
    totals: estimate,
    signal: ctx.signal,
  });
  running.noteArchive(summary);
  return summary;
}
