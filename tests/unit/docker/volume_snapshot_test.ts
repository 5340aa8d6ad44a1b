import assert from "node:assert/strict";
import type { ComposeProject } from "../../../lib/docker/compose.ts";
import type { Volume } from "../../../lib/docker/engine.ts";
import { volumeSnapshot } from "../../../lib/docker/volume_snapshot.ts";

const volume = (name: string, more: Partial<Volume> = {}): Volume => ({
  name,
  driver: "local",
  mountpoint: `/volumes/${name}`,
  labels: {},
  options: {},
  ...more,
});

const compose = {
  volumes: {
    data: { name: "shop_data", named: false, external: false, driver: null, driver_opts: {} },
    logs: { name: "shop_logs", named: true, external: false, driver: null, driver_opts: {} },
    common: { name: "common", named: false, external: true, driver: null, driver_opts: {} },
  },
} as unknown as ComposeProject;

Deno.test("volumeSnapshot() tells whose name follows the project's", () => {
  const of = (name: string, more: Partial<Volume> = {}) => {
    const { key, naming } = volumeSnapshot(volume(name, more), compose);
    return [key, naming];
  };
  assert.deepEqual(of("shop_data"), ["data", "project"]);
  assert.deepEqual(of("shop_logs"), ["logs", "named"], "though it looks like the other");
  assert.deepEqual(of("common"), ["common", "external"]);
  const labels = { "com.docker.compose.volume": "old" };
  assert.deepEqual(of("shop_old", { labels }), ["old", "project"], "declared no more");
  assert.deepEqual(of("somebody's"), [null, "named"]);
});

Deno.test("volumeSnapshot() keeps its owner's labels, and says what cannot be made anew", () => {
  const labels = { "com.docker.compose.project": "shop", "org.example.tier": "gold" };
  assert.deepEqual(volumeSnapshot(volume("shop_data", { labels }), compose).labels, {
    "org.example.tier": "gold",
  });
  const plain = (more: Partial<Volume>) => volumeSnapshot(volume("shop_data", more), null).plain;
  assert.equal(plain({}), true);
  assert.equal(plain({ options: { type: "none", device: "/srv", o: "bind" } }), false);
  assert.equal(plain({ driver: "rclone" }), false);
  assert.equal(plain({ name: "f".repeat(64) }), false, "an anonymous one");
});
