/** `auto-backup install|uninstall`: the daemon as a systemd service, or a crontab line without systemd. */
import { dirname, join } from "node:path";
import { DuckbackError } from "../core/errors.ts";
import { type Context, ENGINE_ENV } from "../operations/context.ts";
import { currentSettings } from "../operations/settings.ts";
import { diskError } from "../repository/durable.ts";
import { registeredStacks } from "../repository/stack_registry.ts";
import { programPath } from "./child.ts";
import { cronFile, cronLine, MARK, withLine, withoutLine } from "./crontab.ts";
import { protectedOnes, UNIT_NAME, unitText } from "./systemd.ts";

export interface InstallOptions {
  /** Null: systemd where it runs this machine, else cron. */
  method: "systemd" | "cron" | null;
  dry_run: boolean;
  /** Write below this directory and start nothing: for images, and to look at what would be written. */
  root: string | null;
}

/** One thing that is done, in the order in which it is; `command` runs a program, `remove` a file. */
export type Step =
  | { do: "write"; path: string; content: string }
  | { do: "remove"; path: string }
  | { do: "command"; command: string[]; stdin?: string };

export interface InstallOutcome {
  method: "systemd" | "cron";
  dry_run: boolean;
  steps: Step[];
}

/** Installs the daemon for the context's home. Raises NOT_WRITABLE, FAILED with what a program said. */
export async function install(ctx: Context, options: InstallOptions): Promise<InstallOutcome> {
  const method = options.method ?? await usualMethod();
  const steps = method === "systemd"
    ? await systemdSteps(ctx, options)
    : await cronSteps(ctx, options);
  return await carryOut(method, steps, options);
}

/** Takes away what `install` put there; what is not there is fine. */
export async function uninstall(ctx: Context, options: InstallOptions): Promise<InstallOutcome> {
  const method = options.method ?? await usualMethod();
  const steps: Step[] = [];
  if (method === "systemd") {
    const path = unitPath(ctx, options.root);
    const known = await exists(path);
    if (known && options.root === null) {
      steps.push(command([...systemctl(), "disable", "--now", UNIT_NAME]));
    }
    if (known) steps.push({ do: "remove", path });
    if (known && options.root === null) steps.push(command([...systemctl(), "daemon-reload"]));
  } else if (isRoot()) {
    const path = cronPath(options.root);
    if (await exists(path)) steps.push({ do: "remove", path });
  } else {
    const crontab = await ownCrontab();
    if (crontab.includes(MARK)) steps.push(command(["crontab", "-"], withoutLine(crontab)));
  }
  return await carryOut(method, steps, options);
}

async function systemdSteps(ctx: Context, options: InstallOptions): Promise<Step[]> {
  const settings = await currentSettings(ctx);
  const stacks = registeredStacks(ctx.home).map(({ work_dir }) => work_dir);
  const content = unitText({
    program: programPath(),
    home: ctx.home.dir,
    env: engineEnv(ctx),
    writable: protectedOnes([ctx.home.dir, settings.auto_backup_directory, ...stacks]),
    system: isRoot(),
  });
  const write: Step = { do: "write", path: unitPath(ctx, options.root), content };
  if (options.root !== null) return [write];
  return [
    write,
    command([...systemctl(), "daemon-reload"]),
    command([...systemctl(), "enable", UNIT_NAME]),
    command([...systemctl(), "restart", UNIT_NAME]),
  ];
}

async function cronSteps(ctx: Context, options: InstallOptions): Promise<Step[]> {
  const line = {
    program: programPath(),
    home: ctx.home.dir,
    env: engineEnv(ctx),
    log: join(ctx.home.dir, "daemon.log"),
  };
  if (isRoot()) {
    return [{
      do: "write",
      path: cronPath(options.root),
      content: cronFile({ ...line, user: "root" }),
    }];
  }
  const crontab = withLine(await ownCrontab(), cronLine({ ...line, user: null }));
  return [command(["crontab", "-"], crontab)];
}

async function carryOut(
  method: "systemd" | "cron",
  steps: Step[],
  { dry_run }: InstallOptions,
): Promise<InstallOutcome> {
  if (!dry_run) { for (const step of steps) await carryOutOne(step); }
  return { method, dry_run, steps };
}

async function carryOutOne(step: Step) {
  if (step.do === "command") return void await run(step.command, step.stdin);
  try {
    if (step.do === "remove") return await Deno.remove(step.path);
    await Deno.mkdir(dirname(step.path), { recursive: true, mode: 0o755 });
    // cron and systemd want to read it; it holds nothing secret.
    await Deno.writeTextFile(step.path, step.content);
    await Deno.chmod(step.path, 0o644);
  } catch (cause) {
    throw diskError(`Cannot ${step.do} "${step.path}"`, cause);
  }
}

async function run([program, ...args]: string[], stdin?: string): Promise<string> {
  const failed = (told: string, cause?: unknown) =>
    new DuckbackError("FAILED", `Cannot run "${[program, ...args].join(" ")}": ${told}`, {
      cause,
      hint: "duckback auto-backup install --dry-run shows all that is to be done.",
    });
  let output: Deno.CommandOutput;
  try {
    const piped = stdin === undefined ? "null" : "piped";
    const child = new Deno.Command(program, {
      args,
      stdin: piped,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
    }
    output = await child.output();
  } catch (cause) {
    throw failed(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const text = new TextDecoder();
  if (output.success) return text.decode(output.stdout);
  throw failed(text.decode(output.stderr).trim() || `exit code ${output.code}`);
}

/** The user's crontab; empty where there is none yet. */
async function ownCrontab(): Promise<string> {
  try {
    return await run(["crontab", "-l"]);
  } catch (cause) {
    if (cause instanceof Error && /no crontab/i.test(cause.message)) return "";
    throw cause;
  }
}

function command(words: string[], stdin?: string): Step {
  return { do: "command", command: words, ...(stdin === undefined ? {} : { stdin }) };
}

/** systemd is what runs this machine, not merely installed. */
async function usualMethod(): Promise<"systemd" | "cron"> {
  return await exists("/run/systemd/system") ? "systemd" : "cron";
}

function systemctl(): string[] {
  return isRoot() ? ["systemctl"] : ["systemctl", "--user"];
}

function unitPath(ctx: Context, root: string | null): string {
  const own = ctx.env.XDG_CONFIG_HOME ?? join(ctx.env.HOME ?? "/", ".config");
  const dir = isRoot() ? "/etc/systemd/system" : join(own, "systemd/user");
  return join(root ?? "/", dir, UNIT_NAME);
}

function cronPath(root: string | null): string {
  return join(root ?? "/", "etc/cron.d/duckback");
}

function engineEnv(ctx: Context): Record<string, string> {
  const set = ENGINE_ENV.filter((name) => ctx.env[name]);
  return Object.fromEntries(set.map((name) => [name, ctx.env[name]]));
}

function isRoot(): boolean {
  return Deno.uid() === 0;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}
