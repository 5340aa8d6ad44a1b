/**
 * The compiled daemon with an every-minute schedule against a real stack, with kills in between:
 * `scripts/deno run -A scripts/soak.ts [--minutes 16] [--binary dist/duckback]`. Each few seconds
 * something dies: the daemon (started again as systemd would), its run, a container's process, or the
 * daemon is asked to end. At the end: was each minute served, none twice, and do the services run?
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSampleStack, type SampleStack } from "../tests/fixtures/docker.ts";

const RESTART_MS = 2000;
const MINUTE_MS = 60_000;

interface Record {
  id: number;
  status: string;
  created_at: string;
  backup_metadata: { scheduled_for?: string } | null;
}

class Soak {
  #daemon: Deno.ChildProcess | null = null;
  readonly kills: { [what: string]: number } = {};

  constructor(readonly binary: string, readonly home: string, readonly stack: SampleStack) {}

  async duckback(...args: string[]) {
    const command = new Deno.Command(this.binary, {
      args: ["--home", this.home, "--json", ...args],
    });
    const { code, stdout } = await command.output();
    return { code, document: JSON.parse(new TextDecoder().decode(stdout)) };
  }

  start() {
    this.#daemon = new Deno.Command(this.binary, {
      args: [
        "--home",
        this.home,
        "auto-backup",
        "daemon",
        "--log-file",
        join(this.home, "daemon.log"),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn();
  }

  /** SIGTERM, as `systemctl restart`: services must be up before it has ended. */
  async restart() {
    const daemon = this.#daemon!;
    daemon.kill("SIGTERM");
    const { code } = await daemon.status;
    const down = await this.down();
    if (code !== 0 || down.length > 0) {
      throw new Error(`the daemon ended with ${code}, down: ${down.join(", ")}`);
    }
    this.start();
  }

  async killDaemon() {
    const daemon = this.#daemon!;
    daemon.kill("SIGKILL");
    await daemon.status;
    await pause(RESTART_MS);
    this.start();
  }

  /** The daemon's child, where it has one at this moment. */
  killRun(): boolean {
    const children = Deno.readTextFileSync(
      `/proc/${this.#daemon!.pid}/task/${this.#daemon!.pid}/children`,
    );
    const [pid] = children.trim().split(" ");
    if (!pid) return false;
    Deno.kill(Number(pid), "SIGKILL");
    return true;
  }

  /** As if a service had crashed: its restart policy brings it back. */
  async killContainer(): Promise<boolean> {
    const names = ["web", "app", "db"];
    const { id } = await this.stack.container(names[Math.floor(Math.random() * names.length)]);
    const inspect = new Deno.Command("docker", { args: ["inspect", "-f", "{{.State.Pid}}", id] });
    const pid = Number(new TextDecoder().decode((await inspect.output()).stdout));
    if (!(pid > 1)) return false;
    Deno.kill(pid, "SIGKILL");
    return true;
  }

  async down(): Promise<string[]> {
    const all = await this.stack.containers();
    return all.filter(({ service, state }) =>
      ["web", "app", "db"].includes(service) && state !== "running"
    ).map(({ name }) => name);
  }

  count(what: string) {
    this.kills[what] = (this.kills[what] ?? 0) + 1;
  }

  async end() {
    this.#daemon!.kill("SIGTERM");
    await this.#daemon!.status;
  }
}

/** One kill, at a moment that is as likely in a run as between two. */
async function harm(soak: Soak) {
  const dice = Math.random();
  if (dice < 0.4) {
    // The run: waits until one begins, then for a part of it. Twice in a minute would leave no time to
    // make it again before the next one is due.
    while (!await quiet(soak)) await pause(50);
    const until = Date.now() + 1.5 * MINUTE_MS;
    while (Date.now() < until && await quiet(soak)) await pause(50);
    await pause(Math.random() * 8000);
    if (soak.killRun()) soak.count("run");
    await pause(20_000);
  } else if (dice < 0.65) {
    await soak.killDaemon();
    soak.count("daemon");
  } else if (dice < 0.8) {
    await soak.restart();
    soak.count("restart in good order");
  } else if (await soak.killContainer()) soak.count("container");
}

async function quiet(soak: Soak): Promise<boolean> {
  try {
    return JSON.parse(await Deno.readTextFile(join(soak.home, "schedule.json"))).runs.at(-1)
      ?.status !== "running";
  } catch {
    return true;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function soak(binary: string, minutes: number): Promise<boolean> {
  await using stack = await createSampleStack({ big_bytes: 30_000_000, stop_grace: 3 });
  const home = await Deno.makeTempDir({ prefix: "duckback-soak-" });
  const one = new Soak(binary, home, stack);
  try {
    await one.duckback("--work-dir", stack.dir, "init");
    await one.duckback("auto-backup", "schedule", "* * * * *");
    await one.duckback("auto-backup", "enabled", "--enable", "true");
    const begin = Date.now();
    one.start();
    while (Date.now() < begin + minutes * MINUTE_MS) {
      await pause(5000 + Math.random() * 20_000);
      await harm(one);
    }
    // The last minutes without harm: what is open comes to its end.
    await pause(2.2 * MINUTE_MS);
    const { document: before } = await one.duckback("auto-backup", "status");
    await one.end();
    return await judge(one, begin, before);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

async function judge(
  one: Soak,
  begin: number,
  // deno-lint-ignore no-explicit-any
  status: any,
): Promise<boolean> {
  const { document } = await one.duckback("backup", "list");
  const backups: Record[] = document.backups;
  const good = backups.filter(({ status }) => status === "completed" || status === "partial");
  const slots = good.map(({ backup_metadata }) => backup_metadata?.scheduled_for ?? "none");
  const first = Math.ceil((begin + 5000) / MINUTE_MS) * MINUTE_MS;
  const last = Math.max(...slots.map((slot) => Date.parse(slot)).filter((time) => time > 0));
  const minutes: string[] = [];
  for (let at = first; at <= last; at += MINUTE_MS) minutes.push(new Date(at).toISOString());
  const unserved = minutes.filter((minute) => !slots.includes(minute));
  // A minute whose tries took until the next one is caught up by that: only two in a row are lost.
  const lost = unserved.filter((minute) => {
    const next = new Date(Date.parse(minute) + MINUTE_MS).toISOString();
    return !slots.includes(next) && minute !== minutes.at(-1);
  });
  const doubled = slots.filter((slot, n) => slots.indexOf(slot) !== n);
  const down = await one.down();
  const { document: verified } = await one.duckback("backup", "verify", "--all");
  const open = backups.filter(({ status }) => status === "running").length;
  const bad = verified.results.filter((result: { ok: boolean }) => !result.ok).length;
  const kills = Object.entries(one.kills).map(([what, n]) => `${n} ${what}`).join(", ");
  console.log(`killed or ended: ${kills}`);
  console.log(
    `minutes ${minutes.length}, served ${minutes.length - unserved.length}, caught up by ` +
      `the next ${unserved.length - lost.length}, lost ${lost.length}, doubled ${doubled.length}`,
  );
  console.log(
    `backups: ${good.length} good (${bad} of them damaged), ${
      backups.length - good.length - open
    } failed, ${open} open; services down: ${down.join(", ") || "none"}`,
  );
  console.log(
    `status before the end: ${status.healthy ? "healthy" : JSON.stringify(status.problems)}`,
  );
  if (lost.length + doubled.length + down.length + bad + open > 0) {
    console.log({ lost, doubled });
    console.log(await Deno.readTextFile(join(one.home, "daemon.log")));
    return false;
  }
  return true;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "16" },
      binary: { type: "string", default: "dist/duckback" },
    },
  });
  const well = await soak(await Deno.realPath(values.binary), Number(values.minutes));
  console.log(well ? "soak: well" : "soak: FAILED");
  Deno.exit(well ? 0 : 1);
}
