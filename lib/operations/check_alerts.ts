/** `notify check`: what nobody reports by itself, since it is about something that did not happen. */
import { noteCheck } from "../repository/alert_spool.ts";
import { keepingCatalog } from "./context.ts";
import type { Context } from "./context.ts";
import { deliverAlerts, type Delivery } from "./deliver_alerts.ts";
import { watchDisk } from "./disk_alerts.ts";
import { announceOverdue, type Overdue } from "./overdue.ts";

export interface AlertCheck {
  overdue: Overdue[];
  /** How full the archives' disk is, where that is too much; else null. */
  disk: string | null;
  deliveries: Delivery[];
}

/** Announces what is overdue or nearly full, and sends that and what waits in the spool. */
export async function checkAndTell(ctx: Context): Promise<AlertCheck> {
  await using _catalog = keepingCatalog(ctx);
  noteCheck(ctx.home, ctx.now());
  const overdue = await announceOverdue(ctx);
  const disk = await watchDisk(ctx);
  return { overdue, disk, deliveries: await deliverAlerts(ctx) };
}
