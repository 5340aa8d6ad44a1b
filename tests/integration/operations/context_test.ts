/** One opening of the catalogue for all of an operation. */
import assert from "node:assert/strict";
import type { ProgressEvent } from "../../../lib/core/progress.ts";
import "../../../lib/catalog/duckdb.ts"; // starts a timer that no test ends
import { keepingCatalog, withCatalog } from "../../../lib/operations/context.ts";
import { contextOf } from "../../fixtures/context.ts";
import { withTempDir } from "../../fixtures/tree.ts";

Deno.test(
  "keepingCatalog() holds for copies of the context, and for an operation within another",
  withTempDir(async (dir) => {
    const told: ProgressEvent[] = [];
    const ctx = contextOf(`${dir}/home`, dir, { progress: (event) => void told.push(event) });
    const list = (of: typeof ctx) => withCatalog(of, ({ backups }) => backups.list({}));
    await using _catalog = keepingCatalog(ctx);
    await list(ctx);
    await list({ ...ctx, stack: "shop" });
    {
      await using _again = keepingCatalog({ ...ctx, stack: "shop" });
      await list({ ...ctx, stack: "shop" });
    }
    await list(ctx);
    assert.deepEqual(told, [], "nobody waits for a catalogue that this process has itself");
  }),
);
