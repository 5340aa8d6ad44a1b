/**
 * All tests: `scripts/deno task test [unit] [integration] [e2e]`. Installs the tools they need where
 * it can, makes the executable if it is missing or older than its sources, and ends with the line
 * "N passed, N failed". What cannot run (no engine, not root) is a failure, not a skip.
 */
import { PROJECT } from "./compile/project.ts";
import { stepTally, type Tally, tallyLine } from "./tally.ts";

const SUITES = ["unit", "integration", "e2e"];
/** Test files that run at the same time, where they may. */
const JOBS = Math.min(3, Math.max(2, navigator.hardwareConcurrency));
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
  const child = new Deno.Command(command, {
    args,
    cwd: PROJECT,
    env: { NO_COLOR: "1", DENO_JOBS: String(JOBS) },
    stdin: "null",
    stdout: "piped",
  }).spawn();
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

async function suite(name: string): Promise<Tally> {
  console.log(`\n== ${name}`);
  const needs = name === "unit" ? [] : await missing();
  if (needs.length > 0) {
    console.log(`${name} tests cannot run. Missing:\n${needs.map((n) => `  - ${n}`).join("\n")}`);
    return { passed: 0, failed: 1, ignored: 0 };
  }
  if (name === "e2e") {
    const executable = `${PROJECT}/dist/duckback`;
    if (await isStale(executable, SOURCES.map((path) => `${PROJECT}/${path}`))) {
      const { code, output } = await run(Deno.execPath(), ["run", "-A", "scripts/compile.ts"]);
      if (code !== 0) return stepTally(output, code);
    }
  }
  // End-to-end tests wait for containers most of the time; each has a stack and a home of its own.
  const parallel = name === "e2e" ? ["--parallel"] : [];
  const { code, output } = await run(Deno.execPath(), ["test", "-A", ...parallel, `tests/${name}`]);
  return stepTally(output, code);
}

if (import.meta.main) {
  const chosen = Deno.args.length > 0 ? Deno.args : SUITES;
  const unknown = chosen.find((name) => !SUITES.includes(name));
  if (unknown) {
    console.error(`test: suites are ${SUITES.join(", ")}; there is no "${unknown}"`);
    Deno.exit(2);
  }
  const sum: Tally = { passed: 0, failed: 0, ignored: 0 };
  for (const name of chosen) {
    const { passed, failed, ignored } = await suite(name);
    sum.passed += passed;
    sum.failed += failed;
    sum.ignored += ignored;
  }
  console.log(`\n${tallyLine(sum)}`);
  Deno.exit(sum.failed > 0 ? 1 : 0);
}
