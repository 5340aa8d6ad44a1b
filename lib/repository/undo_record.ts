/** What the last rollback of a stack replaced, and where it is kept: for `rollback --undo`. */
import { join } from "node:path";
import { ensurePrivateDir, removeDurably, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";
import type { SwapStep } from "./journal.ts";

/** A rollback of a stack. `applied` is false once it was undone (and can be done again). */
export interface KeptRollback {
  stack: string;
  work_dir: string;
  backup_id: number;
  backup_name: string;
  at: string;
  applied: boolean;
  swaps: SwapStep[];
}

/** The last rollback of a stack, with those before it whose trees are still kept. */
export interface UndoRecord extends KeptRollback {
  /** Newest first; missing in records of earlier versions. */
  older?: KeptRollback[];
  /** How many rollbacks were to be kept when this one was made; missing in earlier versions: 1. */
  keep_old?: number;
}

function pathOf(home: Home, stack: string): string {
  return join(home.undo, `${stack.replaceAll("/", "_")}.json`);
}

/** The last rollback of `stack`, or null. */
export function readUndo(home: Home, stack: string): UndoRecord | null {
  return readRecord(pathOf(home, stack));
}

function readRecord(path: string): UndoRecord | null {
  try {
    return JSON.parse(Deno.readTextFileSync(path));
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

/** Forgets a stack's rollbacks. */
export function removeUndo(home: Home, stack: string) {
  removeDurably(pathOf(home, stack));
}

/** The records of all stacks; what cannot be read is left out. */
export function listUndo(home: Home): UndoRecord[] {
  let names: string[];
  try {
    names = [...Deno.readDirSync(home.undo)].map(({ name }) => name);
  } catch {
    return []; // there was no rollback yet
  }
  return names.filter((name) => name.endsWith(".json")).sort()
    .flatMap((name) => readRecord(join(home.undo, name)) ?? []);
}
