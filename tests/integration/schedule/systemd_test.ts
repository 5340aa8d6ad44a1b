/** The unit before systemd's own judge. */
import assert from "node:assert/strict";
import { join } from "node:path";
import {
  protectedOnes,
  UNIT_NAME,
  type UnitOptions,
  unitText,
} from "../../../lib/schedule/systemd.ts";

const usual: UnitOptions = {
  program: ["/usr/bin/env"], // any that exists: systemd looks
  home: "/var/lib/duckback",
  env: { DOCKER_HOST: "unix:///run/docker.sock" },
  writable: ["/usr/local/shop"],
  system: true,
};

async function verify(options: UnitOptions, ...args: string[]) {
  const dir = await Deno.makeTempDir({ prefix: "duckback-unit-" });
  try {
    const path = join(dir, UNIT_NAME);
    await Deno.writeTextFile(path, unitText(options));
    const { code, stdout, stderr } = await new Deno.Command("systemd-analyze", {
      args: [...args, path],
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("unitText() passes systemd-analyze verify, also with names that need quoting", async () => {
  const odd = {
    ...usual,
    home: '/srv/my "home" 100% $HOME',
    env: { DOCKER_HOST: "unix:///run/a b.sock" },
    writable: ["/etc/with space"],
  };
  for (const options of [usual, odd]) {
    const { code, stderr } = await verify(options, "verify", "--man=no");
    const ours = stderr.split("\n").filter((line) => line.includes(UNIT_NAME));
    assert.deepEqual({ code, ours }, { code: 0, ours: [] }, stderr);
  }
  const user = await verify({ ...usual, system: false }, "--user", "verify", "--man=no");
  assert.ok(!user.stderr.includes(UNIT_NAME), user.stderr);
});

Deno.test("unitText() is judged wrong by systemd-analyze where a line is wrong", async () => {
  const { stderr } = await verify({ ...usual, program: ["not/absolute"] }, "verify", "--man=no");
  assert.match(stderr, /duckback\.service.*absolute/s);
});

Deno.test("unitText() takes enough from the daemon for a score below 6 of 10", async () => {
  const { stdout } = await verify(usual, "security", "--offline=true");
  const score = Number(/exposure level for .*?: ([\d.]+)/.exec(stdout)?.[1]);
  assert.ok(score < 6, stdout.slice(-400));
});

Deno.test("protectedOnes() are those that ProtectSystem=full makes read-only", () => {
  const given = ["/srv/a", "/usr/local/shop", "/etc/duckback", "/etcetera", "/var/lib/duckback"];
  assert.deepEqual(protectedOnes(given), ["/etc/duckback", "/usr/local/shop"]);
});
