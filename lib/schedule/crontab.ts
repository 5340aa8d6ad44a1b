/** The line for cron where there is no systemd: one heartbeat a minute, no process in between. */

/** What marks the line as duckback's own. */
export const MARK = "# duckback auto-backup";

export interface LineOptions {
  /** Program and arguments that run duckback. */
  program: string[];
  home: string;
  env: Record<string, string>;
  /** Where the daemon's lines go: cron would mail them. */
  log: string;
  /** /etc/cron.d wants a user's name in each line, a user's own crontab must not have it. */
  user: string | null;
}

/** The line, ending with the mark. */
export function cronLine({ program, home, env, log, user }: LineOptions): string {
  const command = [
    ...Object.entries(env).map(([name, value]) => `${name}=${shellWord(value)}`),
    ...[...program, "--home", home, "auto-backup", "daemon", "--once", "--log-file", log]
      .map(shellWord),
  ].join(" ");
  // An unescaped percent sign ends a crontab's command.
  return `* * * * * ${user === null ? "" : `${user} `}${command.replaceAll("%", "\\%")} ${MARK}`;
}

/** The file for /etc/cron.d. */
export function cronFile(options: LineOptions): string {
  return [
    "# Made by `duckback auto-backup install`; `duckback auto-backup uninstall` removes it.",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    cronLine(options),
    "",
  ].join("\n");
}

/** A crontab with the line added, or in place of the one it had. */
export function withLine(crontab: string, line: string): string {
  return `${withoutLine(crontab)}${line}\n`;
}

/** A crontab without duckback's line. */
export function withoutLine(crontab: string): string {
  const others = crontab.split("\n").filter((line) => !line.endsWith(MARK));
  const text = others.join("\n").replace(/\n*$/, "");
  return text === "" ? "" : `${text}\n`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
