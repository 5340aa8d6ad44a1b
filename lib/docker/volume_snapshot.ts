/** What a backup notes of a stack's volumes, so that they can be made anew elsewhere. */
import type { VolumeSnapshot } from "../core/model.ts";
import type { ComposeProject } from "./compose.ts";
import { LABEL, type Volume } from "./engine.ts";
import { isAnonymous } from "./volume_place.ts";

/** Labels of others than compose and the engine. */
const OWN_LABEL = /^com\.docker\./;

/** Given a volume and the compose project that may declare it. */
export function volumeSnapshot(volume: Volume, compose: ComposeProject | null): VolumeSnapshot {
  const { name, driver, options, labels } = volume;
  const declared = Object.entries(compose?.volumes ?? {}).find(([, one]) => one.name === name);
  const key = declared?.[0] ?? labels[LABEL.volume] ?? null;
  return {
    name,
    key,
    naming: declared ? namingOf(declared[1]) : key === null ? "named" : "project",
    plain: driver === "local" && Object.keys(options).length === 0 && !isAnonymous(name, labels),
    labels: Object.fromEntries(
      Object.entries(labels).filter(([label]) => !OWN_LABEL.test(label)),
    ),
  };
}

function namingOf({ external, named }: { external: boolean; named: boolean }) {
  return external ? "external" as const : named ? "named" as const : "project" as const;
}
