/** All header bytes of one entry: a pax extended header where one is needed, then the ustar header. */
import type { EntryType } from "../core/model.ts";
import { BLOCK, HeaderWriter, MAX_OCTAL_11, MAX_OCTAL_7, type RawHeader } from "./tar_header.ts";
import { ACL_ACCESS, ACL_DEFAULT, type Xattr } from "../posix/xattr.ts";
import { aclToText } from "./acl.ts";
import { formatTime, PaxBuilder, XATTR } from "./pax.ts";

/** An entry as it goes into a header. Names are bytes without NUL, directories without final slash. */
export interface EntryHead {
  path: Uint8Array;
  type: EntryType;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content behind the header. */
  size: number;
  mtime_s: number;
  mtime_ns: number;
  /** Target of a symlink, archive path of a hard link, else empty. */
  link: Uint8Array;
  /** Empty where the id has no name. */
  uname: Uint8Array;
  gname: Uint8Array;
  rdev_major: number;
  rdev_minor: number;
  xattrs: readonly Xattr[];
  /** The length that a sparse file really has, where `size` is that of map and data; else null. */
  real_size: number | null;
}

export const TYPEFLAGS: Record<EntryType, string> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

const BINARY = new TextEncoder().encode("BINARY");
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SLASH = 0x2f;

/** Keys of ACLs, as star began them. */
export const ACCESS_KEY = "SCHILY.acl.access";
export const DEFAULT_KEY = "SCHILY.acl.default";

/** A "=" would end the key: GNU tar and bsdtar escape it so. */
function escapeXattr(name: string): string {
  return name.replace(/[%=]/g, (char) => char === "%" ? "%25" : "%3D");
}

/** The inverse; bsdtar escapes all but printable ASCII in the same way. */
export function unescapeXattr(key: string): string {
  return key.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
}

/** Makes headers in a buffer of its own, which is used again for every entry. */
export class HeaderBuilder {
  readonly #pax = new PaxBuilder();
  readonly #paxHeader = new HeaderWriter();
  readonly #header = new HeaderWriter();
  #out = new Uint8Array(16 * BLOCK);

  /** The entry's header bytes, a multiple of 512. A view: valid until the next call. */
  build(head: EntryHead): Uint8Array {
    let name = head.type === "directory" ? withSlash(head.path) : head.path;
    if (head.real_size !== null) name = sparseName(name);
    this.#collect(head, name);
    const body = this.#pax.length;
    const padded = Math.ceil(body / BLOCK) * BLOCK;
    const start = body === 0 ? 0 : BLOCK + padded;
    if (start + BLOCK > this.#out.length) this.#out = new Uint8Array(2 * (start + BLOCK));
    const out = this.#out;
    if (body > 0) {
      this.#paxHeader.write(out, 0, extendedHeader(body));
      out.set(this.#pax.bytes(), BLOCK);
      out.fill(0, BLOCK + body, start);
    }
    this.#header.write(out, start, {
      name,
      mode: head.mode,
      uid: head.uid,
      gid: head.gid,
      size: head.size,
      mtime: head.mtime_s,
      typeflag: TYPEFLAGS[head.type],
      link: head.link,
      uname: head.uname,
      gname: head.gname,
      devmajor: head.rdev_major,
      devminor: head.rdev_minor,
    });
    return out.subarray(0, start + BLOCK);
  }

  /** Gathers the records of everything a ustar header cannot say. */
  #collect(head: EntryHead, name: Uint8Array): void {
    const pax = this.#pax;
    pax.clear();
    const sparse = head.real_size !== null;
    const path = name.length > 100 || !isAscii(name);
    const link = head.link.length > 100 || !isAscii(head.link);
    const uname = head.uname.length > 31 || !isAscii(head.uname);
    const gname = head.gname.length > 31 || !isAscii(head.gname);
    if (
      ((path || sparse) && !isUtf8(name)) || (link && !isUtf8(head.link)) ||
      (uname && !isUtf8(head.uname)) || (gname && !isUtf8(head.gname))
    ) {
      // Must come first: it tells how to take the values behind it.
      pax.raw("hdrcharset", BINARY);
    }
    if (path) pax.raw("path", name);
    if (sparse) {
      pax.text("GNU.sparse.major", "1");
      pax.text("GNU.sparse.minor", "0");
      // Behind "path", which Python's tarfile would else take for the name.
      pax.raw("GNU.sparse.name", head.path);
      pax.text("GNU.sparse.realsize", String(head.real_size));
    }
    if (link) pax.raw("linkpath", head.link);
    if (uname) pax.raw("uname", head.uname);
    if (gname) pax.raw("gname", head.gname);
    if (head.size > MAX_OCTAL_11) pax.text("size", String(head.size));
    if (head.uid > MAX_OCTAL_7) pax.text("uid", String(head.uid));
    if (head.gid > MAX_OCTAL_7) pax.text("gid", String(head.gid));
    if (head.mtime_ns !== 0 || head.mtime_s < 0 || head.mtime_s > MAX_OCTAL_11) {
      pax.text("mtime", formatTime(head.mtime_s, head.mtime_ns));
    }
    for (const xattr of head.xattrs) this.#addXattr(xattr);
  }

  /** ACLs as text, which all tars read; everything else as bytes. */
  #addXattr({ name, value }: Xattr): void {
    const acl = name === ACL_ACCESS || name === ACL_DEFAULT ? aclToText(value) : null;
    if (acl !== null) this.#pax.text(name === ACL_ACCESS ? ACCESS_KEY : DEFAULT_KEY, acl);
    else this.#pax.raw(XATTR + escapeXattr(name), value);
  }
}

const PAX_NAME = new TextEncoder().encode("././@PaxHeader");
const NOBODY = new Uint8Array(0);

/** The header of an extended header of `size` bytes; named as Python's tarfile does. */
function extendedHeader(size: number): RawHeader {
  return {
    ...{ name: PAX_NAME, mode: 0o644, uid: 0, gid: 0, size, mtime: 0, typeflag: "x" },
    ...{ link: NOBODY, uname: NOBODY, gname: NOBODY, devmajor: 0, devminor: 0 },
  };
}

function withSlash(path: Uint8Array): Uint8Array {
  const out = new Uint8Array(path.length + 1);
  out.set(path);
  out[path.length] = SLASH;
  return out;
}

/** "a/GNUSparseFile.0/b": what tars that know no sparse files make of one shall not look like it. */
function sparseName(path: Uint8Array): Uint8Array {
  const cut = path.lastIndexOf(SLASH) + 1;
  const out = new Uint8Array(path.length + SPARSE_DIR.length);
  out.set(path.subarray(0, cut));
  out.set(SPARSE_DIR, cut);
  out.set(path.subarray(cut), cut + SPARSE_DIR.length);
  return out;
}

const SPARSE_DIR = new TextEncoder().encode("GNUSparseFile.0/");

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] > 127) return false;
  return true;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
