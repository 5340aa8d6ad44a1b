/** The table `service_status_history`: how a stack's services were, each time duckback looked. */
import { insertList, nextId, type Session } from "./session.ts";
import type { ServiceStatusRow } from "./types.ts";

const TABLE = "service_status_history";
const COLUMNS = [
  "stack",
  "service_name",
  "container_id",
  "status",
  "health_status",
  "error_message",
  "recorded_at",
] as const satisfies readonly (keyof ServiceStatusRow)[];

export class ServiceStatusHistory {
  constructor(private readonly session: Session) {}

  /** Adds all rows or none. */
  async record(rows: ServiceStatusRow[]): Promise<void> {
    if (rows.length === 0) return;
    await this.session.write("record service status", async (tx) => {
      for (const row of rows) {
        const id = await nextId(tx, TABLE);
        const values = Object.fromEntries(COLUMNS.map((name) => [name, row[name]]));
        await tx.run(`INSERT INTO ${TABLE} ${insertList(["id", ...COLUMNS])}`, { id, ...values });
      }
    });
  }

  /** Newest first. */
  list(
    filter: { stack?: string; limit?: number } = {},
  ): Promise<(ServiceStatusRow & { id: number })[]> {
    return this.session.read(
      `SELECT * FROM ${TABLE} WHERE ($stack::VARCHAR IS NULL OR stack = $stack)
       ORDER BY recorded_at DESC, id DESC LIMIT $limit::BIGINT`,
      { stack: filter.stack ?? null, limit: filter.limit ?? Number.MAX_SAFE_INTEGER },
    );
  }
}
