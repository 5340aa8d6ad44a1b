/** `duckback query`: SQL over backups, files, versions and actions, that can only read. */
import { resolve } from "node:path";
import { Command } from "./commander.ts";
import { DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { printable } from "../core/paths.ts";
import { count } from "../core/units.ts";
import type { QueryOutcome, QuerySink } from "../operations/query.ts";
import { putRows } from "./json_rows.ts";
import { examples, oneOf } from "./options.ts";
import { harmless, type Session } from "./session.ts";
import { cell, table } from "./table.ts";

const ABOUT = `
Views: backups, files, versions, actions; docs/history.md lists their columns, and so does
"DESCRIBE files". The query is one SELECT in DuckDB's SQL. It writes nothing, attaches nothing, reads no other
file, loads no extension and changes no setting. Backups of all stacks are in it.`;

/** More than that nobody reads, and the table would have to be held whole. */
const MOST_ROWS = 10_000;

type Format = "table" | "json" | "csv" | "parquet";

export function addQuery(program: Command, session: Session) {
  program.command("query")
    .description("ask in SQL, read-only")
    .argument("<sql>", "one SELECT")
    .option(
      "--format <format>",
      "table, json (a list of objects), csv or parquet (with --output)",
      oneOf("table", "json", "csv", "parquet"),
    )
    .option("--output <file>", "where the Parquet file goes; it must not be there yet")
    .addHelpText("after", ABOUT)
    .addHelpText(
      "after",
      examples(
        `duckback query "SELECT id, created_at, backup_size FROM backups ORDER BY id"`,
        `duckback query "SELECT path, count(*) AS n FROM versions GROUP BY path ORDER BY n DESC LIMIT 10"`,
        `duckback query "FROM files WHERE backup_id = 12" --format csv > files.csv`,
        `duckback query "FROM files" --format parquet --output files.parquet`,
      ),
    )
    .action(async (sql, options) => {
      const format = formatOf(session, options);
      const ask = { session, sql, output: options.output };
      if (format === "parquet") return await toParquet(ask);
      if (session.json !== null) return await toDocument(ask);
      await { table: toTable, json: toList, csv: toCsv }[format](ask);
    });
}

interface Ask {
  session: Session;
  sql: string;
  output: string | undefined;
}

function formatOf(session: Session, options: { format?: Format; output?: string }): Format {
  const format = options.format ?? (options.output === undefined ? "table" : "parquet");
  if ((format === "parquet") !== (options.output !== undefined)) {
    throw new DuckbackError(
      "USAGE",
      format === "parquet"
        ? "Cannot write Parquet to standard output: give --output FILE"
        : `Cannot write ${format} to --output: redirect standard output instead`,
      { hint: `duckback query "..." --format parquet --output FILE` },
    );
  }
  if (session.json !== null && (format === "csv" || options.format === "table")) {
    throw new DuckbackError("USAGE", `Cannot use --json with --format ${format}`);
  }
  return format;
}

async function run({ session, sql }: Ask, sink: QuerySink): Promise<QueryOutcome> {
  const { query } = await import("../operations/query.ts");
  const done = await query(session.context("query"), sql, sink);
  session.settle();
  if (done.unread.length > 0) session.exit_code = EXIT_CODES.PARTIAL;
  return done;
}

async function toTable(ask: Ask) {
  const rows: (string | null)[][] = [];
  let total = 0;
  const { columns } = await run(ask, {
    form: "text",
    begin() {},
    text(batch) {
      total += batch.length;
      rows.push(...batch.slice(0, MOST_ROWS - rows.length));
    },
  });
  const { session } = ask;
  if (session.globals.quiet) return;
  const titles = columns.map(({ name, type }) => ({
    title: cell(name),
    align: isNumber(type) ? "right" as const : "left" as const,
  }));
  const shown = rows.map((row) => row.map((value) => value === null ? "NULL" : cell(value) || " "));
  const lines = table(titles, shown, session.out_style.bold);
  if (rows.length === 0) lines.splice(0, lines.length, "No rows.");
  if (total > rows.length) {
    lines.push(`... and ${count(total - rows.length, "more row")}: LIMIT, or --format csv`);
  }
  session.terminal.out(lines.map((line) => `${line}\n`).join(""));
}

function isNumber(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/.test(type);
}

async function toCsv(ask: Ask) {
  const { terminal } = ask.session;
  // At a terminal no name may drive it; in a file or a pipe it is what it is.
  const plain = terminal.stdout_terminal ? printable : (text: string) => text;
  const line = (values: (string | null)[]) =>
    values.map((value) => value === null ? "" : csvField(plain(value))).join(",") + "\r\n";
  await run(ask, {
    form: "text",
    begin: (columns) => terminal.out(line(columns.map(({ name }) => name))),
    text: (rows) => terminal.out(rows.map(line).join("")),
  });
}

/** RFC 4180; an empty text is quoted, so that it is not NULL. */
function csvField(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function toList(ask: Ask) {
  const { out } = ask.session.terminal;
  let before = "[";
  await run(ask, {
    form: "json",
    begin() {},
    json(rows) {
      out(`${before}\n  ${rows.map(harmless).join(",\n  ")}`);
      before = ",";
    },
  });
  out(before === "[" ? "[]\n" : "\n]\n");
}

async function toDocument(ask: Ask) {
  await putRows(ask.session, {}, "rows", async (put) => {
    const { columns, unread } = await run(ask, {
      form: "json",
      begin() {},
      json: (rows) => put(rows.map(harmless)),
    });
    return { columns, unread };
  });
}

async function toParquet({ session, sql, output }: Ask) {
  const path = resolve(session.terminal.cwd, output!);
  const { queryToParquet } = await import("../operations/query.ts");
  const { rows, columns, unread } = await queryToParquet(session.context("query"), sql, path);
  session.result(
    { success: true, output: path, rows, columns, unread },
    () => [`${count(rows, "row")} in ${cell(path)}`],
    unread.length > 0 ? EXIT_CODES.PARTIAL : 0,
  );
}
