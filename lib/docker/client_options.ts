/** What dockerode is told of an endpoint. */
import type { Endpoint } from "./endpoint.ts";

/** Everything is said outright: dockerode fills what is left out from its own reading of DOCKER_HOST. */
export function clientOptions(endpoint: Endpoint) {
  return {
    socketPath: endpoint.socket_path ?? undefined,
    host: endpoint.host ?? undefined,
    port: endpoint.port ?? undefined,
    pathPrefix: "/",
    protocol: endpoint.tls ? "https" : "http",
    ca: undefined,
    cert: undefined,
    key: undefined,
    timeout: undefined,
  } as const;
}
