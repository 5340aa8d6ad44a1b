/** What of an entry's extended attributes is stored; what is not is among the warnings. */
import { ENOENT, lastErrno } from "../posix/libc.ts";
import { describeErrno } from "../posix/posix_error.ts";
import { NO_XATTRS, type Xattr } from "../posix/xattr.ts";
import type { Warnings } from "./warnings.ts";

/** Attributes of one entry that go into its header, which readers hold whole. */
const MOST_BYTES = 512 << 10;

/** `xattrs` as they were read just now (null: errno says why not) of what has the archive path `path`. */
export function storable(
  xattrs: readonly Xattr[] | null,
  path: string,
  warnings: Warnings,
): readonly Xattr[] {
  if (xattrs === null) {
    const errno = lastErrno();
    if (errno === ENOENT) return NO_XATTRS; // gone by now, or no /proc: symlinks and the like only
    const message = `its extended attributes cannot be read: ${describeErrno(errno)}`;
    warnings.add("UNREADABLE", path, message, true);
    return NO_XATTRS;
  }
  if (xattrs.length === 0) return xattrs;
  const bytes = xattrs.reduce((sum, { name, value }) => sum + 3 * name.length + value.length, 0);
  if (bytes <= MOST_BYTES) return xattrs;
  const message = `its extended attributes are not stored: they come to ${bytes} bytes`;
  warnings.add("UNREADABLE", path, message, true);
  return NO_XATTRS;
}
