/** Where a backup's bytes go (a file of the repository or standard output), and the writing of them. */
import type { Parent } from "../archive/archive_options.ts";
import type { Rewritable } from "../archive/cut_out.ts";
import { ArchiveRun } from "../archive/create.ts";
import { DuckbackError } from "../core/errors.ts";
import { manifestLine } from "../catalog/manifest.ts";
import { PendingArchive } from "../repository/pending_archive.ts";
import { manifestPath, manifestRowsPath, notesPath } from "../repository/naming.ts";
import { TextFile } from "../repository/text_file.ts";
import { type BackupPlan, neverArchived } from "./backup_plan.ts";
import type { RunningRecord } from "./backup_record.ts";
import type { Context } from "./context.ts";
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
  /** What was written, and a place for notes: what two passes need. Null for standard output. */
  two_pass: { rewrite: Rewritable; notes_path: string } | null;
}

/** Opens the place the plan names; fails before any service is touched. */
export function openOutput(plan: BackupPlan): Output {
  return plan.path === "-" ? new StandardOutput() : new RepositoryOutput(plan.path);
}

class RepositoryOutput implements Output {
  readonly #archive: PendingArchive;
  readonly manifest: TextFile;
  readonly manifest_path: string;
  readonly two_pass: { rewrite: Rewritable; notes_path: string };

  constructor(path: string) {
    this.#archive = PendingArchive.create(path);
    this.manifest_path = manifestPath(path);
    this.two_pass = { rewrite: this.#archive, notes_path: notesPath(path) };
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
  readonly two_pass = null;

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

/** Begins the archive of the plan's sources in `output`; its making is up to the caller. */
export function beginArchive(
  ctx: Context,
  plan: BackupPlan,
  running: RunningRecord,
  output: Output,
  { estimate, parent }: { estimate: Estimate | null; parent?: Parent },
): Promise<ArchiveRun> {
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value, null, 1) + "\n");
  return ArchiveRun.begin({
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
    ...output.two_pass,
    parent,
    onEntry: (entry) => output.manifest?.append(manifestLine(entry)),
    progress: ctx.progress,
    totals: estimate ?? undefined,
    signal: ctx.signal,
  });
}
