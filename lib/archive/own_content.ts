/** What an incremental archive's own entries say of files that it does not hold as they are. */
import type { ManifestEntry } from "../core/model.ts";
import { corrupt } from "./corrupt.ts";
import { LONGEST_RECIPE, readRecipe, type Recipe } from "./recipe.ts";
import { DELETED_ENTRY, RECIPES, REPLACED_ENTRY } from "./self_entries.ts";

export interface Told {
  /** The file that a recipe is for, with no SHA-256. */
  recipe(file: ManifestEntry, recipe: Recipe): void;
  /** A path, in bytes, at and below which nothing of the parent holds any more. */
  gone(path: Uint8Array): void;
}

/** Longest path that is read. */
const LONGEST_PATH = 1 << 20;

/** Takes the content of one such entry. */
export abstract class OwnContent {
  constructor(readonly archive: string, readonly row: ManifestEntry, readonly told: Told) {}

  /** Null for an entry that says nothing of others. Throws ARCHIVE_CORRUPT, as all of it does. */
  static of(archive: string, row: ManifestEntry, stored: number, told: Told): OwnContent | null {
    if (row.type !== "file") return null;
    if (row.path === DELETED_ENTRY || row.path === REPLACED_ENTRY) {
      return new PathsContent(archive, row, told);
    }
    if (!row.path.startsWith(RECIPES)) return null;
    const content = new RecipeContent(archive, row, told);
    if (stored > LONGEST_RECIPE) throw content.corrupt("its recipe is too long");
    return content;
  }

  abstract data(bytes: Uint8Array): void;
  abstract end(): void;

  hole(): void {
    throw this.corrupt("it has holes");
  }

  corrupt(state: string) {
    const { path: entry, block_offset: offset, block_inner: inner } = this.row;
    return corrupt(this.archive, state, { entry, offset, inner });
  }
}

class RecipeContent extends OwnContent {
  readonly #decoder = new TextDecoder();
  #text = "";

  data(bytes: Uint8Array): void {
    this.#text += this.#decoder.decode(bytes, { stream: true });
  }

  end(): void {
    const recipe = readRecipe(this.#text);
    if (recipe === null) throw this.corrupt("its recipe makes no sense");
    const path = this.row.path.slice(RECIPES.length);
    this.told.recipe({ ...this.row, path, size: recipe.size }, recipe);
  }
}

/** Paths with a NUL behind each. */
class PathsContent extends OwnContent {
  /** The beginning of a path that goes on in the next piece. */
  #begun = new Uint8Array(0);

  data(bytes: Uint8Array): void {
    let start = 0;
    for (let end; (end = bytes.indexOf(0, start)) !== -1; start = end + 1) {
      const path = this.#joined(bytes.subarray(start, end));
      this.#begun = new Uint8Array(0);
      if (path.length > 0) this.told.gone(path);
    }
    this.#begun = this.#joined(bytes.subarray(start)).slice();
    if (this.#begun.length > LONGEST_PATH) throw this.corrupt("a path in it is too long");
  }

  #joined(bytes: Uint8Array): Uint8Array {
    if (this.#begun.length === 0) return bytes;
    const path = new Uint8Array(this.#begun.length + bytes.length);
    path.set(this.#begun);
    path.set(bytes, this.#begun.length);
    return path;
  }

  end(): void {
    if (this.#begun.length > 0) throw this.corrupt("its last path is not complete");
  }
}
