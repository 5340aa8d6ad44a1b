/** Finds a planned container again, though somebody may have made it anew. */
import { type Container, type Engine, LABEL } from "./engine.ts";

/** What identifies a container across `docker compose up --force-recreate`. */
export interface Identity {
  id: string;
  name: string;
  project: string | null;
  service: string | null;
  number: number;
  oneoff: boolean;
}

/** By id, else by project, service and number; null where there is none any more. */
export async function locate(engine: Engine, item: Identity): Promise<Container | null> {
  const found = await engine.inspect(item.id);
  if (found && found.state !== "removing") return found;
  if (item.project === null || item.service === null) return await engine.inspect(item.name);
  const all = await engine.listContainers({
    [LABEL.project]: item.project,
    [LABEL.service]: item.service,
  });
  return all.find((container) =>
    container.number === item.number && container.oneoff === item.oneoff &&
    container.state !== "removing"
  ) ?? null;
}

/** "web (shop_web_1)": the service where there is one, and the name that `docker` takes. */
export function title(item: { name: string; service: string | null }): string {
  return item.service === null ? item.name : `${item.service} (${item.name})`;
}
