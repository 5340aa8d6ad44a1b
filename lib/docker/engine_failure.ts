/** What went wrong between duckback and the engine, as a DuckbackError with a hint that fits. */
import { DuckbackError } from "../core/errors.ts";

interface Thrown {
  statusCode?: number;
  code?: string;
  message?: string;
  json?: { message?: string };
}

/** Codes of the operating system and what a person can do about each. */
const CONNECT: Record<string, { state: string; hint: string }> = {
  ENOENT: {
    state: "its socket does not exist",
    hint: "Start the engine (`systemctl start docker`), or point DOCKER_HOST or a docker context " +
      "at its socket.",
  },
  ECONNREFUSED: {
    state: "nothing listens there",
    hint: "Start the engine: `systemctl start docker`; `journalctl -u docker` says why it is down.",
  },
  EACCES: {
    state: "permission denied",
    hint:
      "Run as root, or add your user to the docker group (`sudo usermod -aG docker $USER`) and " +
      "log in again.",
  },
};
CONNECT.EPERM = CONNECT.EACCES;

/**
 * Given what a call to the engine threw, returns DOCKER_FAILED where the engine answered and refused,
 * else DOCKER_UNREACHABLE. `act` is the end of "Cannot ...": `stop container "web"`.
 */
export function engineFailure(
  thrown: unknown,
  act: string,
  endpoint: string,
  limit_ms: number | null = null,
): DuckbackError {
  if (thrown instanceof DuckbackError) return thrown;
  const cause = thrown as Thrown;
  if (cause.statusCode) {
    const said = cause.json?.message ?? cause.message ?? `HTTP status ${cause.statusCode}`;
    return new DuckbackError("DOCKER_FAILED", `Cannot ${act}: ${said.trim()}`, {
      cause: thrown,
      details: { status: cause.statusCode },
    });
  }
  const known = CONNECT[cause.code ?? ""];
  const late = cause.code === "EINTR" && limit_ms !== null;
  const state = known?.state ??
    (late
      ? `no answer within ${Math.round(limit_ms / 1000)} s`
      : `the connection broke (${(cause.message ?? String(thrown)).trim()})`);
  return new DuckbackError(
    "DOCKER_UNREACHABLE",
    `Cannot reach the Docker engine at "${endpoint}": ${state}`,
    {
      cause: thrown,
      hint: known?.hint ?? "Check the engine: `docker info`, `journalctl -u docker`.",
      details: { while: act },
    },
  );
}

/** HTTP status with which the engine refused; null for every other error. */
export function refusalStatus(error: unknown): number | null {
  if (!(error instanceof DuckbackError) || error.code !== "DOCKER_FAILED") return null;
  const status = error.details.status;
  return typeof status === "number" ? status : null;
}

/** True where another try may find the engine back. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof DuckbackError && error.code === "DOCKER_UNREACHABLE";
}
