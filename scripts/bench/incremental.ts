/**
 * A second backup of a tree: with nothing changed since the first, and with a little changed. Every
 * program has made its first one of the same tree; for each round its files are put back to that.
 */
import { dirname, join } from "node:path";
import { type Contender, exists, incrementalBackups, listing } from "./contenders.ts";
import { databasePages, logLines, media, sourceCode } from "./content.ts";
import { CORPORA, type Corpus, type CorpusTree, ensureCorpus, Tree } from "./corpora.ts";
import { run } from "./measure.ts";
import { compete, type Standing } from "./rounds.ts";

const MIB = 1 << 20;
const GIB = 1 << 30;
/** What changes: of the files, or of a large file's pages; and of the files what comes and what goes. */
const CHANGED = 0.01;
const ADDED = 0.005;
const DELETED = 0.005;
/** A file at least this long changes by pages. */
const LARGE = 4 * MIB;
const PAGE = 8192;

const PAGES: Corpus = {
  name: "pages",
  title: "a file of 1 GiB",
  make: (tree, quick) => tree.file("base.db", quick ? 32 * MIB : GIB, databasePages),
};

const MILLION: Corpus = {
  name: "million",
  title: "a million files",
  make: (tree, quick) => {
    for (let i = 0; i < (quick ? 10_000 : 1_000_000); i++) {
      if (i % 1000 === 0) tree.dir(`d${i / 1000}`);
      tree.file(`d${Math.floor(i / 1000)}/file-${i}.txt`, 16, media);
    }
  },
};

export const INCREMENTAL: readonly Corpus[] = [...CORPORA, PAGES, MILLION];

/**
 * Figures by job: "unchanged", and, but for the million files, "changed". The trees must lie on a disk:
 * on a tmpfs times prove nothing, and duckback reads everything again.
 */
export async function measureIncremental(
  binary: string,
  corpus: Corpus,
  rounds: number,
  quick: boolean,
  dir: string,
  absent: Set<string>,
): Promise<{ tree: CorpusTree; jobs: Map<string, Standing[]> }> {
  // Not the tree of the full backups: this one will be changed.
  const tree = ensureCorpus(join(dir, "incremental"), corpus, quick);
  const million = corpus === MILLION;
  const contenders = million
    ? [...incrementalBackups(binary).slice(0, 1), listing()]
    : incrementalBackups(binary);
  const places = join(dir, "incremental", "places");
  const jobs = new Map<string, Standing[]>();
  try {
    const job = { title: `${corpus.name}: unchanged`, tree: tree.path, contenders, keep: true };
    const prepared = contenders.map((one) => afterFirst(one, places));
    jobs.set("unchanged", await compete({ ...job, contenders: prepared }, rounds, dir, absent));
    if (!million) {
      change(tree.path, corpus.name === "pages");
      const title = `${corpus.name}: changed`;
      jobs.set(
        "changed",
        await compete({ ...job, title, contenders: prepared }, rounds, dir, absent),
      );
    }
    return { tree, jobs };
  } finally {
    await Deno.remove(places, { recursive: true }).catch(() => {});
    await Deno.remove(tree.path, { recursive: true });
    await Deno.remove(`${tree.path}.json`);
  }
}

/** Makes the first backup once, and puts it back before each round. */
function afterFirst(contender: Contender, places: string): Contender {
  const first = join(places, contender.name.replaceAll(/\W+/g, "-"));
  return {
    ...contender,
    async prepare(place) {
      if (contender.output === null) return;
      await run(["rm", "-rf", place.dir]);
      if (exists(first)) return void await run(["cp", "-a", first, place.dir]);
      await Deno.mkdir(place.dir);
      await contender.prepare(place);
      // What was written a moment ago proves nothing by its times.
      await run(["sync"]);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await run(contender.first!(place), contender.env?.(place));
      await Deno.mkdir(places, { recursive: true });
      await run(["cp", "-a", place.dir, first]);
    },
    before: () => contender.output!({ tree: "", dir: first }),
  };
}

/** Changes a tree a little: whole small files, pages of large ones; some come and some go. */
function change(root: string, pages_only: boolean): void {
  const files = filesBelow(root);
  const tree = new Tree(root, 7);
  const { random } = tree;
  for (const [n, path] of files.entries()) {
    const { size } = Deno.statSync(join(root, path));
    if (size >= LARGE) changePages(join(root, path), size, tree);
    else if (random.below(1e6) < CHANGED * 1e6) tree.file(path, size, contentOf(path));
    else if (random.below(1e6) < DELETED * 1e6) Deno.removeSync(join(root, path));
    if (pages_only || size >= LARGE || random.below(1e6) >= ADDED * 1e6) continue;
    tree.file(
      `${dirname(path)}/added-${n}-${path.slice(path.lastIndexOf("/") + 1)}`,
      size,
      contentOf(path),
    );
  }
}

function changePages(path: string, size: number, tree: Tree): void {
  using file = Deno.openSync(path, { write: true });
  const page = new Uint8Array(PAGE);
  for (let i = 0; i < size / PAGE * CHANGED; i++) {
    page.fill(0);
    tree.fill(page, databasePages);
    file.seekSync(tree.random.below(Math.floor(size / PAGE)) * PAGE, Deno.SeekMode.Start);
    file.writeSync(page);
  }
}

function contentOf(path: string) {
  if (path.endsWith(".log")) return logLines;
  return path.endsWith(".ts") ? sourceCode : media;
}

/** Sorted, relative to `root`. */
function filesBelow(root: string): string[] {
  const found: string[] = [];
  const search = (dir: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(join(root, dir))) {
      if (isDirectory) search(`${dir}${name}/`);
      else found.push(`${dir}${name}`);
    }
  };
  search("");
  return found.sort();
}
