/** Who takes part: duckback and its peers, each as what to prepare, what to run and what to weigh. */
import { join } from "node:path";
import { pipeline, run } from "./measure.ts";

export interface Place {
  /** The tree that is backed up. */
  tree: string;
  /** A directory of this contender's own: archive or repository, and what is restored. */
  dir: string;
}

export interface Contender {
  name: string;
  /** Commands that must be there. */
  needs: string[];
  /** Not measured: an empty repository, say. */
  prepare(place: Place): Promise<unknown>;
  argv(place: Place): string[];
  env?(place: Place): Record<string, string>;
  /** What holds the backup; its size is told. Null for a restore. */
  output: ((place: Place) => string) | null;
  /** What held it before the run: its size is taken off. */
  before?(): string;
  /** The first backup, where `argv` makes a second one. */
  first?(place: Place): string[];
}

const nothing = () => Promise.resolve();
const archive = (place: Place) => join(place.dir, "archive");
const target = (place: Place) => join(place.dir, "restored");

/** `duckback backup create` with a home that `init` has made, as the peers have their repositories. */
function duckback(binary: string, name: string, options: string[]): Contender {
  const home = (place: Place) => join(place.dir, "home");
  const common = (place: Place) => ["--home", home(place), "--work-dir", place.tree];
  return {
    name,
    needs: [],
    prepare: (place) => run([binary, ...common(place), "init"]),
    argv: (place) => [binary, ...common(place), "--quiet", "backup", "create", ...options],
    output: (place) => join(home(place), "backups"),
  };
}

function tar(name: string, compressor: string): Contender {
  return {
    name,
    needs: [compressor.split(" ")[0]],
    prepare: nothing,
    argv: (place) =>
      pipeline(`tar -C '${place.tree}' -cf - . | ${compressor} > '${archive(place)}'`),
    output: archive,
  };
}

const resticEnv = (place: Place) => ({
  RESTIC_REPOSITORY: archive(place),
  RESTIC_PASSWORD: "bench",
  RESTIC_CACHE_DIR: join(place.dir, "cache"),
});

const RESTIC: Contender = {
  name: "restic",
  needs: ["restic"],
  prepare: (place) => run(["restic", "init"], resticEnv(place)),
  argv: (place) => ["restic", "backup", "--quiet", place.tree],
  env: resticEnv,
  output: archive,
};

const borgEnv = (place: Place) => ({
  BORG_REPO: archive(place),
  BORG_BASE_DIR: join(place.dir, "base"),
  BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes",
  BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes",
});

const BORG: Contender = {
  name: "borg, zstd 3",
  needs: ["borg"],
  prepare: (place) => run(["borg", "init", "-e", "none"], borgEnv(place)),
  argv: (place) => ["borg", "create", "--compression", "zstd,3", "::one", place.tree],
  env: borgEnv,
  output: archive,
};

const GZIP = ["--compression", "gzip", "--level", "6"];
const ZSTD = ["--compression", "zstd", "--level", "3"];
const NO_VERIFY = "--no-verify";

/** The first one is what ratios are taken of. */
export function gzipBackups(binary: string): Contender[] {
  return [
    duckback(binary, "duckback --no-verify", [...GZIP, NO_VERIFY]),
    duckback(binary, "duckback", GZIP),
    tar("tar \\| gzip -6", "gzip -6"),
    tar("tar \\| pigz -6", "pigz -6"),
  ];
}

export function zstdBackups(binary: string): Contender[] {
  return [
    duckback(binary, "duckback --no-verify", [...ZSTD, NO_VERIFY]),
    duckback(binary, "duckback", ZSTD),
    tar("tar \\| zstd -T0 -3", "zstd -q -T0 -3"),
    RESTIC,
    BORG,
  ];
}

const LIST = "--listed-incremental";

/** The first one is what ratios are taken of. Each makes its second backup of a tree. */
export function incrementalBackups(binary: string): Contender[] {
  const second = (name: string, options: string[]): Contender => {
    const argv = [...ZSTD, ...options];
    const first = duckback(binary, name, [...ZSTD, NO_VERIFY]);
    return { ...duckback(binary, name, ["--kind", "incremental", ...argv]), first: first.argv };
  };
  const listed = (place: Place, out: string) =>
    pipeline(
      `tar ${LIST}='${place.dir}/list' -C '${place.tree}' -cf - . | pigz -6 > '${place.dir}/out/${out}'`,
    );
  return [
    second("duckback --no-verify", [NO_VERIFY]),
    second("duckback", []),
    {
      name: `tar ${LIST} \\| pigz -6`,
      needs: ["pigz"],
      prepare: (place) => Deno.mkdir(join(place.dir, "out")),
      first: (place) => listed(place, "first"),
      argv: (place) => listed(place, "second"),
      output: (place) => join(place.dir, "out"),
    },
    { ...RESTIC, first: RESTIC.argv },
    {
      ...BORG,
      first: BORG.argv,
      argv: (place) => BORG.argv(place).map((arg) => arg === "::one" ? "::two" : arg),
    },
  ];
}

/** What it takes to look at every file at all. */
export function listing(): Contender {
  const format = "%p %s %T@ %C@ %i %n %m %U %G\\n";
  return {
    name: "find -printf",
    needs: ["find"],
    prepare: nothing,
    argv: (place) => ["find", place.tree, "-printf", format],
    output: null,
  };
}

/** Restores what `backup` made: into an empty directory, once for all rounds. */
function restoreOf(
  name: string,
  backup: Contender,
  argv: (place: Place) => string[],
  made: (place: Place) => Promise<void> = nothing,
): Contender {
  return {
    name,
    needs: backup.needs,
    async prepare(place) {
      await Deno.remove(target(place), { recursive: true }).catch(() => {});
      if (!exists(join(place.dir, "ready"))) {
        await backup.prepare(place);
        await run(backup.argv(place), backup.env?.(place));
        await made(place);
        await Deno.writeTextFile(join(place.dir, "ready"), "");
      }
      await Deno.mkdir(target(place));
    },
    argv,
    env: backup.env,
    output: null,
  };
}

function duckbackRestore(binary: string, name: string, options: string[]): Contender {
  const home = (place: Place) => join(place.dir, "home");
  return restoreOf(
    name,
    duckback(binary, name, options),
    (
      place,
    ) => [binary, "--home", home(place), "--quiet", "restore", "1", "--target", target(place)],
  );
}

function tarRestore(name: string, compressor: string, decompressor: string): Contender {
  return restoreOf(
    name,
    tar(name, compressor),
    (place) => pipeline(`${decompressor} < '${archive(place)}' | tar -C '${target(place)}' -xf -`),
  );
}

/** The first one is what ratios are taken of; it checks the SHA-256 of the archive before it extracts. */
export function restores(binary: string): Contender[] {
  return [
    duckbackRestore(binary, "duckback, gzip", GZIP),
    duckbackRestore(binary, "duckback, zstd", ZSTD),
    tarRestore("tar xzf", "gzip -6", "gzip -dc"),
    tarRestore("pigz -dc \\| tar x", "pigz -6", "pigz -dc"),
    tarRestore("zstd -dc \\| tar x", "zstd -q -T0 -3", "zstd -q -dc"),
    restoreOf(
      "restic",
      RESTIC,
      (place) => ["restic", "restore", "latest", "--quiet", "--target", target(place)],
    ),
    restoreOf(
      "borg",
      BORG,
      // borg extracts into where it is run.
      (place) => ["env", "-C", target(place), "borg", "extract", "::one"],
    ),
  ];
}

/** Commands that do next to nothing: what they take is the start. */
export function starts(binary: string, deno: string): Contender[] {
  const plain = (name: string, argv: (place: Place) => string[]): Contender => ({
    ...{ name, needs: [], prepare: nothing, argv, output: null },
  });
  const init = (place: Place) =>
    exists(join(place.dir, "home")) ? nothing() : run([binary, ...at(place), "init"]);
  const at = (place: Place) => ["--home", join(place.dir, "home"), "--work-dir", place.tree];
  return [
    plain("duckback --help", () => [binary, "--help"]),
    plain("duckback version", () => [binary, "version"]),
    {
      ...plain("duckback backup list", (p) => [binary, ...at(p), "backup", "list"]),
      prepare: init,
    },
    plain("deno eval 1", () => [deno, "eval", "1"]),
  ];
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
