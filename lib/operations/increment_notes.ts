/** What an incremental archive says of files that it does not hold, while its manifest is made anew. */
import type { Recipe } from "../archive/recipe.ts";
import type { ManifestBase } from "../catalog/manifest.ts";
import { recipeLine, type RowPlace, writeDropped } from "../catalog/manifest_increment.ts";
import type { ManifestEntry } from "../core/model.ts";
import { droppedRowsPath, gonePathsPath, recipeRowsPath } from "../repository/naming.ts";
import { TextFile } from "../repository/text_file.ts";

export class IncrementNotes implements Disposable {
  #anyRecipe = false;
  #anyGone = false;

  private constructor(
    private readonly files: DisposableStack,
    private readonly recipeRows: TextFile,
    private readonly gonePaths: TextFile,
    private readonly droppedRows: TextFile,
  ) {}

  /** Beside the archive; gone when disposed. Raises NOT_WRITABLE, DISK_FULL. */
  static create(archive: string): IncrementNotes {
    using files = new DisposableStack();
    const [recipes, gone, dropped] = [recipeRowsPath, gonePathsPath, droppedRowsPath]
      .map((path) => files.use(TextFile.create(path(archive))));
    return new IncrementNotes(files.move(), recipes, gone, dropped);
  }

  /** Takes a recipe, as `takeInventory` tells of it. */
  readonly onRecipe = (file: ManifestEntry, { size, ranges }: Recipe): void => {
    this.#anyRecipe = true;
    this.recipeRows.append(recipeLine(file, wholeOf(size, ranges)));
  };

  /** Takes a path at and below which nothing of the parent holds any more. */
  readonly onGone = (path: Uint8Array): void => {
    this.#anyGone = true;
    this.gonePaths.append(`${path.toHex()}\n`);
  };

  /** Path of the `recipeLine`s; null where there are none. */
  recipes(): string | null {
    this.recipeRows.flush();
    return this.#anyRecipe ? this.recipeRows.path : null;
  }

  /** What of the parent's manifest, at `parquet`, holds on beside the archive's own `rows`. Raises IO. */
  async basedOn(parquet: string, rows: TextFile): Promise<ManifestBase> {
    this.gonePaths.flush();
    const instead = { rows: rows.path, gone: this.#anyGone ? this.gonePaths.path : null };
    const { path } = this.droppedRows;
    return { parquet, dropped: await writeDropped(parquet, instead, path) ? path : null };
  }

  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
  }
}

/** The row that has just this content. */
function wholeOf(size: number, [only, ...more]: Recipe["ranges"]): RowPlace | null {
  const from = only?.from ?? null;
  const whole = more.length === 0 && from !== null && from.at === 0 && only.length === size;
  if (!whole || from.backup === null) return null;
  return { stored_in: from.backup, offset: from.offset, inner: from.inner };
}
