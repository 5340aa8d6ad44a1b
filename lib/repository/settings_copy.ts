/** The settings once more as a file in the home, so that they outlive a catalogue that is lost. */
import { writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";

const FORMAT = "duckback-settings-1";

/** Replaces the copy (0600) with all values that are set. Raises DISK_FULL, NOT_WRITABLE, IO. */
export function writeSettingsCopy(home: Home, values: Record<string, unknown>): void {
  writeDurably(home.settings, JSON.stringify({ format: FORMAT, values }, null, 1) + "\n");
}

/** The values of the copy; none where there is no copy that can be read. */
export function readSettingsCopy(home: Home): Record<string, unknown> {
  try {
    const { format, values } = JSON.parse(Deno.readTextFileSync(home.settings));
    return format === FORMAT && typeof values === "object" && values !== null ? values : {};
  } catch {
    return {};
  }
}
