/** Tests of how duckback knows its own container. */
import assert from "node:assert/strict";
import { toContainer } from "../../../lib/docker/container_json.ts";
import { containerIds, isDuckback } from "../../../lib/docker/self.ts";

const ID = "0123456789abcdef".repeat(4);
const OTHER = "fedcba9876543210".repeat(4);

Deno.test("containerIds() reads them from mounts and cgroups, and from nothing else", () => {
  const found = containerIds([
    `1503 1492 8:1 /var/lib/docker/containers/${ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw`,
    `30 24 0:26 / /var/lib/docker/containers/${OTHER}/mounts/shm rw - tmpfs shm rw`,
    "0::/",
  ].join("\n"));
  assert.deepEqual([...found], [ID]);
  assert.deepEqual([...containerIds(`12:pids:/docker/${ID}\n`)], [ID]);
  assert.deepEqual([...containerIds(`0::/system.slice/docker-${ID}.scope`)], [ID]);
  assert.deepEqual([...containerIds("0::/user.slice/user-0.slice/session-1.scope")], []);
  assert.deepEqual([...containerIds("")], []);
});

Deno.test("isDuckback() goes by id or by the image's name", () => {
  const of = (image: string) => toContainer({ Id: ID, Name: "/x", Config: { Image: image } });
  assert.equal(isDuckback(of("alpine"), new Set([ID])), true);
  assert.equal(isDuckback(of("alpine"), new Set([OTHER])), false);
  for (
    const image of ["duckback", "duckback:1.2", "ghcr.io/x/duckback:1", "r:5000/duckback@sha256:0"]
  ) {
    assert.equal(isDuckback(of(image), new Set()), true, image);
  }
  for (const image of ["duckback-test-base:2", "duckback/other:1", "not-duckback"]) {
    assert.equal(isDuckback(of(image), new Set()), false, image);
  }
});
