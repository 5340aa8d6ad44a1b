/** `duckback find`, `history`, `diff` and `stats`: questions to the manifests of many backups. */
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import type { FoundVersion } from "../catalog/entry_search.ts";
import type { DiffRow } from "../catalog/tree_diff.ts";
import type { DiffSide } from "../operations/diff.ts";
import { entryTypes, hashStart, moment, sizeRange } from "./find_options.ts";
import { putRows } from "./json_rows.ts";
import { backupId, examples, integer } from "./options.ts";
import type { Session } from "./session.ts";

/** Rows that people are shown unless they ask for more; JSON has them all. */
const ROWS = 1000;

const OFFLINE = `
Manifests are read where they lie, beside the archives; the archives themselves are not needed. A backup
whose manifest is missing or broken is left out with a note, and the exit code is 3.`;

export function addHistory(program: Command, session: Session) {
  addFind(program, session);
  addPathHistory(program, session);
  addDiff(program, session);
  addStats(program, session);
}

const limit = integer(1, 1e9);

function addFind(program: Command, session: Session) {
  program.command("find")
    .description("which backups hold a file")
    .argument(
      "[pattern]",
      "a name (app.ini, '*.jpg'), a path with a slash ('data/**/*.jpg'), or where it lies on this host",
    )
    .option("--size <n>", "+10M: larger, -10M: smaller, 10M: exactly", sizeRange)
    .option(
      "--newer <when>",
      "modified after a day, a time or an age (2026-11-01, 7d); also --after",
    )
    .option("--after <when>", "the same as --newer")
    .option("--older <when>", "modified before it; also --before")
    .option("--before <when>", "the same as --older")
    .option("--sha256 <hex>", "content with this SHA-256, or its first 6 digits or more", hashStart)
    .option("--hash <hex>", "the same as --sha256", hashStart)
    .option(
      "--type <type>",
      "f, d, l, h, p, c or b as in `ls -l`; may be given more than once",
      entryTypes,
    )
    .option(
      "--backup <id>",
      "only in this backup; may be given more than once",
      (text, before: number[] | undefined) => [...before ?? [], backupId(text)],
    )
    .option("--limit <n>", `rows to show (default: ${ROWS}; with --json all)`, limit)
    .addHelpText("after", OFFLINE)
    .addHelpText(
      "after",
      examples(
        "duckback find app.ini",
        "duckback find '*.jpg' --size +10M --newer 7d",
        "duckback find 'data/**/*.conf' --stack shop --json",
        "duckback find --sha256 9f86d081884c7d65",
      ),
    )
    .action(async (pattern, options) => {
      const now = session.terminal.now();
      const when = (text: string | undefined) => text === undefined ? null : at(text, now);
      const { find } = await import("../operations/find.ts");
      const { findLines, foundJson } = await import("./history_view.ts");
      await answer(session, {
        ask: (take: Take<FoundVersion>) =>
          find(session.context("find"), {
            pattern: pattern ?? null,
            size: options.size ?? null,
            after: when(options.newer ?? options.after),
            before: when(options.older ?? options.before),
            sha256: options.sha256 ?? options.hash ?? null,
            types: options.type ?? null,
            backups: options.backup ?? [],
            limit: options.limit ?? (session.json === null ? ROWS : Infinity),
          }, take),
        json: foundJson,
        lines: (rows, found) => findLines(rows, found, pattern ?? null, session.out_style),
        exit_code: exitCode,
      });
    });
}

type Take<Row> = (rows: Row[]) => void;

/** Rows as they come where they are to be JSON, else all of them at once. */
async function answer<Row, Outcome extends object>(
  session: Session,
  { ask, json, lines, exit_code }: {
    ask: (take: Take<Row>) => Promise<Outcome>;
    json: (row: Row) => string;
    lines: (rows: Row[], outcome: Outcome) => string[];
    exit_code: (outcome: Outcome) => number;
  },
): Promise<void> {
  if (session.json === null) {
    const rows: Row[] = [];
    const outcome = await ask((batch) => rows.push(...batch));
    return session.result({}, () => lines(rows, outcome), exit_code(outcome));
  }
  await putRows(session, {}, "rows", async (put) => {
    const outcome = await ask((batch) => put(batch.map(json)));
    session.exit_code = exit_code(outcome);
    return outcome;
  });
}

/** An option's value that needs the clock, so Commander cannot parse it. */
function at(text: string, now: Date): string {
  try {
    return moment(text, now);
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new DuckbackError("USAGE", `Cannot take "${text}" for a time. ${message}`);
  }
}

function exitCode({ unread }: { unread: readonly unknown[] }): number {
  return unread.length > 0 ? EXIT_CODES.PARTIAL : 0;
}

function addPathHistory(program: Command, session: Session) {
  program.command("history")
    .description("every version of a file that backups have, and when it was not there")
    .argument("<path>", "as archives name it (data/app.ini), or where it lies on this host")
    .addHelpText("after", OFFLINE)
    .addHelpText(
      "after",
      examples("duckback history data/app.ini", "duckback history /srv/shop/compose.yaml --json"),
    )
    .action(async (path) => {
      const { history } = await import("../operations/history.ts");
      const { historyDocument, historyLines } = await import("./history_view.ts");
      const found = await history(session.context("history"), path);
      session.result(
        historyDocument(found),
        () => historyLines(found, session.out_style),
        exitCode(found),
      );
    });
}

const ABOUT_DIFF = `
Content is told by size and SHA-256; a time alone is no difference. A file that is gone and one of the same
content that came count as renamed. With "live" (what a backup of the same sources would hold if it was made
now) no content is read: it is told by size and modification time.`;

function addDiff(program: Command, session: Session) {
  program.command("diff")
    .description("what was added, removed, changed and renamed from one backup to another")
    .argument("<a>", "a backup's id, or live", side)
    .argument("<b>", "a backup's id, or live", side)
    .option("--depth <n>", "tell totals by so many names of a directory's path", integer(1, 50), 2)
    .option("--limit <n>", `rows to show (default: ${ROWS}; with --json all)`, limit)
    .addHelpText("after", ABOUT_DIFF)
    .addHelpText(
      "after",
      examples("duckback diff 12 13", "duckback diff 13 live", "duckback diff 12 13 --json"),
    )
    .action(async (from, to, options) => {
      const { diff } = await import("../operations/diff.ts");
      const { diffJson, diffLines } = await import("./diff_view.ts");
      const limit = options.limit ?? (session.json === null ? ROWS : Infinity);
      await answer(session, {
        ask: (take: Take<DiffRow>) =>
          diff(session.context("diff"), { from, to, depth: options.depth, limit }, take),
        json: diffJson,
        lines: (rows, found) => diffLines(rows, found, session.out_style),
        exit_code: ({ notes }) => notes.length > 0 ? EXIT_CODES.PARTIAL : 0,
      });
    });
}

function side(text: string): DiffSide {
  return text === "live" ? text : backupId(text);
}

function addStats(program: Command, session: Session) {
  program.command("stats")
    .description("how backups grow, what changes in them, what takes the room")
    .option("--last <n>", "look at so many of the newest backups", integer(1, 100_000), 30)
    .option("--top <n>", "files in each list", integer(1, 1000), 10)
    .option("--depth <n>", "tell changes by so many names of a directory's path", integer(1, 50), 2)
    .addHelpText("after", OFFLINE)
    .addHelpText("after", examples("duckback stats", "duckback stats --last 100 --json"))
    .action(async (options) => {
      const { stats } = await import("../operations/stats.ts");
      const { statsDocument, statsLines } = await import("./stats_view.ts");
      const found = await stats(session.context("stats"), options);
      const { terminal } = session;
      const charts = terminal.stdout_terminal && terminal.env.TERM !== "dumb";
      session.result(
        statsDocument(found),
        () => statsLines(found, session.out_style, charts ? terminal.columns() : null),
        exitCode(found),
      );
    });
}
