/** Descriptors, locks and errors of lib/posix on real files. */
import assert from "node:assert/strict";
import * as posix from "../../../lib/posix/mod.ts";
import { withTempDir } from "../../fixtures/tree.ts";

Deno.test(
  "open() creates with the mode asked for and close-on-exec",
  withTempDir((dir) => {
    const fd = posix.open(`${dir}/f`, posix.O_RDWR | posix.O_CREAT | posix.O_EXCL, 0o600);
    posix.writeAll(fd, new TextEncoder().encode("hello"));
    posix.fsync(fd);
    const info = Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`);
    assert.match(info, /flags:\s+0*2[0-7]*0?2?/);
    assert.ok((parseInt(info.match(/flags:\s+([0-7]+)/)![1], 8) & 0o2000000) !== 0);
    posix.close(fd);
    assert.equal(Deno.readTextFileSync(`${dir}/f`), "hello");
    assert.equal(Deno.statSync(`${dir}/f`).mode! & 0o7777, 0o600);
  }),
);

Deno.test(
  "open() throws PosixError with errno, code, call and path",
  withTempDir((dir) => {
    assert.throws(() => posix.open(`${dir}/none`, posix.O_RDONLY), (error: unknown) => {
      assert.ok(error instanceof posix.PosixError);
      assert.equal(error.code, "ENOENT");
      assert.equal(error.errno, 2);
      assert.equal(error.syscall, "open");
      assert.equal(error.path, `${dir}/none`);
      assert.equal(error.message, `Cannot open "${dir}/none": no such file or directory (ENOENT)`);
      return true;
    });
  }),
);

Deno.test("open() refuses a path with a NUL inside", () => {
  assert.throws(() => posix.open("/etc/passwd\0.txt", posix.O_RDONLY), { code: "EINVAL" });
});

Deno.test("asFileFailure() tells a full disk from a refused one", () => {
  const full = posix.asFileFailure(new posix.PosixError(28, "write", "/x/a.tar.gz"));
  assert.equal(full.code, "DISK_FULL");
  assert.equal(full.message, 'Cannot write "/x/a.tar.gz": no space left on device (ENOSPC)');
  const denied = posix.asFileFailure(new posix.PosixError(30, "open", "/x"), "create archive");
  assert.equal(denied.code, "NOT_WRITABLE");
  assert.equal(denied.message, 'Cannot create archive "/x": read-only file system (EROFS)');
  assert.equal(posix.asFileFailure(new posix.PosixError(5, "fsync", "/x")).code, "IO");
});

Deno.test(
  "read() and readAt() stop at the end of the file",
  withTempDir((dir) => {
    Deno.writeTextFileSync(`${dir}/f`, "0123456789");
    const fd = posix.open(`${dir}/f`, posix.O_RDONLY);
    const buffer = new Uint8Array(6);
    assert.equal(posix.read(fd, buffer), 6);
    assert.equal(posix.read(fd, buffer), 4);
    assert.equal(posix.read(fd, buffer), 0);
    assert.equal(posix.readAt(fd, buffer, 7), 3);
    assert.equal(new TextDecoder().decode(buffer.subarray(0, 3)), "789");
    posix.close(fd);
  }),
);

Deno.test(
  "flockTry() is false while another descriptor holds the lock",
  withTempDir((dir) => {
    const flags = posix.O_RDWR | posix.O_CREAT;
    const first = posix.open(`${dir}/lock`, flags);
    const second = posix.open(`${dir}/lock`, flags);
    assert.equal(posix.flockTry(first), true);
    assert.equal(posix.flockTry(second), false);
    posix.close(first);
    assert.equal(posix.flockTry(second), true);
    posix.close(second);
  }),
);

Deno.test(
  "write() reports a full device",
  () => {
    const fd = posix.open("/dev/full", posix.O_WRONLY);
    assert.throws(() => posix.writeAll(fd, new Uint8Array(10), "/dev/full"), { code: "ENOSPC" });
    posix.close(fd);
  },
);

Deno.test("freeSpace() agrees with df", async () => {
  const output = await new Deno.Command("df", { args: ["-B1", "--output=avail", "/tmp"] }).output();
  const df = Number(new TextDecoder().decode(output.stdout).trim().split("\n").at(-1));
  assert.ok(Math.abs(posix.freeSpace("/tmp") - df) < 2 ** 30);
});
