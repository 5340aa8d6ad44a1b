/** How a setting is described; the descriptions themselves are in settings.ts and beside it. */
import type { Kind } from "./values.ts";

export interface Definition<K extends string = string> {
  key: K;
  kind: Kind;
  /** `auto_backup`, `backup`, `notify`, `rollback` or `upgrade`. */
  category: string;
  description: string;
  /** Null: computed from the host (`defaultValue`), or there is none. */
  default: unknown;
  /** False: duckback writes it, people only read it. */
  editable: boolean;
}

export function define<K extends string>(
  key: K,
  kind: Kind,
  fallback: unknown,
  description: string,
  editable = true,
): Definition<K> {
  const category = key.startsWith("auto_") ? "auto_backup" : key.split(".")[0];
  return { key, kind, category, description, default: fallback, editable };
}
