/** Extended attributes of an entry out of its pax records, in all forms that tars write. */
import { decodePath } from "../core/paths.ts";
import { ACL_ACCESS, ACL_DEFAULT } from "../posix/xattr.ts";
import { aclFromText, type IdOf } from "./acl.ts";
import { ACCESS_KEY, DEFAULT_KEY, unescapeXattr } from "./entry_header.ts";
import { groupIds, userIds } from "./owners.ts";
import { XATTR } from "./pax.ts";

/** One attribute; `value` is null for an ACL that names somebody this host does not know. */
export interface StoredXattr {
  /** One character is one byte. */
  name: string;
  value: Uint8Array | null;
}

const NONE: readonly StoredXattr[] = [];
/** SELinux's label as GNU tar --selinux writes it. */
const SELINUX_KEY = "RHT.security.selinux";

/** Sorted by name: `system.posix_acl_*` as the kernel wants them, everything else as it was. */
export function entryXattrs(records: Map<string, Uint8Array>): readonly StoredXattr[] {
  if (records.size === 0) return NONE;
  const found = new Map<string, Uint8Array | null>();
  for (const [key, value] of records) {
    if (key.startsWith(XATTR)) {
      const name = unescapeXattr(key.slice(XATTR.length));
      // A NUL would cut the name short on its way to the kernel: no tar writes one.
      if (name !== "" && !name.includes("\0")) found.set(name, value);
    } else if (key === SELINUX_KEY) found.set("security.selinux", value);
  }
  for (const [key, name] of [[ACCESS_KEY, ACL_ACCESS], [DEFAULT_KEY, ACL_DEFAULT]]) {
    const text = records.get(key);
    // GNU tar writes both forms; the kernel's has numbers, as duckback sets owners by number.
    if (text === undefined || found.has(name)) continue;
    found.set(name, aclFromText(decodePath(text), idOf));
  }
  if (found.size === 0) return NONE;
  return [...found].map(([name, value]) => ({ name, value }));
}

let users: ReturnType<typeof userIds> | null = null;
let groups: ReturnType<typeof groupIds> | null = null;

const idOf: IdOf = (kind, name) =>
  kind === "user" ? (users ??= userIds())(name) : (groups ??= groupIds())(name);
