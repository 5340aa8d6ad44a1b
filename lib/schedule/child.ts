/** Runs of this very program as processes of their own: DuckDB and Docker's client end with them. */
import type { ProgressEvent } from "../core/progress.ts";

/** How a run ended. */
export interface ChildResult {
  /** Exit code; 128 and more where a signal ended it. */
  code: number;
  /** Its standard output, parsed; null where that is no JSON document. */
  // deno-lint-ignore no-explicit-any
  document: any;
}

export interface Child {
  pid: number;
  ended: Promise<ChildResult>;
  /** Asks it to end in good order. */
  stop(): void;
}

/** What this program is run with, looked up at the start: an upgrade may replace the file meanwhile. */
const PROGRAM = Deno.build.standalone
  ? [Deno.execPath()]
  : [Deno.execPath(), "run", "-A", "--quiet", new URL("../../main.ts", import.meta.url).pathname];

/** The command line that runs this program, for units and crontabs. */
export function programPath(): string[] {
  return PROGRAM;
}

/** Starts `duckback ARGS --json`; whatever it tells meanwhile goes to `told`. */
export function startChild(
  home: string,
  args: string[],
  told: (level: "debug" | "info" | "warning", text: string) => void,
): Child {
  const [program, ...rest] = PROGRAM;
  const child = new Deno.Command(program, {
    args: [...rest, "--home", home, "--json", "--progress", "json", ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const telling = eachLine(child.stderr, (line) => tell(line, told));
  const output = new Response(child.stdout).text();
  return {
    pid: child.pid,
    ended: (async () => {
      const [{ code }, text] = await Promise.all([child.status, output, telling]);
      return { code, document: parsed(text) };
    })(),
    stop() {
      try {
        child.kill("SIGTERM");
      } catch {
        // It has ended meanwhile.
      }
    },
  };
}

function tell(line: string, told: (level: "debug" | "info" | "warning", text: string) => void) {
  const event = parsed(line) as ProgressEvent | null;
  if (event?.type === "note") told(event.level, event.text);
  else if (event?.type === "phase") told("debug", event.text);
  // Errors come in the document as well; anything else is of the runtime, which may be dying.
  else if (event === null && !/^(error|hint):/.test(line)) told("warning", line);
}

async function eachLine(stream: ReadableStream<Uint8Array>, use: (line: string) => void) {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const bytes of stream as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line !== "") use(line);
  }
  if (rest !== "") use(rest);
}

function parsed(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
