import assert from "node:assert/strict";
import { join } from "node:path";
import * as posix from "../../../lib/posix/mod.ts";
import {
  makeStaging,
  noteStaged,
  planSwap,
  removeStaging,
  stagedPath,
  swapIn,
  swapOut,
} from "../../../lib/operations/swap.ts";

/** Every path below `dir` with its content and mode, duckback's own directory left out. */
function snapshot(dir: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string, name: string) => {
    const stat = Deno.lstatSync(path);
    const mode = (stat.mode! & 0o7777).toString(8);
    if (!stat.isDirectory) {
      found[name] = `${mode} ${Deno.readTextFileSync(path)}`;
      return;
    }
    found[name] = mode;
    for (const entry of Deno.readDirSync(path)) {
      if (entry.name !== ".duckback-undo") visit(join(path, entry.name), join(name, entry.name));
    }
  };
  visit(dir, ".");
  return found;
}

interface Case {
  name: string;
  /** Makes what is live, at `dir`/live. */
  old: ((live: string) => void) | null;
  staged: (path: string) => void;
  inside: boolean;
}

const tree = (text: string, mode: number) => (path: string) => {
  Deno.mkdirSync(join(path, "sub"), { recursive: true });
  Deno.writeTextFileSync(join(path, "a"), text);
  Deno.writeTextFileSync(join(path, "sub", text), text);
  Deno.chmodSync(path, mode);
};
const file = (text: string) => (path: string) => Deno.writeTextFileSync(path, text);

const CASES: Case[] = [
  { name: "a directory", old: tree("old", 0o750), staged: tree("new", 0o711), inside: false },
  { name: "a file", old: file("old"), staged: file("new"), inside: false },
  { name: "what was not there", old: null, staged: tree("new", 0o711), inside: false },
  { name: "a file by a directory", old: file("old"), staged: tree("new", 0o711), inside: false },
  { name: "a volume's root", old: tree("old", 0o750), staged: tree("new", 0o711), inside: true },
];

async function inCase(
  one: Case,
  use: (step: ReturnType<typeof planSwap>, live: string, dir: string) => Promise<void> | void,
) {
  const dir = await Deno.makeTempDir();
  const live = join(dir, "live");
  Deno.writeTextFileSync(join(dir, "neighbour"), "stays");
  one.old?.(live);
  const step = planSwap("7", 0, { name: "x", live, inside: one.inside }, []);
  makeStaging(step, () => {});
  one.staged(stagedPath(step));
  noteStaged(step);
  try {
    await use(step, live, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

for (const one of CASES) {
  Deno.test(`swapIn() replaces ${one.name}, swapOut() puts it back, and so on`, () =>
    inCase(one, async (step, live, dir) => {
      const before = snapshot(dir);
      const wanted = await Deno.makeTempDir();
      one.staged(join(wanted, "live"));
      const after = snapshot(join(wanted, "live"));
      for (let round = 0; round < 3; round++) {
        swapIn(step, () => {});
        assert.deepEqual(snapshot(live), after);
        swapOut(step, () => {});
        assert.deepEqual(snapshot(dir), before);
      }
      await removeStaging([step]);
      assert.deepEqual(
        [...Deno.readDirSync(dir)].map((e) => e.name).includes(".duckback-undo"),
        false,
      );
      await Deno.remove(wanted, { recursive: true });
    }));

  Deno.test(`swapOut() mends a swap of ${one.name} that died at any journal write`, async () => {
    for (let at = 1; at <= 3; at++) {
      await inCase(one, (step, _live, dir) => {
        const before = snapshot(dir);
        let saves = 0;
        let journaled = structuredClone(step);
        try {
          swapIn(step, () => {
            if (++saves === at) throw new Error("killed");
            journaled = structuredClone(step);
          });
        } catch (error) {
          assert.equal((error as Error).message, "killed");
        }
        // What recovery knows is what reached the journal.
        swapOut(journaled, () => {});
        assert.deepEqual(snapshot(dir), before);
      });
    }
  });
}

Deno.test("swapOut() mends a volume whose children were moved in part", () =>
  inCase(CASES[4], (step, live, dir) => {
    const before = snapshot(dir);
    const old = join(step.staging, "old");
    Deno.mkdirSync(old, { mode: 0o750 });
    Deno.renameSync(join(live, "a"), join(old, "a"));
    step.phase = "moving_old";
    swapOut(step, () => {});
    assert.deepEqual(snapshot(dir), before);
    for (const name of ["a", "sub"]) Deno.renameSync(join(live, name), join(old, name));
    Deno.renameSync(join(stagedPath(step), "a"), join(live, "a"));
    step.phase = "moving_new";
    swapOut(step, () => {});
    assert.deepEqual(snapshot(dir), before);
  }));

Deno.test("planSwap() keeps duckback's own directories where they are", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const live = join(dir, "live");
    tree("old", 0o755)(live);
    Deno.mkdirSync(join(live, "backups"));
    Deno.writeTextFileSync(join(live, "backups/x.tar.gz"), "archive");
    const step = planSwap("8", 0, { name: "x", live, inside: false }, [join(live, "backups")]);
    makeStaging(step, () => {});
    assert.equal(step.how, "contents");
    tree("new", 0o700)(stagedPath(step));
    noteStaged(step);
    swapIn(step, () => {});
    assert.equal(Deno.readTextFileSync(join(live, "backups/x.tar.gz")), "archive");
    assert.equal(Deno.readTextFileSync(join(live, "a")), "new");
    assert.equal(posix.statx(live).mode & 0o777, 0o700);
    swapOut(step, () => {});
    assert.equal(Deno.readTextFileSync(join(live, "a")), "old");
    assert.equal(Deno.readTextFileSync(join(live, "backups/x.tar.gz")), "archive");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
