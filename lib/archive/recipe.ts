/**
 * Recipes: how the content of a file is put together from what earlier archives hold and from new data.
 *
 * The entry `.duckback/files/PATH` of an incremental archive has the metadata of PATH, and as its content
 * lines of words with a space between them:
 *
 * ```
 * duckback-recipe-1 SIZE
 * old LENGTH OFFSET PATH AT BLOCK INNER BACKUP
 * new LENGTH OFFSET NUMBER BLOCK INNER
 * zero LENGTH
 * # PIECE HASHES
 * ```
 *
 * `old` is what stands from byte OFFSET on in the file that was at PATH before this archive, `new` what
 * stands there in `.duckback/data/NUMBER`; whoever has unpacked the archives needs no more. What follows
 * saves duckback from unpacking them: BACKUP's archive has at BLOCK and INNER (as in a manifest) an entry
 * whose content holds the same from byte AT on. The last line has the first 16 bytes of the SHA-256 of
 * each PIECE bytes of the file, in base64, for the backup that comes next. Paths are escaped as `printf %b`
 * reads them.
 */
import { decodePath, encodePath } from "../core/paths.ts";

/** An entry's place in the archive of a backup. */
export interface EntryPlace {
  /** Name of the backup; null for the one whose recipe it stands in. */
  backup: string | null;
  offset: number;
  inner: number;
}

/** Content taken from an entry, from byte `at` on; null for zeros. */
export interface Range {
  length: number;
  from: (EntryPlace & { at: number }) | null;
}

/** What the lines say to who has unpacked the archives. */
export type Shown =
  | { kind: "old"; offset: number; path: string }
  | { kind: "new"; offset: number; number: number }
  | { kind: "zero" };

/** Bytes of a file that are compared, and stored, as one. */
export const PIECE = 64 << 10;
/** Longest recipe that is read: of a file of 1 TiB with every other piece changed. */
export const LONGEST_RECIPE = 1 << 30;
/** Bytes of a piece's digest that are kept: enough that no two pieces ever have the same. */
export const HASH = 16;

const FORMAT = "duckback-recipe-1";

export interface Recipe {
  size: number;
  ranges: Range[];
  /** HASH bytes for each piece; null where there are none. */
  hashes: Uint8Array | null;
}

export function writeRecipe(
  size: number,
  ranges: readonly (Range & { shown: Shown })[],
  hashes: Uint8Array | null,
): string {
  const lines = [`${FORMAT} ${size}`];
  for (const { length, from, shown } of ranges) {
    if (shown.kind === "zero") lines.push(`zero ${length}`);
    else if (shown.kind === "new") {
      lines.push(`new ${length} ${shown.offset} ${shown.number} ${from!.offset} ${from!.inner}`);
    } else {
      const { at, offset, inner, backup } = from!;
      const path = escapePath(shown.path);
      lines.push(`old ${length} ${shown.offset} ${path} ${at} ${offset} ${inner} ${backup}`);
    }
  }
  if (hashes !== null) lines.push(`# ${PIECE} ${hashes.toBase64()}`);
  return lines.join("\n") + "\n";
}

/** Null where it is no recipe that this version understands. */
export function readRecipe(text: string): Recipe | null {
  const [head, ...lines] = text.split("\n");
  const [format, size] = head.split(" ");
  if (format !== FORMAT) return null;
  const recipe: Recipe = { size: whole(size), ranges: [], hashes: null };
  let total = 0;
  for (const line of lines) {
    if (line === "") continue;
    const words = line.split(" ");
    const length = whole(words[1]);
    switch (words[0]) {
      case "zero":
        recipe.ranges.push({ length, from: null });
        break;
      case "new": {
        const [at, offset, inner] = [words[2], words[4], words[5]].map(whole);
        recipe.ranges.push({ length, from: { backup: null, offset, inner, at } });
        break;
      }
      case "old": {
        const [at, offset, inner] = words.slice(4, 7).map(whole);
        recipe.ranges.push({ length, from: { backup: words[7] ?? "", offset, inner, at } });
        break;
      }
      case "#":
        if (length === PIECE) recipe.hashes = Uint8Array.fromBase64(words[2]);
        continue;
      default:
        return null;
    }
    total += length;
  }
  const sound = total === recipe.size && Number.isSafeInteger(total) &&
    recipe.ranges.every(({ from }) => from === null || isPlace(from));
  return sound ? recipe : null;
}

function isPlace({ offset, inner, at, backup }: NonNullable<Range["from"]>): boolean {
  return [offset, inner, at].every(Number.isSafeInteger) && backup !== "";
}

function whole(text: string | undefined): number {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
}

/** Printable ASCII without spaces and backslashes; all else as `\0ooo`. */
function escapePath(path: string): string {
  let text = "";
  for (const byte of encodePath(path)) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, "0")}`;
  }
  return text;
}

/** The inverse of `escapePath`, for tests. */
export function unescapePath(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") bytes.push(text.charCodeAt(i));
    else {
      bytes.push(parseInt(text.slice(i + 2, i + 5), 8));
      i += 4;
    }
  }
  return decodePath(Uint8Array.from(bytes));
}

/** The part of `ranges` from byte `offset` on. */
export function cutRanges(ranges: readonly Range[], offset: number, length: number): Range[] {
  const found: Range[] = [];
  let start = 0;
  for (const { length: whole, from } of ranges) {
    const end = start + whole;
    const first = Math.max(start, offset);
    const last = Math.min(end, offset + length);
    if (first < last) {
      found.push({
        length: last - first,
        from: from && { ...from, at: from.at + first - start },
      });
    }
    if (end >= offset + length) break;
    start = end;
  }
  return found;
}
