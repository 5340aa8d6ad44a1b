/** Which Docker engine to talk to: DOCKER_HOST, the docker context in force, or the default socket. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import type { Env } from "./engine.ts";

/** Where the engine listens, and the certificates for it where it wants some. */
export interface Endpoint {
  /** As the user would write it: "unix:///var/run/docker.sock". */
  url: string;
  /** What chose it: "DOCKER_HOST", `context "x"` or "default". */
  chosen_by: string;
  socket_path: string | null;
  host: string | null;
  port: number | null;
  tls: { ca?: string; cert?: string; key?: string } | null;
}

const DEFAULT_SOCKET = "/var/run/docker.sock";

/**
 * Raises DOCKER_UNREACHABLE for an engine on another machine (its volumes and bind mounts are not
 * here to be read), a context that does not exist, and an address that cannot be understood.
 */
export function resolveEndpoint(env: Env): Endpoint {
  const home = env.DOCKER_CONFIG || (env.HOME ? join(env.HOME, ".docker") : null);
  if (env.DOCKER_HOST) {
    const certs = env.DOCKER_CERT_PATH || home;
    const tls = env.DOCKER_TLS_VERIFY || env.DOCKER_CERT_PATH ? readCertificates(certs) : null;
    return parseEndpoint(env.DOCKER_HOST, "DOCKER_HOST", tls);
  }
  const context = env.DOCKER_CONTEXT || currentContext(home);
  if (context && context !== "default") return contextEndpoint(context, home);
  return parseEndpoint(`unix://${defaultSocket(env)}`, "default", null);
}

/** A rootless engine listens in the user's runtime directory. */
function defaultSocket(env: Env): string {
  const rootless = env.XDG_RUNTIME_DIR && join(env.XDG_RUNTIME_DIR, "docker.sock");
  return rootless && !exists(DEFAULT_SOCKET) && exists(rootless) ? rootless : DEFAULT_SOCKET;
}

function currentContext(home: string | null): string | null {
  const config = home && readJson(join(home, "config.json"));
  return config?.currentContext || null;
}

/** `docker context` keeps each under the SHA-256 of its name. */
function contextEndpoint(name: string, home: string | null): Endpoint {
  const key = createHash("sha256").update(name).digest("hex");
  const meta = home && readJson(join(home, "contexts", "meta", key, "meta.json"));
  const docker = meta?.Endpoints?.docker;
  if (!docker?.Host) {
    throw new DuckbackError(
      "DOCKER_UNREACHABLE",
      `Cannot use docker context "${name}": there is no such context in ${home ?? "$HOME/.docker"}`,
      { hint: "See `docker context ls`, then `docker context use NAME` or set DOCKER_CONTEXT." },
    );
  }
  const certs = join(home!, "contexts", "tls", key, "docker");
  const tls = exists(certs) ? readCertificates(certs) : null;
  return parseEndpoint(docker.Host, `context "${name}"`, tls);
}

function parseEndpoint(url: string, chosen_by: string, tls: Endpoint["tls"]): Endpoint {
  const text = url.startsWith("/") ? `unix://${url}` : url.includes("://") ? url : `tcp://${url}`;
  const [scheme, rest] = text.split("://", 2);
  const base = { url: text, chosen_by, socket_path: null, host: null, port: null };
  if (scheme === "unix" && rest.startsWith("/")) return { ...base, socket_path: rest, tls: null };
  if (scheme === "ssh") throw remote(text, chosen_by);
  const address = URL.parse(`http://${rest}`);
  if (!["tcp", "http", "https"].includes(scheme) || !address?.hostname) {
    throw new DuckbackError(
      "DOCKER_UNREACHABLE",
      `Cannot use Docker endpoint "${text}" (${chosen_by}): it is neither unix:// nor tcp://`,
      { hint: "Unset it to use unix:///var/run/docker.sock, or name a local socket." },
    );
  }
  const host = address.hostname.replace(/^\[|\]$/g, "");
  if (!isThisMachine(host)) throw remote(text, chosen_by);
  const secure = tls ?? (scheme === "https" ? {} : null);
  return { ...base, host, port: Number(address.port) || (secure ? 2376 : 2375), tls: secure };
}

function remote(url: string, chosen_by: string): DuckbackError {
  return new DuckbackError(
    "DOCKER_UNREACHABLE",
    `Cannot use Docker endpoint "${url}" (${chosen_by}): that engine runs on another machine`,
    {
      hint:
        "Its volumes and bind mounts are not on this machine. Run duckback on that machine, or " +
        "choose the local engine: `docker context use default`, DOCKER_HOST unset.",
      details: { remote: true },
    },
  );
}

function isThisMachine(host: string): boolean {
  if (host === "localhost" || host === "::1" || host.startsWith("127.")) return true;
  if (host === Deno.hostname()) return true;
  return Deno.networkInterfaces().some((found) => found.address === host);
}

function readCertificates(dir: string | null): Endpoint["tls"] {
  const read = (name: string) => {
    try {
      return dir ? Deno.readTextFileSync(join(dir, name)) : undefined;
    } catch {
      return undefined; // Which of them are needed is the engine's to say.
    }
  };
  return { ca: read("ca.pem"), cert: read("cert.pem"), key: read("key.pem") };
}

// deno-lint-ignore no-explicit-any
function readJson(path: string): any {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
  } catch {
    return null;
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
