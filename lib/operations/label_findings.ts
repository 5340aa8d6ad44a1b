/** What a stack's labels, and containers that share its volumes, give people to know. */
import { DuckbackError } from "../core/errors.ts";
import type { QuiesceMode, Warning } from "../core/model.ts";
import type { StackLabels } from "../docker/labels.ts";
import { type PlanOptions, planQuiesce, type QuiescePlan } from "../docker/quiesce.ts";
import { sharerTitle } from "../docker/sharing.ts";
import type { Stack } from "../docker/stack.ts";
import { list } from "./quiesced.ts";

/** Sentences about labels that are not understood; those that a backup refuses only where asked for. */
export function labelNotes(labels: StackLabels, options: { fatal?: boolean } = {}): string[] {
  return [...labels].flatMap(([service, { problems }]) =>
    problems.filter((problem) => problem.fatal === (options.fatal ?? false))
      .map((problem) => `Service ${service}: ${problem.message}`)
  );
}

/** Raises USAGE for labels with bad values: a typo must not silently stop production, or not stop it. */
export function refuseBadLabels(stack: Stack) {
  const bad = labelNotes(stack.labels, { fatal: true });
  if (bad.length === 0) return;
  throw new DuckbackError("USAGE", `Cannot back up stack "${stack.name}": ${bad.join("; ")}`, {
    hint: "Mend the label in the compose file, then: docker compose up -d",
    details: { labels: bad },
  });
}

/** Containers of other projects that write to a source and are not in `plan`. */
export function sharingFindings(stack: Stack, plan: QuiescePlan | null): Warning[] {
  const stopped = new Set(plan?.items.map((item) => item.id));
  return stack.sharing.filter(({ container }) => !stopped.has(container.id))
    .map(({ container, sources }) => ({
      code: "SHARED_WITH",
      path: sharerTitle(container),
      message:
        `mounts ${list(sources)} read-write and keeps running during a backup: what it writes ` +
        "meanwhile is crash-consistent (--stop-sharing stops it along)",
      incomplete: false,
    }));
}

/** Services that keep running by their label and write to a source. */
export function liveWriters(
  stack: Stack,
  options: PlanOptions,
  mode: Exclude<QuiesceMode, "none">,
): Warning[] {
  return planQuiesce(stack, mode, options).left
    .filter(({ writes, sharing }) => writes.length > 0 && !sharing)
    .map(({ name, service, reason, writes }) => ({
      code: "CRASH_CONSISTENT",
      path: service ?? name,
      message: `keeps running during a backup (${reason}): what it writes to ${list(writes)} is ` +
        "crash-consistent",
      incomplete: false,
    }));
}

/** Containers of other projects that have files at `paths` in use, which a rollback replaces. */
export function sharedTargets(stack: Stack, paths: string[]): string[] {
  return stack.sharing.flatMap(({ container, sources }) => {
    const touched = stack.sources.filter((source) =>
      sources.includes(source.name) && paths.includes(source.path)
    ).map((source) => source.name);
    if (touched.length === 0) return [];
    return [
      `${sharerTitle(container)} mounts ${
        list(touched)
      } read-write and is not stopped by a rollback: ` +
      `docker restart ${container.name}`,
    ];
  });
}
