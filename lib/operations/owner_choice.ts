/** `--chown USER[:GROUP]`: names or numbers of this host. */
import { groupIds, type OwnerChoice, userIds } from "../archive/owners.ts";
import { DuckbackError } from "../core/errors.ts";
import { effectiveIds } from "../posix/mod.ts";

/** The largest id; the one above it means "leave it" to chown. */
const MOST = 0xfffffffe;

/** "USER", "USER:GROUP" or ":GROUP". Raises USAGE for what is no such name, REFUSED for all but root. */
export function ownerChoice(text: string): OwnerChoice {
  const [user, group, more] = text.split(":");
  if (more !== undefined || (user === "" && !group)) {
    throw new DuckbackError("USAGE", `Cannot give files to "${text}": it is not USER[:GROUP]`, {
      hint: "Names or numbers: --chown www-data:www-data, --chown 1000:1000, --chown :adm",
    });
  }
  if (effectiveIds().uid !== 0) {
    throw new DuckbackError("REFUSED", `Cannot give files to "${text}": only root may do that`, {
      hint: "Leave out --chown: what is restored then belongs to you.",
    });
  }
  return {
    uid: user === "" ? null : idOf(user, "user", userIds()),
    gid: group === undefined || group === "" ? null : idOf(group, "group", groupIds()),
  };
}

function idOf(name: string, kind: string, ids: (name: string) => number | undefined): number {
  // A name wins over a number, as in chown.
  const id = ids(name) ?? (/^\d{1,10}$/.test(name) ? Number(name) : undefined);
  if (id !== undefined && id <= MOST) return id;
  throw new DuckbackError("USAGE", `Cannot give files to ${kind} "${name}": there is none here`, {
    hint: `Give its number, or one of the names in /etc/${kind === "user" ? "passwd" : "group"}.`,
  });
}
