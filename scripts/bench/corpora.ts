/** The trees that are backed up: the same bytes every time, made once in a directory and kept there. */
import { join } from "node:path";
import { type Content, databasePages, dumpRows, logLines, media, sourceCode } from "./content.ts";
import { Random, Vocabulary } from "./random.ts";

export interface Corpus {
  name: string;
  title: string;
  make(tree: Tree, quick: boolean): void;
}

const MIB = 1 << 20;
/** Content is made and written in pieces of this length. */
const PIECE = 4 * MIB;

/** Writes files of made-up content below a directory. */
export class Tree {
  files = 0;
  bytes = 0;
  readonly #random: Random;
  readonly #words: Vocabulary;
  readonly #piece = new Uint8Array(PIECE);

  constructor(readonly root: string, seed: number) {
    this.#random = new Random(seed);
    this.#words = new Vocabulary(this.#random);
  }

  get random(): Random {
    return this.#random;
  }

  dir(path: string): void {
    Deno.mkdirSync(join(this.root, path), { recursive: true });
  }

  fill(bytes: Uint8Array, content: Content): void {
    content(bytes, this.#random, this.#words);
  }

  file(path: string, size: number, content: Content): void {
    const name = join(this.root, path);
    using file = Deno.openSync(name, { write: true, create: true });
    for (let done = 0; done < size; done += PIECE) {
      const piece = this.#piece.subarray(0, Math.min(PIECE, size - done));
      piece.fill(0);
      this.fill(piece, content);
      for (let at = 0; at < piece.length;) at += file.writeSync(piece.subarray(at));
    }
    this.files++;
    this.bytes += size;
    // Times are part of an archive: the same at every making, none of them now.
    const mtime = 1_767_225_600 + this.#random.below(1e7);
    Deno.utimeSync(name, mtime, mtime);
  }

  /** `count` small files, at most 50 in a directory; most are a few hundred bytes to 8 KiB long. */
  smallFiles(dir: string, count: number): void {
    let at = "";
    for (let i = 0; i < count; i++) {
      if (i % 50 === 0) this.dir(at = `${dir}/${i % 1000 / 50}/${Math.floor(i / 1000)}`);
      const kind = this.#random.below(10);
      const size = 100 + Math.floor(Math.pow(this.#random.u32() / 4294967296, 3) * 16_000);
      if (kind < 7) this.file(`${at}/module_${i}.ts`, size, sourceCode);
      else if (kind < 9) this.file(`${at}/note_${i}.log`, size, logLines);
      else this.file(`${at}/icon_${i}.png`, size, media);
    }
  }
}

export const CORPORA: Corpus[] = [
  {
    name: "small",
    title: "50,000 small files",
    make: (tree, quick) => tree.smallFiles("srv", quick ? 5000 : 50_000),
  },
  {
    name: "large",
    title: "4 files of 256 MiB of differing entropy",
    make: (tree, quick) => {
      const size = (quick ? 16 : 256) * MIB;
      tree.file("dump.sql", size, dumpRows);
      tree.file("pages.db", size, databasePages);
      tree.file("service.log", size, logLines);
      tree.file("film.mp4", size, media);
    },
  },
  {
    name: "mix",
    title: "a 600 MiB mix like a compose stack",
    make: (tree, quick) => {
      const part = quick ? 10 : 1;
      tree.dir("db/base");
      for (let i = 0; i < 20 / part; i++) {
        tree.file(`db/base/${16384 + i}`, 12 * MIB, databasePages);
      }
      tree.dir("logs");
      for (let i = 0; i < 12 / part; i++) tree.file(`logs/web.${i}.log`, 10 * MIB, logLines);
      tree.dir("uploads");
      for (let i = 0; i < 600 / part; i++) {
        tree.file(`uploads/${i}.jpg`, 50_000 + tree.random.below(400_000), media);
      }
      tree.dir("dumps");
      tree.file("dumps/nightly.sql", 60 * MIB / part, dumpRows);
      tree.smallFiles("app", 10_000 / part);
    },
  },
];

/** Makes the corpus in `dir/NAME` unless it is there; a run that was broken off leaves none. */
export function ensureCorpus(dir: string, corpus: Corpus, quick: boolean): CorpusTree {
  const path = join(dir, quick ? `${corpus.name}-quick` : corpus.name);
  const note = `${path}.json`;
  try {
    return { path, ...JSON.parse(Deno.readTextFileSync(note)) };
  } catch {
    // Not there yet, or not whole.
  }
  try {
    Deno.removeSync(path, { recursive: true });
  } catch {
    // Nothing there.
  }
  Deno.mkdirSync(path, { recursive: true });
  const tree = new Tree(path, 20260101 + CORPORA.indexOf(corpus));
  corpus.make(tree, quick);
  const size = { files: tree.files, bytes: tree.bytes };
  Deno.writeTextFileSync(note, JSON.stringify(size));
  return { path, ...size };
}

export interface CorpusTree {
  path: string;
  files: number;
  bytes: number;
}
