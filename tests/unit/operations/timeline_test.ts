import assert from "node:assert/strict";
import type { PathState } from "../../../lib/catalog/entry_search.ts";
import { type Moment, timelineOf } from "../../../lib/operations/timeline.ts";

function moment(id: number, more: Partial<Moment> = {}): Moment {
  return {
    id,
    created_at: `2026-01-0${id}T00:00:00.000Z`,
    backup_metadata: null,
    warnings: [],
    ...more,
  };
}

function state(backup_id: number, more: Partial<PathState> = {}): PathState {
  return {
    ...{
      backup_id,
      path: "conf/a",
      path_raw: null,
      type: "file",
      size: 1,
      mode: 0o644,
      uid: 0,
      gid: 0,
    },
    ...{ mtime_s: backup_id, mtime_ns: 0, link: null, sha256: "aa", ...more },
  };
}

function sources(...tops: string[]) {
  const one = { kind: "path", role: "app", name: "", path: "/x", origin: "" } as const;
  return {
    sources: tops.map((archive_path) => ({ ...one, archive_path })),
  } as Moment["backup_metadata"];
}

Deno.test("timelineOf() tells versions, stretches and when a path was not there", () => {
  const moments = [1, 2, 3, 4, 5, 6, 7].map((id) => moment(id));
  const { versions, stretches } = timelineOf(["conf/a"], moments, [
    state(2),
    state(3), // only its time differs
    state(4, { sha256: "bb" }),
    state(6), // the first one again
    state(7, { mode: 0o600 }),
  ]);
  assert.deepEqual(versions.map(({ version, backups }) => [version, backups]), [
    [1, [2, 3, 6]],
    [2, [4]],
    [3, [7]],
  ]);
  assert.equal(versions[0].first_seen, "2026-01-02T00:00:00.000Z");
  assert.equal(versions[0].last_seen, "2026-01-06T00:00:00.000Z");
  // Before it first came there is nothing to tell.
  assert.deepEqual(stretches.map(({ version, backups, after }) => [version, backups, after]), [
    [1, [2, 3], null],
    [2, [4], 3],
    [null, [5], 4],
    [1, [6], 5],
    [3, [7], 6],
  ]);
});

Deno.test("timelineOf() takes no absence from a backup that could not have the path", () => {
  const unreadable = { code: "UNREADABLE", path: "conf", message: "", incomplete: true };
  const moments = [
    moment(1, { backup_metadata: sources("conf", "data") }),
    moment(2, { backup_metadata: sources("data") }),
    moment(3, { warnings: [unreadable] }),
    moment(4, { warnings: [{ ...unreadable, path: "data" }], backup_metadata: sources(".") }),
  ];
  const { stretches } = timelineOf(["conf/a"], moments, [state(1)]);
  assert.deepEqual(stretches.map(({ version, backups }) => [version, backups]), [
    [1, [1]],
    [null, [4]],
  ]);
});
