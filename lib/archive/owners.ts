/** Names of users and groups, from /etc/passwd and /etc/group as getpwuid reads them. */
import { decodePath } from "../core/paths.ts";

/** Gives the name's bytes, empty where the id has none. */
export type OwnerNames = (id: number) => Uint8Array;

/** Who is to own what is restored, where that is not who is recorded; null leaves one as recorded. */
export type OwnerChoice = "this user" | { uid: number | null; gid: number | null };

const NOBODY = new Uint8Array(0);
const COLON = 0x3a;
const NEWLINE = 0x0a;

/** Names of this host's users; later lines of the same id do not count, as in getpwuid. */
export function userNames(path = "/etc/passwd"): OwnerNames {
  return namesIn(path);
}

/** Names of this host's groups. */
export function groupNames(path = "/etc/group"): OwnerNames {
  return namesIn(path);
}

/** Ids of this host's users by name. */
export function userIds(path = "/etc/passwd"): (name: string) => number | undefined {
  return idsIn(path);
}

/** Ids of this host's groups by name. */
export function groupIds(path = "/etc/group"): (name: string) => number | undefined {
  return idsIn(path);
}

function idsIn(path: string): (name: string) => number | undefined {
  const ids = new Map<string, number>();
  eachLine(path, (name, id) => {
    const text = decodePath(name);
    if (!ids.has(text)) ids.set(text, id);
  });
  return (name) => ids.get(name);
}

function namesIn(path: string): OwnerNames {
  const names = new Map<number, Uint8Array>();
  eachLine(path, (name, id) => {
    if (!names.has(id)) names.set(id, name);
  });
  return (id) => names.get(id) ?? NOBODY;
}

function eachLine(path: string, take: (name: Uint8Array, id: number) => void): void {
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(path);
  } catch {
    return; // No such file in minimal containers: ids alone are stored.
  }
  for (let start = 0; start < bytes.length;) {
    let end = bytes.indexOf(NEWLINE, start);
    if (end === -1) end = bytes.length;
    const line = bytes.subarray(start, end);
    start = end + 1;
    const name = line.indexOf(COLON);
    const password = name === -1 ? -1 : line.indexOf(COLON, name + 1);
    if (name < 1 || password === -1) continue;
    const id = String.fromCharCode(...line.subarray(password + 1, password + 12)).split(":")[0];
    if (/^\d+$/.test(id)) take(line.slice(0, name), Number(id));
  }
}
