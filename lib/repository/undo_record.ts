/** What the last rollback of a stack replaced, and where it is kept: for `rollback --undo`. */
import { join } from "node:path";
import { ensurePrivateDir, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";
import type { SwapStep } from "./journal.ts";

/** The last rollback of a stack. `applied` is false once it was undone (and can be done again). */
export interface UndoRecord {
  stack: string;
  work_dir: string;
  backup_id: number;
  backup_name: string;
  at: string;
  applied: boolean;
  swaps: SwapStep[];
}

function pathOf(home: Home, stack: string): string {
  return join(home.undo, `${stack.replaceAll("/", "_")}.json`);
}

/** The last rollback of `stack`, or null. */
export function readUndo(home: Home, stack: string): UndoRecord | null {
  try {
    return JSON.parse(Deno.readTextFileSync(pathOf(home, stack)));
  } catch (cause) {
    // A damaged one serves nobody, and must not keep a rollback from its end.
    if (cause instanceof Deno.errors.NotFound || cause instanceof SyntaxError) return null;
    throw cause;
  }
}

/** Replaces what is known of the stack's last rollback, durably. */
export function writeUndo(home: Home, record: UndoRecord) {
  ensurePrivateDir(home.undo);
  writeDurably(pathOf(home, record.stack), JSON.stringify(record, null, 1));
}
