/** Runs a command to its end and tells what it cost: wall time, processor time, memory. */

const TIME = "/usr/bin/time";

export interface Cost {
  /** Seconds. */
  wall: number;
  /** Seconds of processor time, user and system, of the command and all its children. */
  cpu: number;
  /** Resident memory in bytes of the largest process at its peak. */
  memory: number;
}

/** Raises where the command fails. Its standard output is thrown away. */
export async function measure(
  argv: string[],
  env: Record<string, string> = {},
): Promise<Cost> {
  const report = await Deno.makeTempFile({ prefix: "duckback-bench-" });
  try {
    const begin = performance.now();
    // The small program time forks, not this large one, whose memory would count as the child's.
    const done = await new Deno.Command(TIME, {
      args: ["-o", report, "-f", "%U %S %M", ...argv],
      env,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    const wall = (performance.now() - begin) / 1000;
    if (!done.success) {
      throw new Error(`${argv.join(" ")}: ${new TextDecoder().decode(done.stderr)}`);
    }
    const [user, system, kib] = Deno.readTextFileSync(report).trim().split("\n").at(-1)!
      .split(" ").map(Number);
    return { wall, cpu: user + system, memory: kib * 1024 };
  } finally {
    await Deno.remove(report);
  }
}

/** The argv of a shell pipeline that fails where one of its commands does. */
export function pipeline(text: string): string[] {
  return ["bash", "-o", "pipefail", "-c", text];
}

/** Runs a command that is not measured; raises where it fails. Gives its standard output. */
export async function run(argv: string[], env: Record<string, string> = {}): Promise<string> {
  const [command, ...args] = argv;
  const options = { args, env, stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const done = await new Deno.Command(command, options).output();
  if (done.success) return new TextDecoder().decode(done.stdout);
  throw new Error(`${argv.join(" ")}: ${new TextDecoder().decode(done.stderr)}`);
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
