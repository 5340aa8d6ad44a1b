/**
 * All tests: `scripts/deno task test [unit] [integration] [e2e]`. Installs the tools they need where
 * it can, makes the executable if it is missing or older than its sources, and ends with the line
 * "N passed, N failed". What cannot run (no engine, not root) is a failure, not a skip.
 */
import { PROJECT } from "./compile/project.ts";
import { stepTally, type Tally, tallyLine } from "./tally.ts";

const SUITES = ["unit", "integration", "e2e"];
/** Test files that run at the same time: one more than cores, since they wait for disks and containers. */
const JOBS = Math.min(4, navigator.hardwareConcurrency + 1);
/** What dist/duckback is made of. */
const SOURCES = [
  "main.ts",
  "lib",
  "migrations",
  "deno.json",
  "deno.lock",
  "scripts/compile.ts",
  "scripts/compile",
];

/** Runs a command, showing its output as it comes; returns that of standard output too. */
async function run(command: string, args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(command, args, "inherit");
  const text = new TextDecoder();
  let output = "";
  await child.stdout.pipeTo(
    new WritableStream({
      write(chunk) {
        output += text.decode(chunk, { stream: true });
        for (let at = 0; at < chunk.length;) at += Deno.stdout.writeSync(chunk.subarray(at));
      },
    }),
  );
  return { code: (await child.status).code, output };
}

function spawn(command: string, args: string[], stderr: "inherit" | "piped") {
  // The system's own tools first: a version manager's python3 is a script that takes six times as long.
  const env = { NO_COLOR: "1", PATH: `/usr/bin:/bin:${Deno.env.get("PATH") ?? ""}` };
  const options = { args, cwd: PROJECT, env, stdin: "null", stdout: "piped" } as const;
  return new Deno.Command(command, { ...options, stderr }).spawn();
}

/**
 * Runs test files (or directories of them) in processes of their own, some at a time: umask, signals and
 * open files belong to a process. The output of each is shown once it has ended.
 */
async function runFiles(files: string[]): Promise<Tally> {
  const sum: Tally = { passed: 0, failed: 0, ignored: 0 };
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const child = spawn(Deno.execPath(), ["test", "-A", "--no-check", file], "piped");
      const { code, stdout, stderr } = await child.output();
      const output = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
      console.log(output.trimEnd());
      add(sum, stepTally(output, code));
    }
  };
  await Promise.all(Array.from({ length: JOBS }, work));
  return sum;
}

function add(sum: Tally, { passed, failed, ignored }: Tally) {
  sum.passed += passed;
  sum.failed += failed;
  sum.ignored += ignored;
}

/** The test files of suites, those with the most lines first: the last ones should be short. */
async function filesOf(suites: string[]): Promise<string[]> {
  const found: [number, string][] = [];
  const search = async (dir: string) => {
    for await (const entry of Deno.readDir(`${PROJECT}/${dir}`)) {
      const path = `${dir}/${entry.name}`;
      if (entry.isDirectory) await search(path);
      else if (entry.name.endsWith("_test.ts")) {
        found.push([(await Deno.readTextFile(`${PROJECT}/${path}`)).split("\n").length, path]);
      }
    }
  };
  for (const name of suites) await search(`tests/${name}`);
  return found.sort(([a], [b]) => b - a).map(([, path]) => path);
}

/** What stands in the way of tests that need a Docker engine and root, for people; empty if nothing. */
async function missing(): Promise<string[]> {
  const lines: string[] = [];
  if (Deno.uid() !== 0) {
    lines.push("root: integration and end-to-end tests change owners and mounts");
  }
  const tools = await run("sh", ["scripts/install_test_tools"]);
  if (tools.code !== 0) lines.push("the tools named above");
  const engine = await new Deno.Command("docker", {
    args: ["version", "--format", "{{.Server.Version}}"],
    stdout: "null",
    stderr: "null",
  }).output().catch(() => ({ success: false }));
  if (!engine.success) {
    lines.push("a Docker engine: start one, as root: dockerd >dockerd.log 2>&1 &  (.ci/run does)");
  }
  return lines;
}

/** True where the executable is missing or something it is made of is newer. */
export async function isStale(executable: string, sources: string[]): Promise<boolean> {
  let made: number;
  try {
    made = (await Deno.stat(executable)).mtime!.getTime();
  } catch {
    return true;
  }
  for (const source of sources) if (await newest(source) > made) return true;
  return false;
}

/** Time of the last change at or below `path`, in milliseconds; 0 where there is nothing. */
async function newest(path: string): Promise<number> {
  let stat: Deno.FileInfo;
  try {
    stat = await Deno.stat(path);
  } catch {
    return 0;
  }
  let latest = stat.mtime!.getTime();
  if (stat.isDirectory) {
    for await (const entry of Deno.readDir(path)) {
      latest = Math.max(latest, await newest(`${path}/${entry.name}`));
    }
  }
  return latest;
}

/** Runs suites. Whatever they need comes first: types that are right, tools, the executable. */
async function runSuites(suites: string[]): Promise<Tally> {
  // As the task of that name does it: what was checked a moment ago is not checked again.
  const { code, output } = await run(Deno.execPath(), ["check", "--quiet", "."]);
  if (code !== 0) return stepTally(output, code);
  const real = suites.filter((name) => name !== "unit");
  const needs = real.length > 0 ? await missing() : [];
  if (needs.length > 0) {
    const names = real.join(" and ");
    console.log(`${names} tests cannot run. Missing:\n${needs.map((n) => `  - ${n}`).join("\n")}`);
  }
  const possible = needs.length > 0 ? [] : real;
  if (possible.includes("e2e")) {
    const executable = `${PROJECT}/dist/duckback`;
    if (await isStale(executable, SOURCES.map((path) => `${PROJECT}/${path}`))) {
      const { code, output } = await run(Deno.execPath(), ["run", "-A", "scripts/compile.ts"]);
      if (code !== 0) return stepTally(output, code);
    }
  }
  // Unit tests are quick, and loading each file's modules is not: one process for all.
  const unit = suites.includes("unit") ? ["tests/unit"] : [];
  const sum = await runFiles([...unit, ...await filesOf(possible)]);
  sum.failed += real.length - possible.length;
  return sum;
}

if (import.meta.main) {
  const chosen = Deno.args.length > 0 ? Deno.args : SUITES;
  const unknown = chosen.find((name) => !SUITES.includes(name));
  if (unknown) {
    console.error(`test: suites are ${SUITES.join(", ")}; there is no "${unknown}"`);
    Deno.exit(2);
  }
  const sum = await runSuites(chosen);
  console.log(`\n${tallyLine(sum)}`);
  Deno.exit(sum.failed > 0 ? 1 : 0);
}
