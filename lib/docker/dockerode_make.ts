/** The engine's `make` over dockerode. */
import type Docker from "./dockerode.d.ts";
import { refusalStatus } from "./engine_failure.ts";
import type { ContainerBody, Make } from "./make.ts";

type Call = <T>(
  act: string,
  limit_ms: number,
  call: (abortSignal: AbortSignal) => Promise<T>,
) => Promise<T>;

/** A container's removal waits for its processes and its layers. */
const LIMIT_MS = 120_000;

export class DockerodeMake implements Make {
  constructor(readonly docker: Docker, readonly call: Call) {}

  async container(name: string, body: ContainerBody): Promise<string> {
    const made = await this.call(
      `make container "${name}"`,
      LIMIT_MS,
      (abortSignal) => this.docker.createContainer({ _query: { name }, _body: body, abortSignal }),
    );
    return made.id;
  }

  async removeContainer(id: string): Promise<void> {
    await this.#gone(
      `remove container "${id}"`,
      (abortSignal) => this.docker.getContainer(id).remove({ force: true, v: true, abortSignal }),
    );
  }

  async innerNetwork(name: string, labels: Record<string, string>): Promise<string> {
    const made = await this.call(
      `make network "${name}"`,
      LIMIT_MS,
      (abortSignal) =>
        this.docker.createNetwork({
          _query: {},
          _body: {
            Name: name,
            CheckDuplicate: true,
            Driver: "bridge",
            // Keeps it from being routed. Older engines leave the host itself within reach all the
            // same, at its own address in the network: so it gets none.
            Internal: true,
            Options: { "com.docker.network.bridge.inhibit_ipv4": "true" },
            Labels: labels,
          },
          abortSignal,
        }),
    );
    return made.id;
  }

  async listNetworks(labels: Record<string, string>): Promise<string[]> {
    const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    const found = await this.call(
      "list networks",
      LIMIT_MS,
      (abortSignal) =>
        this.docker.listNetworks({ filters: JSON.stringify({ label }), abortSignal }),
    );
    return found.map(({ Id }) => Id);
  }

  async removeNetwork(id: string): Promise<void> {
    await this.#gone(
      `remove network "${id}"`,
      (abortSignal) => this.docker.getNetwork(id).remove({ abortSignal }),
    );
  }

  /** It may be gone already, or be going at this moment (409) by an earlier request. */
  async #gone(act: string, call: (abortSignal: AbortSignal) => Promise<unknown>) {
    try {
      await this.call(act, LIMIT_MS, call);
    } catch (error) {
      const status = refusalStatus(error);
      const going = status === 409 && /already in progress/.test(String(error));
      if (status !== 404 && !going) throw error;
    }
  }
}
