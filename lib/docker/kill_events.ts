/** Signals to containers out of the engine's events. */
import type { Readable } from "node:stream";
import type { KillEvent, RecentKills } from "./engine.ts";

/** How many events an engine keeps for those who ask later. */
const EVENT_BUFFER = 256;

/** Given the body of `GET /events` (one JSON document a line), asked for from `since` on. */
export function toKills(text: string, since: Date): RecentKills {
  const events = text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const kills = events.filter((event) => event.Type === "container" && event.Action === "kill");
  const full = events.length >= EVENT_BUFFER;
  return {
    kills: kills.map((event): KillEvent => ({
      container_id: event.Actor.ID,
      signal: event.Actor.Attributes.signal ?? "",
      at: event.timeNano / 1e6,
    })),
    complete_since: full ? events[0].timeNano / 1e6 : since.getTime(),
  };
}

/** All of a stream's text; what came until `signal` is aborted. */
export async function readText(stream: Readable, signal: AbortSignal): Promise<string> {
  signal.addEventListener("abort", () => stream.destroy(), { once: true });
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new TextDecoder().decode(await new Blob(chunks as BlobPart[]).arrayBuffer());
}
