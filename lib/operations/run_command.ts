/** Runs a program in a process group of its own, so that a signal reaches all that it started. */
import { join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import { statxIfExists } from "../posix/mod.ts";

export interface CommandRequest {
  /** Program and arguments. */
  argv: string[];
  cwd: string;
  env: Record<string, string>;
  /** Told of the process group right after the start. */
  onStart?: (pid: number) => void;
  onOutput: (text: string) => void;
  /** Passed on to the group; what does not end within 30 s of it is killed. */
  signal?: AbortSignal;
}

export interface CommandEnd {
  /** 128 and the signal's number where one ended it. */
  code: number;
  /** "exit code 3", "SIGTERM". */
  text: string;
}

const GRACE_MS = 30_000;
/** What the command left running may hold its output open: it is not waited for longer than this. */
const DRAIN_MS = 1_000;

/** Absolute path of a program as a shell would find it; null where there is none. */
export function findProgram(name: string, env: Record<string, string>, cwd: string): string | null {
  const places = name.includes("/")
    ? [name.startsWith("/") ? name : join(cwd, name)]
    : (env.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(":").map((dir) => join(dir || cwd, name));
  return places.find((path) => {
    try {
      const stat = statxIfExists(path, { follow: true });
      return stat?.type === "file" && (stat.mode & 0o111) !== 0;
    } catch {
      return false;
    }
  }) ?? null;
}

/** Runs it to its end; its input is empty. Raises UPGRADE_FAILED where it cannot be started. */
export async function runCommand(request: CommandRequest): Promise<CommandEnd> {
  const { argv, cwd, env, onOutput, signal } = request;
  const child = start(argv, cwd, env);
  request.onStart?.(child.pid);
  const outputs = [child.stdout, child.stderr].map((stream) => passOn(stream, onOutput));
  let hard: number | undefined;
  const pass = () => {
    signalGroup(child.pid, nameOf(signal!));
    hard = setTimeout(() => signalGroup(child.pid, "SIGKILL"), GRACE_MS);
  };
  signal?.addEventListener("abort", pass);
  try {
    if (signal?.aborted) pass();
    const { code, signal: by } = await child.status;
    if (signal?.aborted) await groupEnds(child.pid);
    const late = setTimeout(() => outputs.forEach(({ cancel }) => cancel()), DRAIN_MS);
    await Promise.all(outputs.map(({ done }) => done));
    clearTimeout(late);
    return { code, text: by ?? `exit code ${code}` };
  } finally {
    clearTimeout(hard);
    signal?.removeEventListener("abort", pass);
  }
}

function start(argv: string[], cwd: string, env: Record<string, string>) {
  const [program, ...args] = argv;
  try {
    return new Deno.Command(findProgram(program, env, cwd) ?? program, {
      args,
      cwd,
      env: { ...env, PWD: cwd },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new DuckbackError("UPGRADE_FAILED", `Cannot run "${program}": ${said}`, { cause });
  }
}

function passOn(stream: ReadableStream<Uint8Array>, onOutput: (text: string) => void) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const read = async () => {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      onOutput(decoder.decode(piece.value, { stream: true }));
    }
  };
  return { done: read().catch(() => {}), cancel: () => void reader.cancel().catch(() => {}) };
}

/** The signal that ended the run, where one did. */
function nameOf(signal: AbortSignal): Deno.Signal {
  const { cause } = signal.reason as { cause?: unknown };
  return typeof cause === "string" && cause.startsWith("SIG") ? cause as Deno.Signal : "SIGTERM";
}

/** Waits until nothing of the group is left: what it started must not go on beside a rollback. */
async function groupEnds(pid: number) {
  const end = performance.now() + GRACE_MS;
  while (groupLives(pid)) {
    if (performance.now() > end) signalGroup(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function signalGroup(pid: number, signal: Deno.Signal) {
  try {
    Deno.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}

/** True while a process of the group is at work: one that has ended and was not reaped does not count. */
export function groupLives(group: number): boolean {
  return [...Deno.readDirSync("/proc")].some(({ name }) => {
    const stat = /^\d+$/.test(name) ? processStat(name) : null;
    return stat !== null && stat[0] !== "Z" && Number(stat[2]) === group;
  });
}

/** When a process began, in clock ticks since the boot; null where it is gone. */
export function processStart(pid: number): string | null {
  return processStat(pid)?.[19] ?? null;
}

/** The fields of /proc/PID/stat from the third (the state) on. */
function processStat(pid: number | string): string[] | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}
