/** The systemd unit of the daemon, as text. Nothing here touches the machine. */

/** What the unit depends on. Paths are absolute. */
export interface UnitOptions {
  /** Program and arguments that run duckback. */
  program: string[];
  home: string;
  /** Of what is set at the installation, what decides which engine is asked. */
  env: Record<string, string>;
  /** Directories that lie where the sandbox would make them read-only. */
  writable: string[];
  /** A unit of root's manager; else of a user's own, which may not use most of the sandbox. */
  system: boolean;
}

export const UNIT_NAME = "duckback.service";

/**
 * Everything the daemon does not need is taken from it. What it needs: the engine's socket; reading
 * whatever a stack keeps, wherever that lies, with owners and attributes (CAP_SYS_ADMIN reads trusted.*);
 * writing archives, and in drills and after a rollback that died also stacks and volumes. So /home, /srv and
 * /var stay writable, and the memory that V8 compiles into executable.
 */
const SANDBOX = `
# What it does not need. Directories below /usr, /boot and /etc are read-only but for those named here.
NoNewPrivileges=yes
ProtectSystem=full
PrivateTmp=no
ProtectHome=no
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service @mount
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD CAP_SETFCAP CAP_SYS_ADMIN CAP_SYS_NICE
`;

/** The unit file. */
export function unitText(options: UnitOptions): string {
  const { program, home, env, writable, system } = options;
  const command = [...program, "--home", home, "auto-backup", "daemon"].map(argument).join(" ");
  const lines = [
    "# Made by `duckback auto-backup install`; `duckback auto-backup uninstall` removes it.",
    "[Unit]",
    "Description=duckback: automatic backups of Docker Compose stacks",
    "After=network-online.target docker.service time-sync.target",
    "Wants=network-online.target",
    "",
    "[Service]",
    "Type=exec",
    `ExecStart=${command}`,
    ...Object.entries(env).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
    // For settings and secrets that are given as variables.
    ...(system ? ["EnvironmentFile=-/etc/default/duckback"] : []),
    "Restart=always",
    "RestartSec=10",
    "# The daemon ends a run in good order and starts the services again: that may take a while.",
    "KillMode=mixed",
    "TimeoutStopSec=15min",
    "UMask=0077",
    ...(system ? SANDBOX.trimEnd().split("\n") : ["", "NoNewPrivileges=yes"]),
    ...(writable.length > 0 && system
      ? [`ReadWritePaths=${writable.map((path) => quoted(`-${path}`)).join(" ")}`]
      : []),
    "",
    "[Install]",
    `WantedBy=${system ? "multi-user.target" : "default.target"}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Of these directories those that `ProtectSystem=full` would make read-only. */
export function protectedOnes(directories: string[]): string[] {
  const below = directories.filter((dir) => /^\/(usr|boot|efi|etc)(\/|$)/.test(dir));
  return [...new Set(below)].sort();
}

/** A word of a command line, in which a variable would be put in as well. */
function argument(word: string): string {
  return quoted(word.replaceAll("$", "$$$$"));
}

/** One word of a unit's line: specifiers are switched off, spaces quoted. */
function quoted(word: string): string {
  const plain = word.replaceAll("%", "%%");
  if (/^[\w@%+=:,./$-]+$/.test(plain)) return plain;
  return `"${plain.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n")}"`;
}
