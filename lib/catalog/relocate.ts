/** Archives that moved: their rows and the setting change in one transaction, or not at all. */
import type { Session } from "./session.ts";
import { jsonOrNull } from "./text.ts";

/** `paths` by the rows' ids; `directory` null puts the setting back to its default. */
export function relocate(
  session: Session,
  paths: Map<number, string>,
  directory: string | null,
  now: Date,
): Promise<void> {
  return session.write("record where archives lie", async (tx) => {
    for (const [id, path] of paths) {
      await tx.run("UPDATE backup_records SET backup_path = $path WHERE id = $id", { id, path });
    }
    await tx.run(
      `UPDATE app_config SET config_value = $value, updated_at = $now
       WHERE config_key = 'auto_backup_directory'`,
      { value: jsonOrNull(directory), now: now.toISOString() },
    );
  });
}
