/** One run of the command line: global options, where output goes, and the context of operations. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { asDuckbackError, type DuckbackError, EXIT_CODES } from "../core/errors.ts";
import { printable } from "../core/paths.ts";
import type { ProgressEvent } from "../core/progress.ts";
import type { Context } from "../operations/context.ts";
import { locateHome } from "../repository/home.ts";
import { logTo } from "./logging.ts";
import { ProgressLine } from "./progress.ts";
import { type Style, styleFor } from "./style.ts";

/** What the process gives; main.ts builds it, tests may build their own. */
export interface Terminal {
  env: Record<string, string>;
  cwd: string;
  uid: number | null;
  signal: AbortSignal;
  now: () => Date;
  stdin_terminal: boolean;
  stdout_terminal: boolean;
  stderr_terminal: boolean;
  columns: () => number;
  out: (text: string) => void;
  err: (text: string) => void;
}

/** Options every command takes. */
export interface Globals {
  json?: boolean;
  quiet?: boolean;
  verbose?: boolean;
  home?: string;
  workDir?: string;
  stack?: string;
  file?: string[];
  progress?: "auto" | "json" | "none";
}

export class Session {
  exit_code = 0;
  /** Set once `--json` or `--list-json` is seen: from then on standard output takes one document. */
  json: "document" | "list" | null = null;
  globals: Globals = {};
  #line: ProgressLine | null = null;
  /** Of the operation that ran. */
  #context: Context | null = null;

  constructor(readonly terminal: Terminal) {}

  get out_style(): Style {
    return styleFor(this.terminal.stdout_terminal, this.terminal.env);
  }

  get err_style(): Style {
    return styleFor(this.terminal.stderr_terminal, this.terminal.env);
  }

  /** True where questions can be asked. */
  get interactive(): boolean {
    return this.terminal.stdin_terminal && this.terminal.stderr_terminal && this.json === null;
  }

  /** The context in which `command` ("backup create") runs its operation. */
  context(command: string): Context {
    const { terminal, globals } = this;
    const work_dir = resolve(terminal.cwd, globals.workDir ?? ".");
    return this.#context = {
      // One for all contexts of this run: what was announced is known by it.
      home: this.#context?.home ?? locateHome(
        globals.home && resolve(terminal.cwd, globals.home),
        terminal.env,
        terminal.uid,
      ),
      work_dir,
      place_given: globals.workDir !== undefined,
      stack: globals.stack ?? null,
      compose_files: globals.file?.map((file) => resolve(work_dir, file)),
      env: terminal.env,
      now: terminal.now,
      signal: terminal.signal,
      progress: this.#progress(),
      watched: globals.progress === "json" || this.#line !== null,
      actor: terminal.env.SUDO_USER ?? terminal.env.USER ?? terminal.env.LOGNAME ??
        `uid ${terminal.uid ?? "unknown"}`,
      host: hostname(),
      command,
    };
  }

  #progress(): (event: ProgressEvent) => void {
    const { terminal, globals } = this;
    const verbosity = globals.quiet ? "quiet" : globals.verbose ? "verbose" : "normal";
    if (globals.progress === "json") {
      return (event) => terminal.err(jsonText(event) + "\n");
    }
    if (terminal.stderr_terminal && !globals.quiet && globals.progress !== "none") {
      this.#line = new ProgressLine(terminal.err, terminal.columns, this.err_style);
    }
    const logger = logTo(
      (line) => {
        this.#line?.clear();
        terminal.err(`${line}\n`);
      },
      this.err_style,
      verbosity,
    );
    return (event) => {
      if (event.type === "note") {
        logger[event.level === "warning" ? "warn" : "info"]("{t}", { t: event.text });
      } else if (this.#line) this.#line.handle(event);
      if (event.type === "phase") logger.debug("{t}", { t: event.text });
    };
  }

  /** Called last: services are up and the result is out, now others may be told. Throws nothing. */
  async tellOthers() {
    const ctx = this.#context;
    if (!ctx) return;
    const { hasAlerts } = await import("../operations/announce.ts");
    if (!hasAlerts(ctx)) return;
    const { deliverAlerts } = await import("../operations/deliver_alerts.ts");
    await deliverAlerts(ctx);
    this.settle();
  }

  /** Ends the progress line; the next text stands alone. */
  settle() {
    this.#line?.clear();
  }

  /** The result: one JSON document, or lines for people (none with --quiet). */
  result(document: Record<string, unknown>, lines: () => string[], exit_code = 0) {
    this.settle();
    this.exit_code = exit_code;
    if (this.json !== null) this.terminal.out(jsonText(document, 2) + "\n");
    else if (!this.globals.quiet) this.terminal.out(lines().map((line) => `${line}\n`).join(""));
  }

  /** What a command of the user's puts out, as it is. */
  passThrough(text: string) {
    if (this.globals.quiet) return;
    this.settle();
    this.terminal.err(text);
  }

  /** Lines for people on standard error, where standard output carries an archive. */
  aside(lines: string[], exit_code: number) {
    this.settle();
    this.exit_code = exit_code;
    if (!this.globals.quiet) this.terminal.err(lines.map((line) => `${line}\n`).join(""));
  }

  /** An error, in the shape the caller asked for. Never a stack trace. */
  fail(thrown: unknown) {
    this.settle();
    const error = asDuckbackError(thrown);
    this.exit_code = EXIT_CODES[error.code];
    if (this.json === "list") {
      const document = { success: false, backups: [], error: error.message };
      this.terminal.out(jsonText(document) + "\n");
    } else if (this.json === "document") {
      const document = { success: false, error: { ...error.toData(), ...error.details } };
      this.terminal.out(jsonText(document, 2) + "\n");
    }
    for (const line of this.#errorLines(error)) this.terminal.err(`${line}\n`);
  }

  #errorLines(error: DuckbackError): string[] {
    const style = this.err_style;
    const text = error.message.split("\n").map(printable).join("\n");
    const lines = [`${style.red("error:")} ${text}`];
    if (error.hint) lines.push(`${style.cyan("hint:")}  ${printable(error.hint)}`);
    if (!this.globals.verbose) return lines;
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
      lines.push(style.dim(`caused by: ${printable(`${cause.name}: ${cause.message}`)}`));
    }
    return lines;
  }
}

/** JSON in which no name can drive a terminal: C1 controls and bidirectional overrides are escaped. */
export function jsonText(value: unknown, indent?: number): string {
  // JSON.stringify escapes what lies below U+0020 itself, and lone surrogates.
  return harmless(JSON.stringify(value, null, indent));
}

/** The same for what is JSON already. */
export function harmless(json: string): string {
  return json.replace(
    /[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
