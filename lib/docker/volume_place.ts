/** Where a volume's data lies on this host, or why it cannot be backed up. */
import type { Volume } from "./engine.ts";

export type VolumePlace = { path: string } | { reason: string };

const NETWORK = /^(nfs|nfs4|cifs|smb|smb3|smbfs|sshfs|glusterfs|ceph|9p)$/;

/**
 * Only the local driver keeps data on this host. Made with `device`, it mounts that on its mountpoint
 * while a container uses it and leaves an empty directory behind afterwards: a bound directory is
 * read where it really lies, other devices cannot be read while the stack is down.
 */
export function volumePlace(
  volume: Pick<Volume, "driver" | "options" | "mountpoint">,
): VolumePlace {
  const { driver, options } = volume;
  if (driver !== "local") return { reason: `its driver (${driver}) keeps it elsewhere` };
  const type = (options.type ?? "").toLowerCase();
  const flags = (options.o ?? "").toLowerCase().split(",");
  const device = options.device ?? "";
  if (
    NETWORK.test(type) || device.startsWith("//") || flags.some((flag) => flag.startsWith("addr="))
  ) {
    return { reason: `on the network (${type || "remote"} ${device})`.replace(/ +\)/, ")") };
  }
  if (type === "tmpfs") return { reason: "in memory (tmpfs)" };
  if (device !== "" && (flags.includes("bind") || flags.includes("rbind"))) return { path: device };
  if (device !== "") {
    return { reason: `a file system of its own (${type} ${device}), mounted only while in use` };
  }
  return { path: volume.mountpoint };
}

/** Made without a name, by an image's VOLUME or a bare container path. */
export function isAnonymous(name: string, labels: Record<string, string>): boolean {
  return /^[0-9a-f]{64}$/.test(name) || "com.docker.volume.anonymous" in labels;
}
