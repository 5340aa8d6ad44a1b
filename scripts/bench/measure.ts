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

/** Bytes that a command reads of one file, by strace; null where there is none. */
export async function bytesRead(argv: string[], file: string): Promise<number | null> {
  const trace = await Deno.makeTempFile({ prefix: "duckback-bench-" });
  try {
    const calls = "trace=read,pread64,readv,preadv,preadv2,sendfile,copy_file_range,mmap";
    await run(["strace", "-f", "-qq", "-o", trace, "-P", file, "-e", calls, ...argv]);
    const lines = (await Deno.readTextFile(trace)).split("\n");
    if (lines.some((line) => line.includes("mmap("))) throw new Error(`${file} was mapped`);
    // A call that another thread interrupted stands on two lines, its result on the second.
    const results = lines.map((line) => /\) += (\d+)$/.exec(line)?.[1]);
    return results.reduce((sum, result) => sum + Number(result ?? 0), 0);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause;
  } finally {
    await Deno.remove(trace);
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
