/** `scripts/deno task demo`: the main job on a sample stack in a temporary directory, start to end. */
import { join } from "node:path";

const LABEL = "duckback-demo=1";
const IMAGE = "duckback-demo:latest";
const PROJECT = "duckback-demo";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function docker(...args: string[]): { ok: boolean; out: string } {
  try {
    const done = new Deno.Command("docker", { args, stdin: "null" }).outputSync();
    return { ok: done.success, out: text(done.stdout).trim() };
  } catch {
    return { ok: false, out: "" };
  }
}

/** An image with a shell: made from the static busybox of this machine, else pulled. */
function demoImage(): boolean {
  for (const path of ["/bin/busybox", "/usr/bin/busybox"]) {
    const root = Deno.makeTempDirSync();
    try {
      Deno.mkdirSync(join(root, "bin"));
      Deno.copyFileSync(path, join(root, "bin/busybox"));
      for (const name of ["sh", "sleep", "date", "cat"]) {
        Deno.symlinkSync("busybox", join(root, "bin", name));
      }
      const tar = join(root, "image.tar");
      new Deno.Command("tar", { args: ["-C", root, "-cf", tar, "bin"] }).outputSync();
      const made = docker("import", "--change", `LABEL ${LABEL}`, tar, IMAGE);
      if (made.ok && docker("run", "--rm", "--label", LABEL, IMAGE, "/bin/sh", "-c", "true").ok) {
        return true;
      }
    } catch {
      // No busybox here; the next way.
    } finally {
      Deno.removeSync(root, { recursive: true });
    }
  }
  return docker("pull", "busybox:stable").ok && docker("tag", "busybox:stable", IMAGE).ok;
}

const COMPOSE = `name: ${PROJECT}
services:
  web:
    image: ${IMAGE}
    command: ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do date >> /data/visits.log; sleep 1 & wait; done"]
    restart: unless-stopped
    env_file: web.env
    volumes:
      - ./data:/data
      - ./conf:/conf:ro
      - pages:/pages
volumes:
  pages:
`;

function makeStack(dir: string) {
  for (const name of ["data", "data/empty", "conf"]) Deno.mkdirSync(join(dir, name));
  Deno.writeTextFileSync(join(dir, "compose.yaml"), COMPOSE);
  Deno.writeTextFileSync(join(dir, "web.env"), "GREETING=hello\n");
  Deno.writeTextFileSync(join(dir, "conf/site.conf"), "listen 8080;\n");
  Deno.writeTextFileSync(join(dir, "data/orders.csv"), "id,total\n1,9.90\n2,120.00\n");
  Deno.symlinkSync("orders.csv", join(dir, "data/latest"));
}

/** What `docker compose up -d` does, without needing the compose plug-in. */
function startContainers(dir: string): boolean {
  const labels = {
    "com.docker.compose.project": PROJECT,
    "com.docker.compose.service": "web",
    "com.docker.compose.container-number": "1",
    "com.docker.compose.oneoff": "False",
    "com.docker.compose.project.working_dir": dir,
    "com.docker.compose.project.config_files": join(dir, "compose.yaml"),
  };
  const volume = `${PROJECT}_pages`;
  return docker("volume", "create", "--label", LABEL, volume).ok && docker(
    ...["run", "-d", "--name", `${PROJECT}-web-1`, "--restart", "unless-stopped", "--label", LABEL],
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    ...["-v", `${dir}/data:/data`, "-v", `${dir}/conf:/conf:ro`, "-v", `${volume}:/pages`],
    ...[IMAGE, "/bin/sh", "-c"],
    "trap 'exit 0' TERM; while :; do date >> /data/visits.log; sleep 1 & wait; done",
  ).ok;
}

function removeContainers() {
  const ids = docker("ps", "-aq", "--filter", `label=${LABEL}`).out.split("\n").filter(Boolean);
  if (ids.length > 0) docker("rm", "-f", "-v", ...ids);
  docker("volume", "rm", `${PROJECT}_pages`);
  docker("image", "rm", "-f", IMAGE);
}

const top = await Deno.makeTempDir({ prefix: "duckback-demo-" });
const stack = join(top, "shop");
const root = new URL("..", import.meta.url).pathname;

function duckback(...args: string[]) {
  console.log(`\n\x1b[1m$ duckback ${args.join(" ")}\x1b[0m`);
  const done = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", join(root, "main.ts"), ...args],
    cwd: stack,
    env: { DUCKBACK_HOME: join(top, "home") },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (!done.success) throw new Error(`duckback ${args[0]} ended with exit code ${done.code}`);
}

/** Everything below the stack but the log the service goes on writing. */
function fingerprint(): string {
  const done = new Deno.Command("sh", {
    args: [
      "-c",
      "find . ! -name visits.log ! -path '*/.duckback-undo*' -printf '%p %y %m %l\\n' | sort; " +
      "find . -type f ! -name visits.log ! -path '*/.duckback-undo*' -exec sha256sum {} + | sort",
    ],
    cwd: stack,
  }).outputSync();
  return text(done.stdout);
}

let code = 1;
try {
  Deno.mkdirSync(stack);
  makeStack(stack);
  const engine = docker("info").ok && demoImage() && startContainers(stack);
  if (engine) console.log("A Docker engine answers: the sample stack's service runs and writes.");
  else {
    console.log(
      "No Docker engine answers (or it has no image to run): the demo goes without services.",
    );
    Deno.removeSync(join(stack, "compose.yaml"));
    Deno.removeSync(join(stack, "web.env"));
  }
  const before = fingerprint();
  duckback("init");
  duckback("backup", "create", "--version", "1.0", "--description", "before the accident");
  duckback("backup", "list");
  duckback("backup", "verify", "1");

  console.log(
    "\n\x1b[1m# the accident: rm data/orders.csv data/latest; rmdir data/empty; conf overwritten\x1b[0m",
  );
  for (const name of ["data/orders.csv", "data/latest", "data/empty"]) {
    Deno.removeSync(join(stack, name));
  }
  Deno.writeTextFileSync(join(stack, "conf/site.conf"), "listen 80; # oops\n");
  if (fingerprint() === before) throw new Error("the accident changed nothing");

  duckback("rollback", "1", "--rollback-data", "--force");
  if (fingerprint() !== before) throw new Error("the tree is not back");
  console.log("\n\x1b[32mThe tree is back as it was: same files, modes, links and content.\x1b[0m");
  duckback("status");
  code = 0;
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
} finally {
  removeContainers();
  await Deno.remove(top, { recursive: true });
}
Deno.exit(code);
