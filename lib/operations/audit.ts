/** A row in user_actions for every command that changes something: who, what, result, how long. */
import { asDuckbackError, DuckbackError } from "../core/errors.ts";
import type { ActionStatus } from "../catalog/types.ts";
import { VERSION } from "../core/version.ts";
import type { Context } from "./context.ts";
import { note, withCatalog } from "./context.ts";

/** What is done, in words and in parameters. Parameters never hold a secret. */
export interface Action {
  type: string;
  description: string;
  params: Record<string, unknown>;
}

/**
 * Does `work` between the two halves of an audit row. The first half is written before anything is
 * touched and must succeed; where the second cannot be written (disk full), the work still counts.
 * `result` words the outcome; an error is recorded with its code and thrown on.
 */
export async function audited<T>(
  ctx: Context,
  action: Action,
  work: () => Promise<T>,
  result: (value: T) => { status?: "completed" | "partial"; message: string },
): Promise<T> {
  const started = ctx.now();
  const id = await withCatalog(ctx, (catalog) =>
    catalog.actions.begin({
      action_type: action.type,
      action_description: action.description,
      action_params: action.params,
      actor: ctx.actor,
      client_version: VERSION,
      host: ctx.host,
      started_at: started.toISOString(),
    }));
  let value: T;
  try {
    value = await work();
  } catch (cause) {
    const error = asDuckbackError(cause);
    const status = error.code === "INTERRUPTED" ? "interrupted" : "failed";
    await settle(ctx, id, status, `${error.code}: ${error.message}`);
    throw cause;
  }
  const { status, message } = result(value);
  await settle(ctx, id, status ?? "completed", message);
  return value;
}

async function settle(ctx: Context, id: number, status: ActionStatus, message: string) {
  try {
    await withCatalog(
      ctx,
      (catalog) =>
        catalog.actions.finish(id, {
          status,
          result_message: message,
          completed_at: ctx.now().toISOString(),
        }),
    );
  } catch (cause) {
    const text = cause instanceof DuckbackError ? cause.message : String(cause);
    note(ctx, `The end of this action could not be recorded: ${text}`, "warning");
  }
}
