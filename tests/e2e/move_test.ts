/** `restore --as`: a stack under another name, in a home that never saw it; whole, or not at all. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { createSampleStack, docker, SampleStack } from "../fixtures/docker.ts";
import { fingerprint, names, Place, sh } from "./support.ts";

/** Without what no archive of a compose stack holds: the directory itself, and those above single files. */
async function contents(dir: string): Promise<string[]> {
  const left_out = /^( |config d |external|[0-9a-f]{64} {2}\.\/external\/)/;
  return (await fingerprint(dir)).split("\n").filter((line) => !left_out.test(line));
}

async function volumeNames(project: string): Promise<string[]> {
  const filter = `label=com.docker.compose.project=${project}`;
  const listed = await docker("volume", "ls", "-q", "-f", filter);
  return listed.split("\n").filter((name) => name !== "").sort();
}

Deno.test("a stack with volumes is moved to a fresh home and runs there, killed at any step or not [case 29]", async () => {
  await using place = new Place();
  place.tree("outside", { "tls/key.pem": "secret" });
  const outside = place.path("outside/tls");
  await using stack = await createSampleStack({
    healthchecks: { db: "healthy" },
    extra_services: `  aside:
    <<: *common
    volumes: ["${outside}:/tls:ro", "kept:/kept", "\${PWD}/app-data:/again:ro"]
`,
    extra_top: `  kept:
    name: \${NAME_OF_KEPT:-${crypto.randomUUID().slice(0, 8)}-kept}
    labels: {duckback.test: "1"}
`,
  });
  await stack.compose("up", "--no-start", "aside");
  const [data, kept] = await volumeNames(stack.project);
  const volume = await stack.volumePath();
  await stack.compose("stop");
  await sh("mkdir -p sub; echo deep > sub/file; chown 12:34 sub; chmod 3750 .", volume);
  const before = await contents(stack.dir);
  const inside = await fingerprint(volume);
  const archive = place.path("carried/shop.tar.gz");
  place.tree("carried", {});
  await place.ok(["backup", "create", "--output", archive], { cwd: stack.dir });
  // Nothing but the archive goes to the other machine.
  for (const name of names(place.path("carried"))) {
    if (name !== "shop.tar.gz") Deno.removeSync(place.path("carried", name));
  }
  assert.ok([data, kept].includes(stack.volume));
  const named = data === stack.volume ? kept : data;

  const name = `${stack.project}moved`;
  const env = { DUCKBACK_HOME: place.path("fresh") };
  place.tree("there", {});
  const at = { cwd: place.path("there"), env };
  const move = (...more: string[]) => place.run(["restore", archive, "--as", name, ...more], at);
  const nothing = async (what: string) => {
    assert.deepEqual(names(place.path("there")), [], what);
    assert.deepEqual(await volumeNames(name), [], what);
    assert.deepEqual(names(join(env.DUCKBACK_HOME, "journal")), [], what);
  };
  // A volume whose name is its own is in the way, and is not touched.
  const refused = await move("--json");
  assert.deepEqual([refused.code, refused.json.error.code], [1, "REFUSED"], refused.stderr);
  assert.ok(refused.json.error.message.includes(named), refused.stderr);
  await nothing("refused");
  await docker("rm", (await stack.container("aside")).name);
  await docker("volume", "rm", named);

  await using moved = new SampleStack(join(at.cwd, name), name, `${name}_data`);
  const trace = ["strace", "-qq", "-f", "-o", "/dev/null", "-e", "trace=renameat,renameat2"];
  let killed = 0;
  for (let when = 3;; when += 4) {
    const inject = `inject=renameat,renameat2:signal=KILL:when=${when}`;
    const args = ["restore", archive, "--as", name];
    const { code, stderr } = await place.run(args, { ...at, wrap: [...trace, "-e", inject] });
    if (code === 0) break;
    // As after a restore that took longer than a second: older engines take this for the time of creation.
    for (const volume of await volumeNames(name)) {
      const path = await docker("volume", "inspect", "-f", "{{.Mountpoint}}", volume);
      await sh("sleep 1.1; touch .", path.trim());
    }
    const recovered = await place.ok(["recover"], at);
    if (names(at.cwd).includes(name)) { // committed before the kill: it stays, whole
      assert.deepEqual(names(at.cwd), [name]);
      assert.deepEqual(await contents(moved.dir), before);
      await docker("volume", "rm", `${name}_data`, named);
      await Deno.remove(moved.dir, { recursive: true });
    } else killed++;
    await nothing(`killed at rename ${when}: ${stderr}${recovered.stdout}${recovered.stderr}`);
    if (await docker("volume", "ls", "-q", "-f", `name=${named}`) !== "") assert.fail(named);
  }
  assert.ok(killed >= 2, `${killed}`);
  // The last round was not killed: it is done.
  assert.deepEqual(names(at.cwd), [name]);
  const again = await move("--json");
  assert.equal(again.json.error.code, "REFUSED");
  assert.deepEqual(await contents(moved.dir), before);
  assert.equal(await fingerprint(await moved.volumePath()), inside);
  assert.equal(Deno.readTextFileSync(join(moved.dir, "external", outside, "key.pem")), "secret");

  const { stderr } = await new Deno.Command("docker-compose", {
    args: ["-p", name, "up", "-d"],
    cwd: moved.dir,
    env: { PWD: moved.dir },
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert.ok(!/warn|exists|changed/i.test(said), said);
  assert.ok(!/Creating volume/.test(said), said);
  await moved.until(
    (all) =>
      ["db", "app", "web"].every((service) =>
        all.some((one) => one.service === service && one.state === "running")
      ) && all.some((one) => one.service === "db" && one.health === "healthy"),
    90_000,
  );
  const app = (await moved.container("app")).name;
  assert.equal(await docker("exec", app, "cat", "/srv/notes.txt"), "written before the start");
  const db = (await moved.container("db")).name;
  assert.equal(await docker("exec", db, "cat", "/data/sub/file"), "deep");
  // It is known by its name, and can be backed up as any other.
  const made = await place.ok(["--stack", name, "backup", "create", "--no-verify", "--json"], {
    ...at,
    cwd: "/",
  });
  assert.equal(made.json.backup.backup_metadata.work_dir, moved.dir);
  await docker("rm", "-f", (await moved.container("aside")).name);
  await docker("volume", "rm", named);
});

Deno.test("restore --as refuses what it would overwrite, hide or not understand, and makes nothing then", async () => {
  await using place = new Place();
  const dir = place.tree("shop", { "conf/a": "a", "conf/deep/b": "b" });
  const outside = place.tree("etc", { "shop/tls/key": "key" });
  const sources = ["--source", "conf", "--source", join(outside, "shop/tls")];
  await place.ok(["backup", "create", ...sources], { cwd: dir });
  const as = (name: string, ...more: string[]) =>
    place.run(["restore", "1", "--as", name, "--json", ...more], { cwd: place.dir });
  const fails = async (code: string, name: string, ...more: string[]) => {
    const before = names(place.dir);
    const { json, stderr } = await as(name, ...more);
    assert.equal(json.error?.code, code, stderr);
    assert.deepEqual([names(place.dir), names(join(place.home, "journal"))], [before, []]);
  };
  await fails("USAGE", "Shop");
  await fails("USAGE", "copy", "--overwrite", "always");
  await fails("USAGE", "copy", "--no-owner");
  await fails("USAGE", "copy", "conf");
  await fails("REFUSED", "copy", "--target", dir);
  await fails("NOT_WRITABLE", "copy", "--target", join(dir, "conf/a"));
  await fails("REFUSED", "shop", "--target", place.path("elsewhere"));
  await fails("REFUSED", "copy", "--external-in-place", "--target", place.path("deep/er"));

  // Beside: all of it in the new directory, and what does not lie where it was is said.
  const beside = (await as("copy", "--target", place.path("deep/er"))).json;
  assert.deepEqual([beside.success, beside.next], [true, []]);
  const [external] = beside.beside;
  assert.equal(external.to, join(place.path("deep/er/external"), outside, "shop/tls"));
  assert.equal(Deno.readTextFileSync(join(external.to, "key")), "key");
  assert.match(beside.adapt[0], /is in .*deep\/er\/external\/.* now/);
  assert.equal(await sh("diff -r conf ../deep/er/conf && stat -c %a ../deep/er", dir), "755\n");

  // Back where it was, and into an empty directory that exists.
  await sh("rm -r etc/shop; mkdir copy2; chmod 750 copy2", place.dir);
  const args = ["restore", "1", "--as", "copy2", "--external-in-place"];
  await place.ok(args, { cwd: place.dir });
  await sh("diff -r shop/conf copy2/conf; test -f etc/shop/tls/key", place.dir);
  assert.deepEqual(names(place.path("copy2")), ["conf"]);
  assert.equal(await sh("cat etc/shop/tls/key", place.dir), "key");

  // A damaged archive is refused before anything is made.
  const [archive] = names(join(place.home, "backups")).filter((name) => name.endsWith(".gz"));
  await sh(`printf x | dd of=${archive} bs=1 seek=200 conv=notrunc`, join(place.home, "backups"));
  await fails("ARCHIVE_CORRUPT", "copy3");
});
