/** A process in a container knows which one that is, by what the engine mounts there. */
import assert from "node:assert/strict";
import { containerIds, ownContainerIds } from "../../../lib/docker/self.ts";
import { BASE_IMAGE, docker, ensureBaseImage } from "../../fixtures/docker.ts";

Deno.test("containerIds() of a real container's /proc is that container", async () => {
  await ensureBaseImage();
  for (const network of ["none", "host"]) {
    const name = `dbt-self-${crypto.randomUUID().slice(0, 8)}`;
    const flags = ["--label", "duckback.test=1", "--name", name, `--network=${network}`];
    try {
      const read = ["cat", "/proc/self/mountinfo", "/proc/self/cgroup"];
      const text = await docker("run", ...flags, BASE_IMAGE, ...read);
      const id = await docker("inspect", "-f", "{{.Id}}", name);
      assert.deepEqual([...containerIds(text)], [id], network);
    } finally {
      await docker("rm", "-f", name);
    }
  }
});

Deno.test("ownContainerIds() without /proc is empty", () => {
  assert.deepEqual([...ownContainerIds("/no/such/proc")], []);
});
