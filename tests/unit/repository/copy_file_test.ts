import assert from "node:assert/strict";
import { join } from "node:path";
import { copyFile } from "../../../lib/repository/copy_file.ts";
import { interrupted } from "../../../lib/core/errors.ts";

function place() {
  const dir = Deno.makeTempDirSync({ prefix: "duckback-copy-" });
  return { dir, [Symbol.dispose]: () => Deno.removeSync(dir, { recursive: true }) };
}

const quiet = { signal: new AbortController().signal, copied: () => {} };

Deno.test("copyFile() copies all bytes into a private file and tells how many", async () => {
  using here = place();
  const [from, to] = [join(here.dir, "a"), join(here.dir, "b")];
  const bytes = crypto.getRandomValues(new Uint8Array(60_000));
  const large = new Uint8Array(9 << 20).map((_, n) => bytes[n % bytes.length]);
  Deno.writeFileSync(from, large);
  let told = 0;
  await copyFile(from, to, { ...quiet, copied: (n) => void (told += n) });
  assert.deepEqual(Deno.readFileSync(to), large);
  assert.equal(told, large.length);
  assert.equal(Deno.statSync(to).mode! & 0o777, 0o600);
});

Deno.test("copyFile() never replaces a file, and leaves none behind when it is interrupted", async () => {
  using here = place();
  const [from, to] = [join(here.dir, "a"), join(here.dir, "b")];
  Deno.writeFileSync(from, new Uint8Array(9 << 20));
  const stop = new AbortController();
  const copied = () => stop.abort(interrupted());
  await assert.rejects(copyFile(from, to, { signal: stop.signal, copied }), {
    code: "INTERRUPTED",
  });
  assert.deepEqual([...Deno.readDirSync(here.dir)].map(({ name }) => name), ["a"]);
  Deno.writeTextFileSync(to, "mine");
  await assert.rejects(copyFile(from, to, quiet), { code: "REFUSED" });
  assert.equal(Deno.readTextFileSync(to), "mine");
});
