/** The manifest of an incremental backup as a full one out of its chain is made of it, and that one's own. */
import type { ManifestEntry } from "../core/model.ts";
import type { Database } from "./duckdb.ts";
import {
  AS_ENUM,
  AS_NUMBERS,
  manifest,
  manifestError,
  numbersIn,
  openMemory,
  toEntries,
  WALK_KEY,
  writeWhole,
} from "./manifest.ts";
import { COLUMNS } from "./manifest_line.ts";
import { literal } from "./text.ts";

/** What of a row finds its entry: lib/archive/sieve.ts. */
export type PlacedRow =
  & Pick<ManifestEntry, "type" | "size" | "mode" | "mtime_s" | "mtime_ns">
  & Pick<ManifestEntry, "block_offset" | "block_inner">
  & { row: number; late: boolean };

const PLACED = ["size", "mode", "mtime_s", "mtime_ns", "block_offset", "block_inner"];

/** Where an entry lies, in the archive of a backup (its name, null for the own one). */
export type EntryAt = Pick<ManifestEntry, "stored_in" | "block_offset" | "block_inner">;

/** The directory that a path is in: both as a walk sorts them, in hex; "" is the top of everything. */
const parentOf = (key: string) =>
  `regexp_replace(${key}, '(^|00)((0[1-9A-F]|[1-9A-F][0-9A-F]))*$', '')`;

/** What reads, compresses and writes blocks takes its share too. */
const MODEST = "64MB";

export class Regrouping implements AsyncDisposable {
  private constructor(
    readonly parquetPath: string,
    readonly names: readonly string[],
    readonly db: Database,
    /** Rows of the manifest. */
    readonly count: number,
  ) {}

  /**
   * Finds out what must be put anew. `names` are those of the backups of the chain, base first. `isRecipe`
   * tells of an entry whether it is one: in each archive they come behind all other entries. `temp` is a
   * path beside which DuckDB may put what does not fit into memory. Throws IO.
   */
  static async open(
    parquetPath: string,
    names: readonly string[],
    isRecipe: (entry: EntryAt) => Promise<boolean>,
    temp: string,
  ): Promise<Regrouping> {
    const db = await openMemory(temp, MODEST);
    try {
      await db.run(`CREATE TEMP VIEW m AS SELECT *, ${archiveOf(names)} AS archive
        FROM ${manifest(parquetPath, true)}`);
      await db.run(`CREATE TEMP TABLE late (n BIGINT, kind INTEGER)`);
      const [{ count, lost }] = await db.rows<{ count: number; lost: number }>(
        "SELECT count(*) AS count, count(*) FILTER (archive < 0) AS lost FROM m",
      );
      if (lost > 0) {
        throw new Error(`${lost} of its rows lie in archives that are not of its chain`);
      }
      const self = new Regrouping(parquetPath, names, db, count);
      await self.#findRecipes(isRecipe);
      await db.run(LINKS);
      await db.run(DIRECTORIES);
      return self;
    } catch (error) {
      await db.close();
      throw manifestError("read", parquetPath, error);
    }
  }

  /** By halves: reading the headers of a few entries will do. */
  async #findRecipes(isRecipe: (entry: EntryAt) => Promise<boolean>): Promise<void> {
    const { db, names } = this;
    await db.run(`CREATE TEMP TABLE files AS
      SELECT file_row_number AS n, archive, block_offset, block_inner
      FROM m WHERE archive > 0 AND type = 'file' ORDER BY archive, block_offset, block_inner`);
    const each = await db.rows<{ archive: number; first: number; count: number }>(
      `SELECT archive, min(rowid) AS first, count(*) AS count FROM files GROUP BY archive`,
    );
    for (const { archive, first: begin, count } of each) {
      const stored_in = names[archive];
      let [first, end] = [begin, begin + count];
      while (first < end) {
        const middle = Math.floor((first + end) / 2);
        const [at] = await db.rows<Pick<EntryAt, "block_offset" | "block_inner">>(
          "SELECT block_offset, block_inner FROM files WHERE rowid = $middle",
          { middle },
        );
        if (await isRecipe({ ...at, stored_in })) end = middle;
        else first = middle + 1;
      }
      await db.run(
        "INSERT INTO late SELECT n, 0 FROM files WHERE archive = $archive AND rowid >= $first",
        { archive, first },
      );
    }
    await db.run("DROP TABLE files");
  }

  /** Rows whose entries lie in the archive of this index, in its order, in batches. Throws IO. */
  async *rows(archive: number): AsyncGenerator<PlacedRow[]> {
    // Nothing more of them, so that a million can be sorted in memory.
    const numbers = PLACED.map((name) => `${name}::DOUBLE`).join(", ");
    const batches = this.#select(
      `${AS_ENUM}, ${numbers}`,
      `WHERE archive = ${archive}
      ORDER BY block_offset, block_inner`,
    );
    for await (const [types, size, mode, mtime_s, mtime_ns, offset, inner, row, late] of batches) {
      yield types.map((type, i) => ({
        type: type as ManifestEntry["type"],
        size: size[i] as number,
        mode: mode[i] as number,
        mtime_s: mtime_s[i] as number,
        mtime_ns: mtime_ns[i] as number,
        block_offset: offset[i] as number,
        block_inner: inner[i] as number,
        row: row[i] as number,
        late: late[i] as boolean,
      }));
    }
  }

  /**
   * Those that are put anew: what recipes are for, then hard links, then directories, as a walk comes by
   * them. Throws IO.
   */
  async *late(): AsyncGenerator<(ManifestEntry & PlacedRow)[]> {
    const batches = this.#select(
      `${AS_NUMBERS}, stored_in`,
      `WHERE kind IS NOT NULL
      ORDER BY kind, CASE kind WHEN 2 THEN ${WALK_KEY} END, archive, block_offset, block_inner`,
    );
    for await (const columns of batches) {
      const row = columns.at(-2)!;
      yield toEntries(columns).map((entry, i) => ({ ...entry, row: row[i] as number, late: true }));
    }
  }

  async *#select(columns: string, rest: string): AsyncGenerator<unknown[][]> {
    try {
      yield* this.db.stream(`SELECT ${columns}, file_row_number::DOUBLE, kind IS NOT NULL
        FROM m LEFT JOIN late ON n = file_row_number ${rest}`);
    } catch (error) {
      throw manifestError("read", this.parquetPath, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.close();
  }
}

/** Hard links that would come before what they are links to. */
const LINKS = `INSERT INTO late SELECT DISTINCT l.file_row_number, 1
  FROM m l JOIN m t ON t.path = l.link AND t.path_raw IS NOT DISTINCT FROM l.link_raw
  WHERE l.type = 'hardlink' AND (t.file_row_number IN (SELECT n FROM late) OR t.archive > l.archive OR
    t.archive = l.archive AND (t.block_offset > l.block_offset OR
      t.block_offset = l.block_offset AND t.block_inner > l.block_inner))`;

/**
 * GNU tar sets a directory's time when it leaves it: those into which something is put later come once that
 * is there. Also those above, since a directory may first be made by what is put into it.
 */
const DIRECTORIES = `CREATE TEMP TABLE ends AS
    SELECT hex(${WALK_KEY}) AS key FROM m JOIN late ON n = file_row_number;
  CREATE TEMP TABLE directories AS
    SELECT file_row_number AS n, archive, hex(${WALK_KEY}) AS key FROM m WHERE type = 'directory';
  INSERT INTO ends SELECT c.key
    FROM (SELECT hex(${WALK_KEY}) AS key, archive FROM m WHERE archive > 0) c
    JOIN directories d ON d.key = ${parentOf("c.key")} WHERE d.archive < c.archive AND c.key <> '';
  INSERT INTO late SELECT n, 2 FROM directories WHERE key IN (
    WITH RECURSIVE above(key) AS (SELECT ${parentOf("ends.key")} FROM ends
      UNION SELECT ${parentOf("above.key")} FROM above WHERE above.key <> '')
    SELECT key FROM above) AND n NOT IN (SELECT n FROM late);
  DROP TABLE ends; DROP TABLE directories`;

/**
 * Writes the manifest of the full backup `name` to `to`: the rows of another one, in the places that
 * `places` has: lines of a row's number, block offset and offset in the block. Throws DISK_FULL, IO.
 */
export async function writeRegrouped(
  parquetPath: string,
  places: string,
  to: string,
  name: string,
): Promise<void> {
  const columns = COLUMNS.map(([column]) => {
    if (column === "block_inner") return "p.block_inner";
    return column === "block_offset" ? `${OFFSET} AS block_offset` : column;
  });
  await writeWhole(to, async (partial, open) => {
    const db = await open("96MB");
    // Side by side: a join of another kind holds a million rows that the sort needs the memory of.
    await db.run(`CREATE TEMP TABLE places AS
      SELECT * FROM ${numbersIn(places, ["n", "block_offset", "block_inner"])} ORDER BY n`);
    await db.run(`COPY (SELECT ${columns.join(", ")}, ${literal(name)} AS stored_in
      FROM (SELECT * FROM ${manifest(parquetPath, true)}) m POSITIONAL JOIN places p
      ORDER BY p.block_offset, p.block_inner) TO ${partial}`);
  });
}

const OFFSET =
  "if(p.n = m.file_row_number, p.block_offset, error('the places are not those of its rows'))";

function archiveOf(names: readonly string[]): string {
  const cases = names.map((name, i) => `WHEN ${literal(name)} THEN ${i}`);
  return `CASE coalesce(stored_in, ${literal(names.at(-1)!)}) ${cases.join(" ")} ELSE -1 END`;
}
