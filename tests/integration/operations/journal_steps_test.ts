/**
 * Everything that replaces trees, seen to have died at every write of its journal: what lies on the disk
 * right before and after each one is kept, and mended by `recover` afterwards.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createBackup } from "../../../lib/operations/backup.ts";
import { DEFAULT_REQUEST } from "../../../lib/operations/backup_plan.ts";
import type { Context } from "../../../lib/operations/context.ts";
import { recover } from "../../../lib/operations/recover.ts";
import { restoreAs } from "../../../lib/operations/restore_as.ts";
import { restoreInPlace } from "../../../lib/operations/restore_in_place.ts";
import { rollback } from "../../../lib/operations/rollback.ts";
import { undoRollback } from "../../../lib/operations/undo.ts";
import { upgrade } from "../../../lib/operations/upgrade.ts";
import { JournalFile } from "../../../lib/repository/journal.ts";
import { fingerprint, names, Place, sh } from "../../e2e/support.ts";
import { contextOf } from "../../fixtures/context.ts";

/** Services that were never started: no container is needed for it. */
const COMPOSE = "services:\n  web:\n    image: none\n    volumes: ['./data:/data']\n";

interface Way {
  name: string;
  /** One source, the directory itself, whose children are moved; else one directory, exchanged as a whole. */
  plain: boolean;
  before?: (ctx: Context) => Promise<unknown>;
  act: (ctx: Context, place: Place) => Promise<unknown>;
}

const back = (roles: ("app" | "data")[]) => (ctx: Context) =>
  rollback(ctx, { id: 1, roles, force: true, start_services: true });
const undo = (ctx: Context) => undoRollback(ctx, { start_services: true });

const WAYS: Way[] = [
  { name: "rollback", plain: true, act: back(["app", "data"]) },
  { name: "rollback-data-only", plain: false, act: back(["data"]) },
  { name: "rollback --undo", plain: true, before: back(["app", "data"]), act: undo },
  { name: "an undo of the undo", plain: false, before: twice, act: undo },
  {
    name: "restore --in-place",
    plain: false,
    act: (ctx) => restoreInPlace(ctx, { id: 1, path: "data", stop: false }),
  },
  {
    name: "an upgrade that fails",
    plain: true,
    act: (ctx) =>
      upgrade(ctx, {
        ...{ to_version: "2", from_version: null, backup: true, health_timeout_s: null },
        command: ["sh", "-c", "echo newer > x; rm -r data/d; echo newer > v; exit 3"],
        onOutput: () => {},
      }).then(() => assert.fail(), () => {}),
  },
  {
    name: "restore --as",
    plain: true,
    act: (ctx, place) =>
      restoreAs(ctx, {
        ...{ from: 1, name: "copy", target: place.path("live/copy") },
        ...{ external_in_place: false, allow_devices: false },
      }),
  },
];

async function twice(ctx: Context) {
  await back(["data"])(ctx);
  await undo(ctx);
}

/** Keeps what is in "live" before and after each write of a journal that `act` makes. */
async function eachState(place: Place, act: () => Promise<unknown>): Promise<number> {
  const save = JournalFile.prototype.save;
  let count = 0;
  let last = "";
  const keep = () => {
    const done = new Deno.Command("bash", {
      args: [
        "-c",
        'now=$(find live -name "catalog*" -prune -o -printf "%p %i %C@\\n" | sort | sha256sum); ' +
        '[ "$now" = "$1" ] || cp -a live "state-$2"; echo "$now"',
        ...["-", last, String(count)],
      ],
      cwd: place.dir,
    }).outputSync();
    const now = new TextDecoder().decode(done.stdout).trim();
    if (now !== last) count++;
    last = now;
  };
  JournalFile.prototype.save = function (change) {
    keep();
    save.call(this, change);
    keep();
  };
  try {
    await act();
  } finally {
    JournalFile.prototype.save = save;
  }
  return count;
}

/** Without the directory itself where only what is in it is replaced: its time tells of its children. */
async function treeOf(dir: string, plain: boolean): Promise<string> {
  const lines = (await fingerprint(dir)).split("\n");
  return lines.filter((line) => plain || !line.startsWith(" ")).join("\n");
}

for (const way of WAYS) {
  Deno.test(`${way.name} that dies at any write of its journal: the old state or the new, whole [case 29]`, async () => {
    await using place = new Place();
    const ctx = contextOf(place.path("live/home"), place.path("live/shop"));
    place.tree("live/shop", way.plain ? { x: "old" } : { "docker-compose.yml": COMPOSE, x: "x" });
    place.tree("live/shop/data", { y: "old", "a/b": "old" });
    await createBackup(ctx, { ...DEFAULT_REQUEST, compression: "none", verify: false });
    const backup = await treeOf(ctx.work_dir, way.plain);
    await sh("echo new > data/y; rm -r data/a; mkdir data/d; echo new > data/d/w", ctx.work_dir);
    if (way.plain) await sh("rm x; echo new > z", ctx.work_dir);
    const changed = await treeOf(ctx.work_dir, way.plain);
    await way.before?.(ctx);
    const count = await eachState(place, () => way.act(ctx, place));
    const end = await treeOf(ctx.work_dir, way.plain);
    assert.ok(count >= 5, `${count} states`);

    const seen = new Set<string>();
    for (let n = 0; n < count; n++) {
      await sh(`rm -rf live; mv state-${n} live`, place.dir);
      await recover(ctx);
      const after = await treeOf(ctx.work_dir, way.plain);
      const label = `${way.name}, state ${n} of ${count}`;
      const isUpgrade = way.name.includes("upgrade");
      // Until files go back, the upgrade's command has its way.
      const allowed = isUpgrade ? [changed, await upgraded(ctx, after)] : [backup, changed];
      assert.ok(allowed.includes(after), `${label}: mixed\n${after}`);
      assert.deepEqual(names(join(ctx.home.dir, "journal")), [], label);
      const left = names(place.path("live")).filter((name) => !["home", "shop"].includes(name));
      if (left.length > 0) {
        assert.deepEqual(left, ["copy"], label);
        const inside = async (dir: string) =>
          (await treeOf(place.path(dir), false)).replaceAll(/^\S+ d .*$/gm, "");
        assert.equal(
          await sh("cat copy/x copy/data/y copy/data/a/b", place.path("live")),
          "oldoldold",
        );
        assert.ok((await inside("live/copy")).length > 0, label);
      }
      seen.add(left.length > 0 ? "copy" : after);
    }
    assert.ok(seen.size >= 2, "before and after were both seen");
    if (way.name !== "restore --as") assert.ok(seen.has(end), "the end was seen");
  });
}

/** What the command of the upgrade leaves, as far as it is whole. */
async function upgraded(ctx: Context, after: string): Promise<string> {
  const files = await sh("cat x v; ls; ls data", ctx.work_dir).catch(() => "");
  return files === "newer\nnewer\ndata\nv\nx\nz\ny\n" ? after : "";
}
