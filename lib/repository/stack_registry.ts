/** The stacks this home knows by name, for `--stack`; a file, so that it outlives the catalogue. */
import { ensurePrivateDir, writeDurably } from "./durable.ts";
import type { Home } from "./home.ts";

/** A stack that `init` or a backup made known. */
export interface RegisteredStack {
  name: string;
  /** Absolute. */
  work_dir: string;
  /** Compose files given explicitly, absolute; null finds them as compose does. */
  compose_files: string[] | null;
  registered_at: string;
}

/** All registered stacks; none where the file is missing or cannot be read. */
export function registeredStacks(home: Home): RegisteredStack[] {
  try {
    const stacks = JSON.parse(Deno.readTextFileSync(home.stacks));
    return Array.isArray(stacks) ? stacks : [];
  } catch {
    return [];
  }
}

/** Adds or replaces a stack by its name; false where it was known just so. */
export function rememberStack(home: Home, entry: RegisteredStack): boolean {
  const all = registeredStacks(home);
  const known = all.find((stack) => stack.name === entry.name);
  const same = known?.work_dir === entry.work_dir &&
    JSON.stringify(known.compose_files) === JSON.stringify(entry.compose_files);
  if (same) return false;
  ensurePrivateDir(home.dir);
  const others = all.filter((stack) => stack.name !== entry.name);
  writeDurably(home.stacks, JSON.stringify([...others, entry], null, 1));
  return true;
}
