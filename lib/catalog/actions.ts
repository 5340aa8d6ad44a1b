/** The table `user_actions`: every command that changes something leaves a row here. */
import { insertList, nextId, type Session } from "./session.ts";
import { jsonOrNull } from "./text.ts";
import type { ActionFilter, ActionRecord, ActionResult, NewAction } from "./types.ts";

const TABLE = "user_actions";
const COLUMNS = [
  "action_type",
  "action_description",
  "action_params",
  "actor",
  "client_version",
  "host",
  "started_at",
] as const satisfies readonly (keyof NewAction)[];

export class Actions {
  constructor(private readonly session: Session) {}

  /** Notes that an action begins (status `running`) and returns the id to finish it with. */
  begin(action: NewAction): Promise<number> {
    return this.session.write(`record action "${action.action_type}"`, async (tx) => {
      const id = await nextId(tx, TABLE);
      await tx.run(`INSERT INTO ${TABLE} ${insertList(["id", "status", ...COLUMNS])}`, {
        id,
        status: "running",
        ...Object.fromEntries(COLUMNS.map((name) => [name, action[name]])),
        action_params: jsonOrNull(action.action_params),
      });
      return id;
    });
  }

  /** Notes how an action ended, and how long it took; an unknown id changes nothing. */
  finish(id: number, result: ActionResult): Promise<void> {
    return this.session.write(`finish action ${id}`, (tx) =>
      tx.run(
        `UPDATE ${TABLE} SET status = $status, result_message = $result_message,
           completed_at = $completed_at,
           duration_seconds = greatest(0, date_diff('millisecond', started_at,
             $completed_at::TIMESTAMPTZ)) / 1000.0
         WHERE id = $id`,
        { id, ...result },
      ));
  }

  /** The hours (ISO 8601, their beginnings) in which something was done, in no order. */
  async hours(): Promise<string[]> {
    const rows = await this.session.read<{ hour: string }>(
      `SELECT DISTINCT date_trunc('hour', started_at) AS hour FROM ${TABLE}`,
    );
    return rows.map(({ hour }) => hour);
  }

  /** Newest first. */
  list(filter: ActionFilter = {}): Promise<ActionRecord[]> {
    return this.session.read<ActionRecord>(
      `SELECT * FROM ${TABLE}
       WHERE ($type::VARCHAR IS NULL OR action_type = $type)
         AND ($status::VARCHAR IS NULL OR status = $status)
         AND ($actor::VARCHAR IS NULL OR actor = $actor)
         AND ($since::TIMESTAMPTZ IS NULL OR started_at >= $since::TIMESTAMPTZ)
         AND ($until::TIMESTAMPTZ IS NULL OR started_at <= $until::TIMESTAMPTZ)
       ORDER BY started_at DESC, id DESC LIMIT $limit::BIGINT`,
      {
        type: filter.action_type ?? null,
        status: filter.status ?? null,
        actor: filter.actor ?? null,
        since: filter.since ?? null,
        until: filter.until ?? null,
        limit: filter.limit ?? Number.MAX_SAFE_INTEGER,
      },
    );
  }
}
