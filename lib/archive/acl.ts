/**
 * POSIX ACLs between the kernel's bytes (the xattrs system.posix_acl_*) and the text that archives
 * hold as SCHILY.acl.access and SCHILY.acl.default, which GNU tar --acls, bsdtar and star read.
 */

const VERSION = 2;
const HEADER = 4;
const ENTRY = 8;
const NO_ID = 0xffffffff;
/** No honest file has more; the kernel's own limit for the attribute is about 8,000. */
const MOST_ENTRIES = 8192;

/** Tags in the order that the kernel asks for. */
const TAGS = [
  { tag: 0x01, word: "user", named: false },
  { tag: 0x02, word: "user", named: true },
  { tag: 0x04, word: "group", named: false },
  { tag: 0x08, word: "group", named: true },
  { tag: 0x10, word: "mask", named: false },
  { tag: 0x20, word: "other", named: false },
];

/** Gives the id of a user or group, undefined where this host has none of that name. */
export type IdOf = (kind: "user" | "group", name: string) => number | undefined;

/**
 * "user::rw-,user:1000:r--,group::r--,mask::r--,other::---", ids as numbers: the same everywhere.
 * Null where the bytes are no ACL.
 */
export function aclToText(bytes: Uint8Array): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < HEADER + ENTRY || (bytes.length - HEADER) % ENTRY !== 0) return null;
  if (view.getUint32(0, true) !== VERSION) return null;
  const parts: string[] = [];
  for (let at = HEADER; at < bytes.length; at += ENTRY) {
    const known = TAGS.find(({ tag }) => tag === view.getUint16(at, true));
    const bits = view.getUint16(at + 2, true);
    if (known === undefined || bits > 7) return null;
    const id = known.named ? String(view.getUint32(at + 4, true)) : "";
    const rights = (bits & 4 ? "r" : "-") + (bits & 2 ? "w" : "-") + (bits & 1 ? "x" : "-");
    parts.push(`${known.word}:${id}:${rights}`);
  }
  return parts.join(",");
}

/**
 * The kernel's bytes of an ACL as text: entries apart by commas or newlines, users by number, by
 * name, or (star, bsdtar) by name with the number behind the rights. Null where it is no ACL or
 * names somebody unknown.
 */
export function aclFromText(text: string, idOf: IdOf): Uint8Array | null {
  const entries: { order: number; bits: number; id: number }[] = [];
  for (const line of text.split(/[,\n]/)) {
    const part = line.replace(/#.*/, "").trim();
    if (part === "") continue;
    const [word, name, rights, number] = part.split(":").map((field) => field.trim());
    const named = name !== "";
    const order = TAGS.findIndex((tag) => tag.word === word && tag.named === named);
    const bits = rightsOf(rights);
    if (order === -1 || bits === null || entries.length === MOST_ENTRIES) return null;
    const id = named ? idFrom(word as "user" | "group", name, number, idOf) : NO_ID;
    if (id === undefined) return null;
    entries.push({ order, bits, id });
  }
  if (entries.length === 0) return null;
  entries.sort((a, b) => a.order - b.order || a.id - b.id);
  const bytes = new Uint8Array(HEADER + ENTRY * entries.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, VERSION, true);
  entries.forEach(({ order, bits, id }, i) => {
    const at = HEADER + ENTRY * i;
    view.setUint16(at, TAGS[order].tag, true);
    view.setUint16(at + 2, bits, true);
    view.setUint32(at + 4, id, true);
  });
  return bytes;
}

function rightsOf(text: string | undefined): number | null {
  if (text === undefined || !/^[rwxX-]{0,4}$/.test(text)) return null;
  return (text.includes("r") ? 4 : 0) | (text.includes("w") ? 2 : 0) | (/x/i.test(text) ? 1 : 0);
}

function idFrom(kind: "user" | "group", name: string, number: string | undefined, idOf: IdOf) {
  const digits = [number, name].find((text) => /^\d{1,10}$/.test(text ?? ""));
  if (digits !== undefined) return Number(digits) < NO_ID ? Number(digits) : undefined;
  return idOf(kind, name);
}
