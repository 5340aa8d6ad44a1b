/** Service definitions for tests. */
import type { ServiceDef } from "../../../lib/docker/compose_model.ts";

/** A service with these labels and nothing else. */
export function service(name: string, labels: Record<string, string> = {}): ServiceDef {
  return {
    name,
    image: null,
    container_name: null,
    profiles: [],
    restart: "no",
    labels,
    depends_on: [],
    has_healthcheck: false,
    mounts: [],
    env_files: [],
    configs: [],
    secrets: [],
  };
}
