/** Somebody who is told of events, whatever the way; built from the settings by receivers.ts. */
import type { AlertEvent } from "../core/events.ts";

export type Channel = "webhook" | "mail" | "ping" | "command";

export interface Receiver {
  /** The same for the same settings, in every run; holds no secret. */
  id: string;
  channel: Channel;
  /** For people: "webhook slack+env:SLACK_URL". Holds no secret. */
  label: string;
  /** True where an event is of no use once there is a newer one of the same stack. */
  latest_only: boolean;
  /** True where this one is told of such an event. `repeated`: told not long ago. */
  wants(event: AlertEvent, repeated: boolean): boolean;
  /** One try. Raises SendError; anything else is a fault of the program. */
  send(event: AlertEvent, signal: AbortSignal): Promise<void>;
}

/** Why a receiver was not told; the message holds no secret. */
export class SendError extends Error {
  override readonly name = "SendError";

  constructor(
    message: string,
    /** False where the same again at once cannot succeed: a wrong address, a refused password. */
    readonly worth_retrying: boolean,
  ) {
    super(message);
  }
}
