/** `lowerPriority` in a process of its own, since it cannot be taken back. */
import assert from "node:assert/strict";

const PRIORITY = new URL("../../../lib/posix/priority.ts", import.meta.url);

Deno.test("lowerPriority() holds for every thread, and for those that start later", async () => {
  const code = `
    import { lowerPriority } from ${JSON.stringify(PRIORITY.href)};
    lowerPriority();
    const url = URL.createObjectURL(new Blob(["postMessage(1)"], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    await new Promise((resolve) => worker.onmessage = resolve);
    const nice = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => {
      const stat = Deno.readTextFileSync("/proc/self/task/" + name + "/stat");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16];
    });
    const io = await new Deno.Command("ionice", { args: ["-p", String(Deno.pid)] }).output();
    console.log(JSON.stringify({ nice, io: new TextDecoder().decode(io.stdout).trim() }));
    Deno.exit(0);`;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  const { nice, io } = JSON.parse(text);
  assert.ok(nice.length > 2);
  assert.deepEqual([...new Set(nice)], ["19"]);
  assert.equal(io, "best-effort: prio 7");
});
