/**
 * A journal that nobody can read is kept aside. What it may have listed is named all the same, from its
 * own scraps and from what the catalogue knows of the run.
 */
import { asDuckbackError } from "../core/errors.ts";
import type { BackupRecord } from "../core/model.ts";
import { keepAside } from "../repository/journal.ts";
import type { Context } from "./context.ts";
import { note, tryConnect, withCatalog } from "./context.ts";
import { list } from "./quiesced.ts";
import { recordMended } from "./recover_audit.ts";

/** One that was put aside. */
export interface LostJournal {
  /** Where it is kept now. */
  path: string;
  why: string;
  /** As much of its text as could be read. */
  text: string;
}

/** Puts a journal aside that could not be read because of `cause`. */
export function putAside(path: string, cause: unknown): LostJournal {
  let text = "";
  try {
    text = new TextDecoder().decode(Deno.readFileSync(path));
  } catch {
    // Not even that: the catalogue may know more.
  }
  return { path: keepAside(path), why: String(cause), text };
}

/**
 * Says loudly what is lost and which containers may be down because of it, and returns their names.
 * `mended` are the backups whose journals could be read. Starts nothing: what is only guessed at may
 * have been stopped by a person.
 */
export async function reportLost(
  ctx: Context,
  lost: LostJournal[],
  mended: Set<number | null>,
): Promise<string[]> {
  if (lost.length === 0) return [];
  const known = await ranInDeadRuns(ctx, mended);
  const names = new Set([...lost.flatMap(({ text }) => containersIn(text)), ...known]);
  const { down, sure } = await notRunning(ctx, [...names]);
  const services = down.length === 0
    ? "Check that all services run: duckback docker-service status"
    : `It may have listed ${list(down)}, which ${sure ? "DO NOT RUN" : "may not run"}: ` +
      `docker start ${down.join(" ")}`;
  for (const { path, why } of lost) {
    const text = `The journal of an earlier run cannot be read (${why}); it is kept as ${path}.`;
    note(ctx, `${text} ${services}`, "warning");
    await recordMended(ctx, {
      description: "a journal that cannot be read",
      params: { kept_as: path },
      status: "failed",
      message: `${text} ${services}`,
    });
  }
  return down;
}

/** Names of planned containers in what is left of a journal's text, cut off or of another version. */
export function containersIn(text: string): string[] {
  const items = text.matchAll(/"id":\s*"[0-9a-f]{64}",\s*"name":\s*"([^"\\]+)"/g);
  return [...new Set([...items].map(([, name]) => name))];
}

/** Containers that ran when a backup began whose row still says `running`. */
async function ranInDeadRuns(ctx: Context, mended: Set<number | null>): Promise<string[]> {
  try {
    const rows = await withCatalog(ctx, ({ backups }) => backups.list({ status: "running" }));
    return rows.filter(({ id }) => !mended.has(id)).flatMap(ranAtItsStart);
  } catch (cause) {
    note(ctx, `The catalogue cannot be asked: ${asDuckbackError(cause).message}`, "warning");
    return [];
  }
}

function ranAtItsStart({ backup_metadata }: BackupRecord): string[] {
  const { quiesce, services = [] } = backup_metadata ?? {};
  if (quiesce === "none") return [];
  return services.filter(({ state }) => state === "running" || state === "restarting")
    .map(({ container }) => container);
}

/** Those of `names` that are there and do not run; all of them, not `sure`, where no engine answers. */
async function notRunning(ctx: Context, names: string[]) {
  if (names.length === 0) return { down: [], sure: true };
  try {
    const { engine } = await tryConnect(ctx);
    if (!engine) return { down: names, sure: false };
    const found = await Promise.all(names.map((name) => engine.inspect(name)));
    const up = ["running", "restarting"];
    const down = names.filter((_, at) => found[at] && !up.includes(found[at].state));
    return { down, sure: true };
  } catch {
    return { down: names, sure: false };
  }
}
