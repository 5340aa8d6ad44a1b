/** Extended attributes, capabilities and ACLs among them, of open files and of what cannot be opened. */
import * as c from "./libc.ts";
import { libc } from "./libc.ts";
import { cBytes, cString } from "./c_string.ts";

/** One attribute. Names are bytes of any kind: one character of the string is one byte. */
export interface Xattr {
  name: string;
  value: Uint8Array;
}

/** What has no attributes shares this. */
export const NO_XATTRS: readonly Xattr[] = [];

export const ACL_ACCESS = "system.posix_acl_access";
export const ACL_DEFAULT = "system.posix_acl_default";

/** The kernel's own limits for a list of names and for one value. */
const MOST = 1 << 16;
/** As the faster call wants it. */
const MOST_LISTED = BigInt(MOST);
const names = new Uint8Array(MOST);
const value = new Uint8Array(MOST);

/** The attributes of an open file or directory; null with errno set where they cannot be read. */
export function xattrsOf(fd: number): readonly Xattr[] | null {
  const length = libc.flistxattr(fd, names, MOST_LISTED);
  if (length === 0) return NO_XATTRS; // almost every file: one call and no allocation
  return collect(length, (name) => libc.fgetxattr(fd, name, value, MOST));
}

/**
 * The attributes of what `path` (NUL-ended) names, a symlink itself; null with errno set where they
 * cannot be read.
 */
export function xattrsAt(path: Uint8Array): readonly Xattr[] | null {
  const length = libc.llistxattr(path, names, MOST);
  if (length === 0) return NO_XATTRS;
  return collect(length, (name) => libc.lgetxattr(path, name, value, MOST));
}

function collect(length: number, get: (name: Uint8Array) => number): readonly Xattr[] | null {
  if (length < 0) return c.lastErrno() === c.EOPNOTSUPP ? NO_XATTRS : null;
  const found: Xattr[] = [];
  for (let at = 0; at < length;) {
    const end = names.indexOf(0, at);
    const name = names.slice(at, end + 1);
    at = end + 1;
    const size = get(name);
    if (size >= 0) found.push({ name: fromBytes(name), value: value.slice(0, size) });
    else if (c.lastErrno() !== c.ENODATA && c.lastErrno() !== c.EOPNOTSUPP) return null;
  }
  // Whatever order the file system has: the same tree shall give the same archive.
  return found.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Sets an attribute of an open file; false with errno set. */
export function setXattr(fd: number, name: string, value: Uint8Array): boolean {
  return libc.fsetxattr(fd, toBytes(name), value, value.length, 0) === 0;
}

/** The same for a descriptor that was opened with O_PATH: a symlink, fifo or device node itself. */
export function setXattrOfPath(fd: number, name: string, value: Uint8Array): boolean {
  return libc.setxattr(procPath(fd), toBytes(name), value, value.length, 0) === 0;
}

/** Takes the ACLs away that a new file or directory got from its parent's default ACL. */
export function removeAcls(fd: number, byPath: boolean, isDirectory: boolean): void {
  for (const name of isDirectory ? [ACL_ACCESS, ACL_DEFAULT] : [ACL_ACCESS]) {
    if (byPath) libc.removexattr(procPath(fd), toBytes(name));
    else libc.fremovexattr(fd, toBytes(name));
  }
}

/** True where what is made in the open directory gets an ACL of its own from it. */
export function hasDefaultAcl(fd: number): boolean {
  return libc.fgetxattr(fd, toBytes(ACL_DEFAULT), value, MOST) > 0;
}

/** Names what lies behind a descriptor, or below one, for calls that take paths alone. */
export function procPath(fd: number, name?: Uint8Array): Uint8Array {
  const path = new TextEncoder().encode(`/proc/self/fd/${fd}${name === undefined ? "\0" : "/"}`);
  if (name === undefined) return path;
  const out = new Uint8Array(path.length + name.length);
  out.set(path);
  out.set(name, path.length);
  return out;
}

const known = new Map<string, Uint8Array>();

function toBytes(name: string): Uint8Array {
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const bytes = cBytes(Uint8Array.from(name, (char) => char.charCodeAt(0)), name);
  if (known.size < 100) known.set(name, bytes);
  return bytes;
}

/** A NUL-ended name as a string of its bytes. */
function fromBytes(name: Uint8Array): string {
  return String.fromCharCode(...name.subarray(0, name.length - 1));
}

/** The attributes of a file or directory as plain data: values in hex; none where they cannot be read. */
export function readXattrs(path: string): Record<string, string> {
  const found = xattrsAt(cString(path)) ?? NO_XATTRS;
  return Object.fromEntries(found.map(({ name, value }) => [name, value.toHex()]));
}

/** Gives it exactly these attributes, as far as this user and the file system can; never throws. */
export function writeXattrs(path: string, xattrs: Record<string, string>): void {
  const file = cString(path);
  for (const name of Object.keys(readXattrs(path))) {
    if (!(name in xattrs)) libc.removexattr(file, toBytes(name));
  }
  for (const [name, hex] of Object.entries(xattrs)) {
    const value = Uint8Array.fromHex(hex);
    libc.setxattr(file, toBytes(name), value, value.length, 0);
  }
}
