/** What a person at a terminal sees and answers; `script` (bsdutils) gives the terminal. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Place } from "./support.ts";
import { Terminal } from "./terminal.ts";

async function damaged(place: Place): Promise<string> {
  const dir = place.tree("shop", { "a": "good" });
  await place.ok(["backup", "create", "--version", "1.0"], { cwd: dir });
  Deno.writeTextFileSync(join(dir, "a"), "bad");
  return dir;
}

Deno.test("rollback at a terminal: choose, see what will happen, agree", async () => {
  await using place = new Place();
  const dir = await damaged(place);
  await using terminal = new Terminal(place, ["rollback"], dir);
  await terminal.type(/which backup/, "\r");
  await terminal.type(/Roll back to backup 1\?/, "y\r");
  assert.equal(await terminal.ended(), 0, terminal.text);
  assert.match(terminal.text, /replaces .*shop/);
  assert.match(terminal.text, /The stack is back at backup 1/);
  assert.equal(Deno.readTextFileSync(join(dir, "a")), "good");
});

for (const [what, keys] of [["no", "n\r"], ["Enter alone", "\r"], ["Ctrl-C", "\x03"]]) {
  Deno.test(`rollback at a terminal: ${what} leaves everything as it was`, async () => {
    await using place = new Place();
    const dir = await damaged(place);
    await using terminal = new Terminal(place, ["rollback", "1"], dir);
    await terminal.type(/Roll back to backup 1\?/, keys);
    assert.equal(await terminal.ended(), 130, terminal.text);
    assert.equal(Deno.readTextFileSync(join(dir, "a")), "bad");
    assert.equal((await place.ok(["backup", "list", "--json"])).json.backups.length, 1);
  });
}

Deno.test("backup create at a terminal shows progress and cleans up after itself", async () => {
  await using place = new Place();
  const dir = place.tree("shop", {});
  const bytes = new Uint8Array(60_000_000);
  for (let at = 0; at < bytes.length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, bytes.length)));
  }
  Deno.writeFileSync(join(dir, "big"), bytes);
  await using terminal = new Terminal(place, ["backup", "create"], dir);
  assert.equal(await terminal.ended(), 0, terminal.text);
  assert.match(terminal.text, /Archiving shop +\[#*-*\] \d+ % +[\d.]+ MiB of 57.2 MiB/);
  assert.match(terminal.text, /Backup 1 is complete/);
});
