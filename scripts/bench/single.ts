/**
 * Out of a large archive: one small file, for which duckback goes to its block while tar reads all there
 * is; and everything.
 */
import { join } from "node:path";
import type { Contender, Place } from "./contenders.ts";
import { logLines, media } from "./content.ts";
import { Tree } from "./corpora.ts";
import { bytesRead, run } from "./measure.ts";
import { compete, type Standing } from "./rounds.ts";

const MB = 1_000_000;
/** Files of this size, most of them as incompressible as pictures, make an archive of 5 GB. */
const FILE_MB = 250;
const FILES = 24;
const WANTED = "part-2/wanted.txt";
const WANTED_BYTES = 10_000;
const CODECS = ["gzip", "zstd"];

/** Makes the tree and an archive of each codec in `dir`, then lets duckback and tar take turns. */
export async function measureSingle(
  binary: string,
  rounds: number,
  quick: boolean,
  dir: string,
  absent: Set<string>,
): Promise<Map<string, Standing[]>> {
  const place = join(dir, "single");
  await Deno.mkdir(join(place, "empty"), { recursive: true });
  try {
    fill(join(place, "tree"), (quick ? 2 : FILE_MB) * MB);
    const found = new Map<string, Standing[]>();
    for (const codec of CODECS) {
      const home = join(place, codec);
      const common = ["--home", home, "--work-dir", join(place, "tree"), "--quiet"];
      const choice = ["--no-verify", "--compression", codec];
      await run([binary, ...common, "backup", "create", ...choice]);
      const archive = await archiveIn(home);
      const contenders = [
        duckback(binary, home, "cat", WANTED),
        duckback(binary, home, "restore", WANTED),
        tar(archive, codec, WANTED),
        startUp(binary, home),
      ];
      // The tree given is empty: it is the archives that are to be in the page cache.
      const job = (title: string, contenders: Contender[]) => ({
        ...{ title: `${title}: ${codec}`, tree: join(place, "empty"), contenders, keep: false },
      });
      const standings = await compete(job("single", contenders), rounds, dir, absent);
      for (const [n, standing] of standings.slice(0, 1).entries()) {
        const scratch = { tree: "", dir: place };
        standing.archive_read = await bytesRead(contenders[n].argv(scratch), archive);
      }
      found.set(`single ${codec}`, standings);
      const all = [duckback(binary, home, "restore"), tar(archive, codec)];
      found.set(`single restore ${codec}`, await compete(job("all", all), 1, dir, absent));
    }
    return found;
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

function fill(root: string, bytes: number): void {
  const tree = new Tree(root, 9);
  for (const part of ["part-1", "part-2", "part-3"]) {
    tree.dir(part);
    if (part === "part-2") tree.file(WANTED, WANTED_BYTES, logLines);
    for (let i = 0; i < FILES / 3; i++) {
      tree.file(`${part}/${i}`, bytes, i === 0 ? logLines : media);
    }
  }
}

const target = (place: Place) => join(place.dir, "restored");

function contender(name: string, argv: (place: Place) => string[]): Contender {
  const prepare = (place: Place) => Deno.mkdir(target(place));
  return { name, needs: [argv({ tree: "", dir: "" })[0]], prepare, argv, output: null };
}

/** All of the archive where no path is given. */
function duckback(
  binary: string,
  home: string,
  what: "cat" | "restore",
  ...paths: string[]
): Contender {
  const common = [binary, "--home", home, "--quiet", what, "1", ...paths];
  return contender(
    `duckback ${what}`,
    (place) => what === "cat" ? common : [...common, "--target", target(place)],
  );
}

/** What each of duckback's commands costs that looks into the catalogue. */
function startUp(binary: string, home: string): Contender {
  return contender("duckback backup list", () => [binary, "--home", home, "backup", "list"]);
}

async function archiveIn(home: string): Promise<string> {
  const backups = join(home, "backups");
  const names = await Array.fromAsync(Deno.readDir(backups), ({ name }) => name);
  return join(backups, names.find((name) => /\.tar\.\w+$/.test(name))!);
}

function tar(archive: string, codec: string, ...paths: string[]): Contender {
  const flag = codec === "gzip" ? "-z" : "--zstd";
  return contender(
    `tar x ${flag} -f ARCHIVE${paths.length > 0 ? " PATH" : ""}`,
    (place) => ["tar", "-x", flag, "-f", archive, "-C", target(place), ...paths],
  );
}
