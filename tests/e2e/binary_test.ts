/** dist/duckback as a file: what is in it, how fast it starts, and that it runs where little is allowed. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { belongs } from "../../scripts/compile/bundle.ts";
import { binaryContents } from "../../scripts/compile/contents.ts";
import { readIndex } from "../../scripts/compile/payload.ts";
import { TARGETS } from "../../scripts/compile/targets.ts";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
const DUCKBACK = `${DIST}/duckback`;
const NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups";

const COMPRESSORS = ["libdeflate.so.0", "libzstd.so.1"];
const CARRIED = ["libduckdb.so", "duckdb.node", "program.js", "program.cache"];

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function run(
  command: string[],
  env?: Record<string, string>,
  onSpawn?: (child: Deno.ChildProcess) => void,
): Promise<Outcome> {
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    cwd: "/",
    env,
    clearEnv: env !== undefined,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  onSpawn?.(child);
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** A scratch directory outside /tmp (tests mount over that), with a home and a stack for nobody. */
class Scratch implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async create(): Promise<Scratch> {
    const root = await Deno.makeTempDir({ dir: "/var/tmp" });
    await Deno.chmod(root, 0o755);
    for (const name of ["bin", "home", "stack"]) {
      await Deno.mkdir(`${root}/${name}`);
      await Deno.chmod(`${root}/${name}`, 0o755);
      if (name !== "bin") await Deno.chown(`${root}/${name}`, 65534, 65534);
    }
    await Deno.writeTextFile(`${root}/stack/data.txt`, "some data\n".repeat(1000));
    return new Scratch(root);
  }

  /**
   * Runs shell commands as root in a mount namespace of their own, where bin/ is dist/, read-only.
   * `tmp` are the mount options of its /tmp.
   */
  namespace(tmp: string, script: string): Promise<Outcome> {
    return run([
      "unshare",
      "-m",
      "sh",
      "-ec",
      `
      mount --make-rprivate /
      mount --bind ${DIST} ${this.root}/bin
      mount -o remount,bind,ro ${this.root}/bin
      mount -t tmpfs -o mode=1777,${tmp} none /tmp
      ${script}`,
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

/** Runs `command` some times and returns the shortest time in seconds. */
async function fastest(times: number, command: string[]): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    const { code, err } = await run(command);
    best = Math.min(best, (performance.now() - start) / 1000);
    assert.equal(code, 0, err);
  }
  return best;
}

/** The system calls `names` that a command and its threads make, one line each. */
async function traced(names: string, command: string[]): Promise<string[]> {
  const log = await Deno.makeTempFile({ dir: "/var/tmp" });
  try {
    await run(["strace", "-f", "-qq", "-e", `trace=${names}`, "-o", log, ...command], {
      PATH: Deno.env.get("PATH")!,
      HOME: "/nonexistent",
      TMPDIR: "/var/tmp/duckback-no-such-tmp",
    });
    return (await Deno.readTextFile(log)).split("\n").filter((line) => /^\d+ +\w+\(/.test(line));
  } finally {
    await Deno.remove(log);
  }
}

Deno.test("dist/duckback holds what it needs and nothing else, in at most 170 MB", async () => {
  const contents = await binaryContents(DUCKBACK);
  assert.ok(contents.size <= 170e6, `${contents.size} bytes`);
  assert.equal(contents.machine, TARGETS[Deno.build.arch as keyof typeof TARGETS].machine);
  const carried = contents.carried.map(({ name }) => name);
  // compile.ts says so where it cannot get them; compression is slower then.
  assert.deepEqual(carried.filter((name) => !COMPRESSORS.includes(name)), CARRIED);
  const paths = contents.files.map(({ path }) => path);
  assert.ok(paths.some((path) => path.startsWith("migrations/0001_")));
  for (const path of ["lib/bundle/main.js", "lib/bundle/codec_worker.ts", "licenses.txt"]) {
    assert.ok(paths.includes(path), path);
  }
  assert.deepEqual(paths.filter((path) => !belongs(path)), []);
  // Said once more in plain words, should belongs() be wrong.
  assert.deepEqual(
    paths.filter((path) =>
      /musl|\.d\.[cm]?ts$|\/@types\/|_test\.|^tests\/|\.node$|\.so$/.test(path)
    ),
    [],
  );
});

Deno.test("duckback --help starts at once and loads neither DuckDB nor dockerode", async () => {
  const bare = await fastest(5, [Deno.execPath(), "eval", "1"]);
  const help = await fastest(5, [DUCKBACK, "--help"]);
  // 0.25 s where `deno eval 1` takes 0.07 s; a slower or busier machine is given its share.
  const limit = 0.25 * Math.max(1, bare / 0.07);
  assert.ok(help <= limit, `${help} s, deno eval ${bare} s`);

  for (const args of [["--help"], ["version"], ["backup", "create", "--help"]]) {
    const calls = await traced("memfd_create,socket,connect", [DUCKBACK, ...args]);
    assert.deepEqual(calls, [], args.join(" "));
  }
  const calls = await traced("memfd_create", [DUCKBACK, "--home", "/nonexistent/x", "version"]);
  assert.deepEqual(calls, []);
});

for (const [codec, library] of [["gzip", "libdeflate.so.0"], ["zstd", "libzstd.so.1"]]) {
  Deno.test({
    name: `duckback compresses ${codec} with the ${library} it carries, and never asks for another`,
    ignore: !readIndex(DUCKBACK).some(({ name }) => name === library),
    fn: async () => {
      await using scratch = await Scratch.create();
      await Deno.writeTextFile(`${scratch.root}/stack/large.txt`, "some text\n".repeat(500_000));
      const place = ["--home", `${scratch.root}/home/x`, "--work-dir", `${scratch.root}/stack`];
      const create = [...place, "backup", "create", "--compression", codec];
      const calls = await traced("openat,memfd_create", [DUCKBACK, ...create]);
      const about = calls.filter((line) => line.includes(library));
      assert.equal(about.length, 1, about.join("\n"));
      assert.ok(about[0].includes(`memfd_create("${library}"`), about[0]);
      const listed = await run([DUCKBACK, ...place, "backup", "list", "--json"]);
      assert.equal(JSON.parse(listed.out).backups[0].verify_status, "passed");
    },
  });
}

Deno.test("duckback reads and writes no file below TMPDIR, beside itself or in HOME to start", async () => {
  await using scratch = await Scratch.create();
  for (const args of [["--help"], ["backup", "list"], ["status"]]) {
    const home = `${scratch.root}/home/${args[0]}`;
    const calls = await traced("%file", [
      DUCKBACK,
      "--home",
      home,
      "--work-dir",
      `${scratch.root}/stack`,
      ...args,
    ]);
    assert.ok(calls.some((line) => line.includes("execve")), "strace works");
    const touched = calls.filter((line) =>
      /duckback-no-such-tmp|node_modules|\/nonexistent\/\.(cache|local|duckback)|dist\/\./.test(
        line,
      )
    );
    assert.deepEqual(touched, [], args.join(" "));
  }
});

for (
  const [what, tmp, filling] of [
    ["full", "size=64k", "1M"],
    ["noexec", "size=1m,noexec", "0"],
  ] as const
) {
  Deno.test(`duckback runs as nobody, read-only, with a ${what} /tmp and an empty environment`, async () => {
    await using scratch = await Scratch.create();
    const { root } = scratch;
    const duckback =
      `${NOBODY} env -i PATH=/usr/bin:/bin HOME=${root}/home ${root}/bin/duckback --work-dir ${root}/stack`;
    const { code, out, err } = await scratch.namespace(
      tmp,
      `head -c ${filling} /dev/zero >/tmp/filling 2>/dev/null || true
       ! ${NOBODY} touch ${root}/bin/x 2>/dev/null
       ${duckback} --help >/dev/null
       ${duckback} backup create --json
       echo ---
       ${duckback} backup list --json
       ls -A ${root}/home ${root}/home/.local/share ${root}/bin | grep -x '[.].*' >&2 || true`,
    );
    assert.equal(code, 0, out + err);
    const [created, listed] = out.split("---").map((json) => JSON.parse(json));
    assert.equal(created.success, true);
    assert.equal(created.backup.status, "completed");
    assert.deepEqual(listed.backups.map(({ id }: { id: number }) => id), [created.backup.id]);
    // Hidden directories: the parents of its home, and nothing that was unpacked.
    assert.equal(err.split("\n").filter((line) => line === ".local").length, 1, err);
    assert.ok(!/^\.(duckback|cache)/m.test(err), err);
  });
}

Deno.test("duckback without HOME runs with --home, and else says what is missing", async () => {
  await using scratch = await Scratch.create();
  const { root } = scratch;
  const without = `${NOBODY} env -i PATH=/usr/bin:/bin ${root}/bin/duckback`;
  const listed = await scratch.namespace(
    "size=1m",
    `${without} --home ${root}/home/own backup list --json`,
  );
  assert.equal(JSON.parse(listed.out).success, true, listed.err);
  const refused = await scratch.namespace("size=1m", `${without} backup list --json`);
  assert.notEqual(refused.code, 0);
  assert.match(JSON.parse(refused.out).error.message, /neither HOME nor XDG_DATA_HOME is set/);
  const unwritable = await scratch.namespace(
    "size=1m",
    `${NOBODY} env -i PATH=/usr/bin:/bin HOME=/nonexistent ${root}/bin/duckback backup list --json`,
  );
  assert.equal(unwritable.code, 1);
  assert.match(JSON.parse(unwritable.out).error.message, /\/nonexistent.*[Pp]ermission denied/);
});

Deno.test("duckback runs no code that somebody else put into /tmp", async () => {
  await using scratch = await Scratch.create();
  const { root } = scratch;
  // npm's "debug", which dockerode brings along, asks for the optional package "supports-color".
  // Deno would look in /tmp/node_modules and load a native addon from there.
  await Deno.writeTextFile(
    `${root}/addon.c`,
    `#include <fcntl.h>
     __attribute__((constructor)) static void run(void) {
       open("${root}/home/planted", O_CREAT | O_WRONLY, 0600);
     }`,
  );
  const addon = `${root}/supports-color.node`;
  const built = await run(["gcc", "-shared", "-fPIC", "-o", addon, `${root}/addon.c`], {
    PATH: Deno.env.get("PATH")!,
  });
  assert.equal(built.code, 0, built.err);
  const { code, out, err } = await scratch.namespace(
    "size=1m",
    `for base in /tmp /tmp/deno-compile-duckback; do
       mkdir -p $base/node_modules
       cp ${addon} $base/node_modules/
     done
     NODE_PATH=/tmp/node_modules ${root}/bin/duckback --home ${root}/home/own \
       --work-dir ${root}/stack status --json`,
  );
  assert.equal(code, 0, out + err);
  assert.deepEqual([...Deno.readDirSync(`${root}/home`)].map(({ name }) => name), ["own"]);
});

Deno.test("ten first starts at once do not trip over each other, nor over one that is killed", async () => {
  await using scratch = await Scratch.create();
  const { root } = scratch;
  await Deno.copyFile(DUCKBACK, `${root}/home/duckback`); // a directory that could be unpacked into
  for (let round = 0; round < 3; round++) {
    const starts = Array.from({ length: 10 }, (_, i) =>
      run(
        [
          `${root}/home/duckback`,
          "--home",
          `${root}/home/${round}-${i}`,
          "backup",
          "list",
          "--json",
        ],
        { PATH: "/usr/bin:/bin", HOME: `${root}/home` },
        // Killed at another moment of its start in each round.
        (child) => i === 4 && setTimeout(() => child.kill("SIGKILL"), 100 + 150 * round),
      ));
    for (const [i, { code, out, err }] of (await Promise.all(starts)).entries()) {
      if (i === 4) continue;
      assert.equal(code, 0, err);
      assert.deepEqual(JSON.parse(out), { success: true, backups: [] });
    }
  }
  const left = [...Deno.readDirSync(`${root}/home`)].map(({ name }) => name);
  assert.deepEqual(left.filter((name) => !/^(duckback|\d-\d)$/.test(name)), []);
});
