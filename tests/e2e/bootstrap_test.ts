/** scripts/deno: finds or installs the pinned Deno, for anybody, from anywhere, also twice at once. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const VERSION = Deno.version.deno;
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

interface Outcome {
  code: number;
  out: string;
  err: string;
}

async function run(
  command: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(command[0], {
    args: command.slice(1),
    cwd: options.cwd ?? "/",
    env: { NO_COLOR: "1", ...options.env },
    clearEnv: options.env !== undefined,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout).trim(), err: text.decode(stderr) };
}

/** A project of nothing but scripts/deno and an empty deno.json, readable by everybody. */
class Sandbox implements AsyncDisposable {
  private constructor(readonly root: string) {}

  static async create(): Promise<Sandbox> {
    const root = await Deno.makeTempDir();
    const box = new Sandbox(root);
    await Deno.chmod(root, 0o755);
    for (const path of ["scripts", "bin", "home", "elsewhere"]) {
      await Deno.mkdir(`${root}/${path}`);
      await Deno.chmod(`${root}/${path}`, 0o755);
    }
    await Deno.copyFile(`${PROJECT}/scripts/deno`, `${root}/scripts/deno`);
    await Deno.chmod(`${root}/scripts/deno`, 0o755);
    await Deno.writeTextFile(`${root}/deno.json`, '{"tasks": {"hello": "echo hello from $PWD"}}');
    await Deno.chmod(`${root}/deno.json`, 0o644);
    return box;
  }

  get script(): string {
    return `${this.root}/scripts/deno`;
  }

  /** An environment whose PATH holds no deno, and of npm, node and curl only what is asked for. */
  env(more: Record<string, string> = {}): Record<string, string> {
    const tls = Object.entries(Deno.env.toObject()).filter(([name]) =>
      /_CA_|_CERT|PROXY/i.test(name)
    );
    return {
      ...Object.fromEntries(tls),
      HOME: `${this.root}/home`,
      PATH: `${this.root}/bin`,
      ...more,
    };
  }

  /** Puts commands of this machine into the sandbox's PATH. */
  async commands(...names: string[]): Promise<this> {
    const tools =
      "sh cat chmod cut env find grep head id ls mkdir mktemp mv readlink rm sed sleep tail tar tr uname gzip";
    for (const name of [...tools.split(" "), ...names]) {
      const { out } = await run(["sh", "-c", `command -v ${name}`]);
      assert.match(out, /^\//, `the test needs ${name}`);
      await Deno.symlink(out, `${this.root}/bin/${name}`);
    }
    return this;
  }

  /** Puts a shell script into the sandbox's PATH, in place of a command that is there. */
  async fake(name: string, script: string): Promise<void> {
    const path = `${this.root}/bin/${name}`;
    // Removed first: it may be a symlink, and what is behind that belongs to this machine.
    await Deno.remove(path).catch(() => {});
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { createNew: true });
    await Deno.chmod(path, 0o755);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.root, { recursive: true });
  }
}

/** Shell that makes `file` a Deno, by handing over to the real one. */
function wrapper(real: string, file: string): string {
  return `printf '#!/bin/sh\\nexec %s "$@"\\n' ${real} >${file} && chmod 755 ${file}`;
}

/** The files below a directory that are no caches of Deno or npm. */
async function tree(directory: string): Promise<string[]> {
  const { out } = await run(["find", directory, "!", "-type", "d", "-printf", "%P\n"]);
  return out.split("\n").filter((path) => path !== "").sort();
}

/** The name under which scripts/deno keeps an executable, below a cache directory. */
const INSTALLED = `deno/${VERSION}-linux-${
  Deno.build.arch === "x86_64" ? "x64" : "arm64"
}-glibc/deno`;

Deno.test("scripts/deno uses DUCKBACK_DENO, keeps the directory and sets the certificate stores", async () => {
  await using box = await Sandbox.create();
  await box.commands();
  const code = "console.log(Deno.cwd(), Deno.version.deno, Deno.env.get('DENO_TLS_CA_STORE'))";
  const env = box.env({ DUCKBACK_DENO: Deno.execPath() });
  const first = await run([box.script, "eval", code], { cwd: `${box.root}/elsewhere`, env });
  assert.deepEqual(first, {
    code: 0,
    out: `${box.root}/elsewhere ${VERSION} system,mozilla`,
    err: "",
  });
  const second = await run([box.script, "eval", code], {
    env: { ...env, DENO_TLS_CA_STORE: "mozilla" },
  });
  assert.equal(second.out, `/ ${VERSION} mozilla`);
  const failing = await run([box.script, "eval", "Deno.exit(7)"], { env });
  assert.equal(failing.code, 7);
});

Deno.test("scripts/deno task means the project's tasks, from any directory and through a symlink", async () => {
  await using box = await Sandbox.create();
  await box.commands();
  await Deno.writeTextFile(`${box.root}/elsewhere/deno.json`, '{"tasks": {"hello": "echo wrong"}}');
  await Deno.symlink(box.script, `${box.root}/home/deno-link`);
  const env = box.env({ DUCKBACK_DENO: Deno.execPath() });
  for (const script of [box.script, "../scripts/deno", "../home/deno-link"]) {
    const { out } = await run([script, "task", "-q", "hello"], {
      cwd: `${box.root}/elsewhere`,
      env,
    });
    assert.equal(out, `hello from ${box.root}`, script);
  }
});

Deno.test("scripts/deno refuses a DUCKBACK_DENO of another version", async () => {
  await using box = await Sandbox.create();
  await box.commands();
  await box.fake("old-deno", "echo deno 2.7.1");
  const old = `${box.root}/bin/old-deno`;
  const { code, err } = await run([box.script, "--version"], {
    env: box.env({ DUCKBACK_DENO: old }),
  });
  assert.equal(code, 1);
  assert.match(err, new RegExp(`DUCKBACK_DENO=${old} is not an executable Deno ${VERSION}`));
});

Deno.test("scripts/deno installs through npm, twice at once, and leaves nothing else", async () => {
  await using box = await Sandbox.create();
  await box.commands("npm", "node");
  // Neither an older deno nor this script itself, both on PATH, will do.
  await Deno.symlink(box.script, `${box.root}/bin/deno`);
  const both = await Promise.all(
    [1, 2].map(() => run([box.script, "--version"], { env: box.env() })),
  );
  for (const { code, out, err } of both) {
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^deno ${VERSION.replaceAll(".", "\\.")} `));
  }
  assert.deepEqual(await tree(`${box.root}/.cache`), [INSTALLED]);

  // What root installed, others use, even without a home, and although nothing is theirs to write.
  await box.fake("npm", "echo npm must not be called >&2; exit 1");
  const nobody = await run([...NOBODY, box.script, "eval", "console.log(Deno.uid(), 6 * 7)"], {
    env: box.env({ HOME: "/nonexistent", PATH: `${box.root}/bin:/usr/bin:/bin` }),
  });
  assert.deepEqual(nobody, { code: 0, out: "65534 42", err: "" });
});

Deno.test("scripts/deno installs into the user's cache where the project is not writable", async () => {
  await using box = await Sandbox.create();
  await box.commands();
  await Deno.chown(`${box.root}/home`, 65534, 65534);
  const env = box.env({
    XDG_CACHE_HOME: `${box.root}/home/cache`,
    PATH: `${box.root}/bin:/usr/bin:/bin`,
  });
  // The test's own Deno has to be within reach of nobody.
  await Deno.copyFile(Deno.execPath(), `${box.root}/reachable`);
  await Deno.chmod(`${box.root}/reachable`, 0o755);
  await box.fake(
    "npm",
    `mkdir package && ${wrapper(`${box.root}/reachable`, "package/deno")}
tar -czf deno.tgz package && echo deno.tgz`,
  );
  const result = await run([...NOBODY, box.script, "eval", "console.log(Deno.uid())"], {
    env,
  });
  assert.equal(result.out, "65534", result.err);
  assert.deepEqual(
    (await tree(`${box.root}/home/cache`)).filter((found) => found.startsWith("duckback/")),
    [`duckback/${INSTALLED}`],
  );
});

Deno.test("scripts/deno falls back to the official installer where there is no npm", async () => {
  await using box = await Sandbox.create();
  await box.commands();
  await box.fake(
    "curl",
    `while [ "$1" != -o ]; do shift; done
case $3 in https://deno.land/install.sh) ;; *) exit 6 ;; esac
cat >"$2" <<'INSTALLER'
echo "installing $*"
[ "$3" = v${VERSION} ] && mkdir -p "$DENO_INSTALL/bin"
${wrapper(Deno.execPath(), '"$DENO_INSTALL/bin/deno"')}
INSTALLER`,
  );
  const { code, out, err } = await run([box.script, "eval", "console.log('runs')"], {
    env: box.env(),
  });
  assert.equal(code, 0, err);
  assert.equal(out, "runs");
  assert.deepEqual(await tree(`${box.root}/.cache`), [INSTALLED]);
});

Deno.test("scripts/deno says what failed where it cannot be installed, and leaves nothing", async () => {
  await using box = await Sandbox.create();
  await box.commands();
  await box.fake("npm", "echo 'npm error network unreachable' >&2; exit 1");
  await box.fake("curl", "echo 'curl: (6) no such host' >&2; exit 6");
  const { code, out, err } = await run([box.script, "--version"], { env: box.env() });
  assert.equal(code, 1);
  assert.equal(out, "");
  for (
    const said of [
      `cannot install Deno ${VERSION}`,
      "npm error network unreachable",
      "curl: (6) no such host",
      "set DUCKBACK_DENO",
    ]
  ) {
    assert.ok(err.includes(said), `${said} in:\n${err}`);
  }
  assert.deepEqual(await tree(`${box.root}/.cache`), []);

  await Deno.remove(`${box.root}/.cache`, { recursive: true });
  const nobody = await run([...NOBODY, box.script, "--version"], {
    env: box.env({ HOME: "/nonexistent", PATH: `${box.root}/bin:/usr/bin:/bin` }),
  });
  assert.equal(nobody.code, 1);
  assert.match(
    nobody.err,
    /cannot write to .*\.cache nor to \/nonexistent.*\n.*Set XDG_CACHE_HOME/,
  );
});
