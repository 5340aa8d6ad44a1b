/** Host paths that containers mount to look at the machine, and that are no part of a stack. */

/** Skipped with all that lies beneath. */
const TREES = [
  "/proc",
  "/sys",
  "/dev",
  "/run",
  "/var/run",
  "/boot",
  "/lib/modules",
  "/usr/lib/modules",
  "/usr/src",
  "/usr/share/zoneinfo",
  "/usr/share/ca-certificates",
  "/usr/local/share/ca-certificates",
  "/etc/ssl/certs",
  "/etc/pki",
  "/etc/ca-certificates",
];

/** Skipped themselves; what lies beneath may well be a stack's. */
const EXACT = [
  "/",
  "/bin",
  "/etc",
  "/etc/group",
  "/etc/hostname",
  "/etc/hosts",
  "/etc/localtime",
  "/etc/machine-id",
  "/etc/nsswitch.conf",
  "/etc/os-release",
  "/etc/passwd",
  "/etc/resolv.conf",
  "/etc/shadow",
  "/etc/timezone",
  "/lib",
  "/lib64",
  "/sbin",
  "/tmp",
  "/usr",
  "/usr/lib/os-release",
  "/var",
  "/var/lib",
  "/var/log",
  "/var/log/journal",
  "/var/tmp",
];

/** True where `inner` is `outer` or lies beneath it. */
export function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer === "/" ? "/" : `${outer}/`);
}

/**
 * Why a bind mount of `path` is not backed up, or null. Nothing inside the working directory belongs
 * to the system. `engine_dir` is the engine's own directory, whose volumes are found by name.
 */
export function systemPathReason(
  path: string,
  work_dir: string,
  engine_dir: string,
): string | null {
  if (isWithin(path, work_dir) && work_dir !== "/") return null;
  if (EXACT.includes(path) || TREES.some((tree) => isWithin(path, tree))) {
    return "part of the host's system, not of the stack";
  }
  if (isWithin(path, engine_dir) && !isWithin(path, `${engine_dir}/volumes`)) {
    return "the Docker engine's own directory";
  }
  if (path === `${engine_dir}/volumes` || isWithin(engine_dir, path)) {
    return "holds the Docker engine's own directory; volumes are backed up by name";
  }
  return null;
}
