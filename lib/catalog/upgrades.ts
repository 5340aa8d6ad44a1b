/** The table `upgrade_history`: one row an upgrade, from the moment it begins. */
import { insertList, nextId, type Session } from "./session.ts";
import type { NewUpgrade, UpgradePatch, UpgradeRecord, UpgradeStatus } from "./types.ts";

const TABLE = "upgrade_history";
const COLUMNS = [
  "upgrade_id",
  "stack",
  "from_version",
  "to_version",
  "upgrade_type",
  "status",
  "scheduled_at",
  "started_at",
  "completed_at",
  "backup_id",
  "error_message",
  "rollback_reason",
  "upgrade_log",
] as const satisfies readonly (keyof NewUpgrade)[];

/** All that changes after the beginning; none of it has an index. */
const CHANGING = [
  "status",
  "completed_at",
  "backup_id",
  "error_message",
  "rollback_reason",
  "upgrade_log",
] as const satisfies readonly (keyof UpgradePatch)[];

export class Upgrades {
  constructor(private readonly session: Session) {}

  /** Adds a row and returns its id. */
  insert(upgrade: NewUpgrade): Promise<number> {
    return this.session.write(`record upgrade "${upgrade.upgrade_id}"`, async (tx) => {
      const id = await nextId(tx, TABLE);
      await tx.run(`INSERT INTO ${TABLE} ${insertList(["id", ...COLUMNS])}`, {
        id,
        ...Object.fromEntries(COLUMNS.map((name) => [name, upgrade[name]])),
      });
      return id;
    });
  }

  /** Changes the given columns of a row; an unknown id changes nothing. */
  update(id: number, patch: UpgradePatch): Promise<void> {
    const columns = CHANGING.filter((name) => patch[name] !== undefined);
    if (columns.length === 0) return Promise.resolve();
    const set = columns.map((name) => `"${name}" = $${name}`).join(", ");
    return this.session.write(
      `update upgrade ${id}`,
      (tx) =>
        tx.run(`UPDATE ${TABLE} SET ${set} WHERE id = $id`, {
          id,
          ...Object.fromEntries(columns.map((name) => [name, patch[name] ?? null])),
        }),
    );
  }

  async get(id: number): Promise<UpgradeRecord | null> {
    const sql = `SELECT * FROM ${TABLE} WHERE id = $id`;
    return (await this.session.read<UpgradeRecord>(sql, { id }))[0] ?? null;
  }

  /** Newest first. */
  list(filter: { stack?: string; status?: UpgradeStatus } = {}): Promise<UpgradeRecord[]> {
    return this.session.read<UpgradeRecord>(
      `SELECT * FROM ${TABLE}
       WHERE ($stack::VARCHAR IS NULL OR stack = $stack)
         AND ($status::VARCHAR IS NULL OR status = $status)
       ORDER BY id DESC`,
      { stack: filter.stack ?? null, status: filter.status ?? null },
    );
  }
}
