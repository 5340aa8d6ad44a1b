/** Tests of what is skipped, and of links on the way to a source. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { realPath } from "../../../lib/docker/real_path.ts";
import { systemPathReason } from "../../../lib/docker/system_paths.ts";
import { isAnonymous, volumePlace } from "../../../lib/docker/volume_place.ts";

Deno.test("systemPathReason() skips the host's own files and no others", () => {
  const reason = (path: string, dir = "/srv/app") => systemPathReason(path, dir, "/var/lib/docker");
  for (
    const path of [
      "/",
      "/etc/localtime",
      "/etc/hosts",
      "/etc/ssl/certs/ca.pem",
      "/proc",
      "/sys/fs/cgroup",
      "/dev/snd",
      "/run/dbus",
      "/var/run/docker.sock",
      "/lib/modules/6.1",
      "/usr/share/zoneinfo/Europe/Berlin",
      "/var/lib/docker",
      "/var/lib/docker/containers",
      "/var/lib",
    ]
  ) assert.notEqual(reason(path), null, path);
  for (
    const path of [
      "/srv/app/etc/hosts",
      "/etc/letsencrypt",
      "/etc/hosts.d",
      "/home/me/data",
      "/var/www",
      "/runner/data",
      "/var/lib/mysql",
      "/tmp/x",
      "/var/lib/docker/volumes/x/_data",
    ]
  ) assert.equal(reason(path), null, path);
  assert.equal(reason("/run/stack/data", "/run/stack"), null);
  assert.match(reason("/var/lib/docker/containers")!, /engine/);
});

Deno.test("volumePlace() finds the data or says why not", () => {
  const place = (options: Record<string, string>, driver = "local") =>
    volumePlace({ driver, options, mountpoint: "/m" });
  assert.deepEqual(place({}), { path: "/m" });
  assert.deepEqual(place({ o: "size=10G" }), { path: "/m" });
  // Mounted over the mountpoint only while a container runs: the directory behind it is read.
  assert.deepEqual(place({ type: "none", o: "bind", device: "/srv/x" }), { path: "/srv/x" });
  assert.deepEqual(place({ o: "rw,bind", device: "/srv/x" }), { path: "/srv/x" });
  const reasons: [Record<string, string>, string, RegExp][] = [
    [{ type: "nfs", o: "addr=10.0.0.1,rw", device: ":/export" }, "local", /network/],
    [{ type: "nfs4", device: ":/export" }, "local", /network/],
    [{ type: "cifs", device: "//nas/share" }, "local", /network/],
    [{ type: "tmpfs", device: "tmpfs" }, "local", /memory/],
    [{ type: "ext4", device: "/dev/sdb1" }, "local", /only while in use/],
    [{}, "rexray/ebs", /rexray/],
  ];
  for (const [options, driver, wanted] of reasons) {
    const found = place(options, driver);
    assert("reason" in found && wanted.test(found.reason), JSON.stringify(found));
  }
});

Deno.test("isAnonymous() knows names and labels", () => {
  assert(isAnonymous("a".repeat(64), {}));
  assert(isAnonymous("x", { "com.docker.volume.anonymous": "" }));
  assert(!isAnonymous("a".repeat(63), {}));
  assert(!isAnonymous("shop_db", {}));
});

Deno.test("realPath() follows links and reports them", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    await Deno.mkdir(join(dir, "real/inner"), { recursive: true });
    await Deno.symlink("real", join(dir, "one"));
    await Deno.symlink(join(dir, "one/inner"), join(dir, "two"));
    await Deno.symlink("gone", join(dir, "dangling"));
    await Deno.symlink("loop", join(dir, "loop"));
    const socket = Deno.listen({ transport: "unix", path: join(dir, "s") });
    assert.deepEqual(realPath(join(dir, "real")), {
      real: join(dir, "real"),
      links: [],
      type: "directory",
    });
    assert.deepEqual(realPath(join(dir, "two")), {
      real: join(dir, "real/inner"),
      links: [join(dir, "two"), join(dir, "one")],
      type: "directory",
    });
    assert.deepEqual(realPath(join(dir, "dangling")), {
      real: join(dir, "gone"),
      links: [join(dir, "dangling")],
      type: "missing",
    });
    assert.equal(realPath(join(dir, "loop")).type, "missing");
    assert.equal(realPath(join(dir, "s")).type, "socket");
    assert.equal(realPath(join(dir, "no/such")).type, "missing");
    assert.equal(realPath("/").real, "/");
    socket.close();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
