/** What a quiesce will do to which container: plain JSON, written to the journal before the first stop. */
import { DuckbackError } from "../core/errors.ts";
import type { QuiesceMode } from "../core/model.ts";
import type { ServiceDef } from "./compose_model.ts";
import type { Container, Dependency, Health } from "./engine.ts";
import { names } from "./find_project.ts";
import { levels } from "./levels.ts";

/** A container that runs now, and how it is to be brought back. */
export interface QuiesceItem {
  id: string;
  name: string;
  project: string | null;
  service: string | null;
  number: number;
  oneoff: boolean;
  action: "stop" | "pause";
  /** Containers of a level start together, after all lower levels; they stop the other way round. */
  level: number;
  depends_on: Dependency[];
  stop_signal: string;
  /** Seconds; null: the engine's default, negative: for ever. */
  stop_timeout_s: number | null;
  restart_policy: string;
  has_healthcheck: boolean;
  /** As it was: a container that was not well before is not waited for. */
  state: "running" | "restarting";
  health: Health | null;
  /** The engine's time of its last start: tells whether somebody started it since. */
  started_at: string | null;
}

export interface QuiescePlan {
  version: 1;
  stack: string;
  mode: "stop" | "pause";
  /** In the order of stopping. */
  items: QuiesceItem[];
  /** Containers that are left as they are though they are not down: paused by somebody. */
  left: { name: string; service: string | null; reason: string }[];
}

/** What planning reads of a stack. */
export interface Quiescable {
  name: string;
  services: ServiceDef[];
  containers: Container[];
}

/**
 * Plans to stop (or pause) all containers of the stack that run, one-offs and orphans included; those
 * that do not run are left alone. Raises AUTO_REMOVE where a stop would delete a container.
 */
export function planQuiesce(stack: Quiescable, mode: Exclude<QuiesceMode, "none">): QuiescePlan {
  const running = stack.containers.filter((container) =>
    container.state === "running" || container.state === "restarting"
  );
  // The engine cannot pause a container that is between two tries: it is stopped instead.
  const action = (container: Container): QuiesceItem["action"] =>
    container.state === "restarting" ? "stop" : mode;
  refuseAutoRemove(
    stack.name,
    running.filter((item) => item.auto_remove && action(item) === "stop"),
  );
  // Over all services: web depends on db through app, though app may be down.
  const level = levels(edges(stack));
  const items = running.map((container): QuiesceItem => ({
    id: container.id,
    name: container.name,
    project: container.project,
    service: container.service,
    number: container.number,
    oneoff: container.oneoff,
    action: action(container),
    level: level.get(nodeOf(container))!,
    depends_on: dependenciesOf(container, stack.services),
    stop_signal: container.stop_signal,
    stop_timeout_s: container.stop_timeout_s,
    restart_policy: container.restart_policy,
    has_healthcheck: container.has_healthcheck,
    state: container.state as QuiesceItem["state"],
    health: container.health,
    started_at: container.started_at,
  }));
  items.sort((a, b) => b.level - a.level || (a.name < b.name ? -1 : 1));
  return {
    version: 1,
    stack: stack.name,
    mode,
    items,
    left: stack.containers.filter((container) => container.state === "paused").map((container) => ({
      name: container.name,
      service: container.service,
      reason: "it was paused before",
    })),
  };
}

/** Compose v2 writes them on the container; else the compose file says. */
function dependenciesOf(container: Container, services: ServiceDef[]): Dependency[] {
  const declared = services.find((service) => service.name === container.service);
  return container.depends_on ?? declared?.depends_on ?? [];
}

/** A one-off depends like its service, but nothing waits for it. */
function nodeOf(container: Container): string {
  return container.service === null || container.oneoff ? `#${container.name}` : container.service;
}

function edges({ containers, services }: Quiescable): Map<string, string[]> {
  const out = new Map(services.map((service) => [
    service.name,
    service.depends_on.map((item) => item.service),
  ]));
  for (const container of containers) {
    const own = dependenciesOf(container, services).map((item) => item.service);
    const node = nodeOf(container);
    // A container's own label is what it was made with; the file may have changed since.
    out.set(node, container.depends_on ? own : [...out.get(node) ?? [], ...own]);
  }
  return out;
}

function refuseAutoRemove(stack: string, containers: Container[]) {
  if (containers.length === 0) return;
  const which = names(containers);
  throw new DuckbackError(
    "AUTO_REMOVE",
    `Cannot stop stack "${stack}": ${which} was started with --rm, so a stop would delete it and ` +
      "its anonymous volumes",
    {
      hint: "Use --quiesce pause (freezes it) or --quiesce none, or stop it yourself first: " +
        `docker stop ${containers.map((container) => container.name).join(" ")}`,
      details: { containers: containers.map((container) => container.name) },
    },
  );
}

/** Items in groups of the same level, in the order of stopping. */
export function inLevels(items: QuiesceItem[]): QuiesceItem[][] {
  const groups = Map.groupBy(items, (item) => item.level);
  return [...groups.keys()].sort((a, b) => b - a).map((level) => groups.get(level)!);
}

/** Seconds until the engine kills a container that does not end: the engine's own default is 10. */
export function graceSeconds(item: { stop_timeout_s: number | null }): number {
  const seconds = item.stop_timeout_s ?? 10;
  return seconds < 0 ? Infinity : seconds;
}
