/**
 * Runs a shell script in a container so that its end can be trusted: behind everything it puts out it
 * puts a mark with its exit status. Output that lost its end anywhere on the way has no mark.
 */
import { DuckbackError } from "../core/errors.ts";
import type { Engine } from "./engine.ts";

/** How much is kept of what a script says, in bytes, and how many lines of it are shown. */
const TAIL_BYTES = 8192;
const TAIL_LINES = 10;

/**
 * Where the script reads nothing, its input tells it that duckback is gone (a signal, kill -9): it and
 * all it started are ended then. An exec leads a process group of its own; where one does not, nothing is
 * ended, as the group could be the database's.
 *
 * A process that loses its parent and then dies of a signal is a crash to PostgreSQL, where that is the
 * container's first process: all its sessions are then ended. So children die before their parents, and
 * nobody ends without having waited for them.
 */
const WATCHED = `nonce=$1; shift
exec 3<&0 </dev/null
read -r _ _ _ _ group _ </proc/$$/stat
(
  [ "$group" = "$$" ] || exit
  read -r self _ </proc/self/stat
  read -r _
  trap '' TERM
  rounds=0 signal=TERM
  while :; do
    parents=' ' ours=
    for stat in /proc/[0-9]*/stat; do
      read -r line <"$stat" || continue
      set -- "\${line%% *}" \${line##*) }
      [ "$4" = "$group" ] && [ "$2" != Z ] || continue
      parents="$parents$3 " ours="$ours $1"
    done
    killed=
    for process in $ours; do
      case $process in "$group" | "$self") continue ;; esac
      case $parents in *" $process "*) continue ;; esac
      kill -"$signal" "$process" && killed=1
    done
    [ "$killed" ] || exit 0
    rounds=$((rounds + 1))
    [ "$rounds" -lt 10 ] || signal=KILL
    sleep 1
  done
) <&3 >/dev/null 2>&1 &
watch=$!
( tool "$@" ) 3<&-
code=$?
kill "$watch" 2>/dev/null
wait "$watch" 2>/dev/null
printf '\\n%s %d\\n' "$nonce" "$code"
exit "$code"
`;

const FED = `nonce=$1; shift
( tool "$@" )
code=$?
printf '\\n%s %d\\n' "$nonce" "$code"
exit "$code"
`;

export interface ScriptRun {
  script: string;
  /** `$1`, `$2` and so on in the script. */
  args?: string[];
  /** Added to the container's environment. */
  env?: Record<string, string>;
  /** What it reads; without it the script ends where duckback does. */
  stdin?: AsyncIterable<Uint8Array>;
  /** Takes standard output, but for the mark; what is kept is for messages otherwise. */
  onStdout?: (bytes: Uint8Array) => void | Promise<void>;
  /** Gets each piece of standard error too. */
  onStderr?: (bytes: Uint8Array) => void;
  signal?: AbortSignal;
}

export interface ScriptResult {
  exit_code: number;
  /** False: the mark is missing, so the output is not all there is. */
  whole: boolean;
  /** Last lines of what it said: standard error, and standard output where nobody took it. */
  tail: string[];
  /** Standard output where nobody took it, its last 8 KiB. */
  stdout: string;
}

/** Raises what Engine.exec raises. */
export async function runScript(
  engine: Engine,
  container: string,
  run: ScriptRun,
): Promise<ScriptResult> {
  const nonce = `duckback-${crypto.randomUUID()}`;
  const body = `tool() {\n${run.script}}\n${run.stdin ? FED : WATCHED}`;
  const said = new Tail(TAIL_BYTES);
  const out = new Tail(TAIL_BYTES);
  const mark = new MarkedOutput(nonce, (bytes) => {
    if (run.onStdout) return run.onStdout(bytes);
    out.add(bytes);
    said.add(bytes);
  });
  const { exit_code } = await engine.exec(container, {
    cmd: ["/bin/sh", "-c", body, "sh", nonce, ...run.args ?? []],
    env: run.env,
    stdin: run.stdin ?? "open",
    signal: run.signal,
    onOutput: (stream, bytes) => {
      if (stream === "stdout") return mark.add(bytes);
      said.add(bytes);
      run.onStderr?.(bytes);
    },
  });
  const marked = await mark.end();
  // Without a shell there is no mark, and the engine's own words stand where the output would.
  if (marked === null && run.onStdout && (exit_code === 126 || exit_code === 127)) {
    said.add(mark.first);
  }
  return {
    exit_code: exit_code === 0 && marked !== null ? marked : exit_code,
    whole: marked !== null,
    tail: lines(said.text()).slice(-TAIL_LINES),
    stdout: out.text(),
  };
}

/** "exit code 1" and what it said, for the end of a message. */
export function howItEnded(result: ScriptResult): string {
  const status = !result.whole && result.exit_code === 0
    ? "its output broke off"
    : result.exit_code > 128 && result.exit_code < 160
    ? `it was ended by signal ${result.exit_code - 128}`
    : `exit code ${result.exit_code}`;
  return [status, ...result.tail.map((line) => `  ${line}`)].join("\n");
}

/** Raises DOCKER_FAILED unless the script did all it should. */
export function requireDone(act: string, result: ScriptResult, hint?: string): void {
  if (result.exit_code === 0 && result.whole) return;
  throw new DuckbackError("DOCKER_FAILED", `Cannot ${act}: ${howItEnded(result)}`, {
    hint,
    details: { exit_code: result.exit_code },
  });
}

/** Hands bytes on, but for the last few, which may be the mark. */
class MarkedOutput {
  #held = new Uint8Array(0);
  /** The beginning of the output, for messages. */
  first = new Uint8Array(0);
  readonly #longest: number;

  constructor(
    readonly nonce: string,
    readonly sink: (bytes: Uint8Array) => void | Promise<void>,
  ) {
    this.#longest = nonce.length + 8; // "\n", " ", three digits, "\n", and some to spare
  }

  async add(bytes: Uint8Array): Promise<void> {
    if (this.first.length === 0) this.first = bytes.slice(0, 512);
    const length = this.#held.length + bytes.length;
    const pass = length - this.#longest;
    if (pass <= 0) {
      this.#held = joined(this.#held, bytes);
      return;
    }
    if (pass < this.#held.length) {
      await this.sink(this.#held.subarray(0, pass));
      this.#held = joined(this.#held.subarray(pass), bytes);
      return;
    }
    if (this.#held.length > 0) await this.sink(this.#held);
    const from = pass - this.#held.length;
    this.#held = bytes.slice(from);
    if (from > 0) await this.sink(bytes.subarray(0, from));
  }

  /** The exit status that the mark names; null without one, and then all bytes were handed on. */
  async end(): Promise<number | null> {
    const text = Array.from(this.#held, (byte) => String.fromCharCode(byte)).join("");
    const at = text.lastIndexOf(`\n${this.nonce} `);
    const found = at < 0 ? null : /^(\d{1,3})\n$/.exec(text.slice(at + this.nonce.length + 2));
    const rest = found ? this.#held.subarray(0, at) : this.#held;
    if (rest.length > 0) await this.sink(rest);
    return found ? Number(found[1]) : null;
  }
}

/** The last bytes of a stream. */
class Tail {
  #bytes = new Uint8Array(0);

  constructor(readonly most: number) {}

  add(bytes: Uint8Array): void {
    this.#bytes = joined(this.#bytes, bytes.subarray(-this.most)).slice(-this.most);
  }

  text(): string {
    return new TextDecoder().decode(this.#bytes);
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function lines(text: string): string[] {
  return text.replaceAll("\t", "  ").split(/\r?\n/).filter((line) => line.trim() !== "");
}
