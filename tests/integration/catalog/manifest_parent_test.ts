import assert from "node:assert/strict";
import { Database } from "../../../lib/catalog/duckdb.ts";
import { exportRows } from "../../../lib/catalog/manifest_parent.ts";
import { file, writeManifests } from "./manifests.ts";
import { temporaryDirectory } from "./support.ts";

Deno.test("exportRows() of a million rows gives up at once when it is told to, and leaves nothing", async () => {
  using directory = temporaryDirectory();
  const [{ path }] = await writeManifests(directory.path, [file("a", "content")]);
  const large = `${directory.path}/large.manifest.parquet`;
  const db = await Database.open(":memory:", { temp_directory: `${directory.path}/tmp` });
  await db.run(`COPY (SELECT m.* REPLACE (hash(n)::VARCHAR || '/name' AS path)
    FROM '${path}' m, range(1000000) r(n)) TO '${large}' (FORMAT parquet)`);
  await db.close();
  const rows = `${directory.path}/rows`;
  const stop = new AbortController();
  let told = 0;
  setTimeout(() => {
    told = performance.now();
    stop.abort();
  }, 200);
  await assert.rejects(exportRows(large, [], rows, stop.signal), { code: "INTERRUPTED" });
  assert.ok(told > 0 && performance.now() - told < 2000, `${performance.now() - told} ms`);
  assert.throws(() => Deno.statSync(rows), Deno.errors.NotFound);
  await assert.rejects(exportRows(large, [], rows, AbortSignal.abort()), { code: "INTERRUPTED" });
  assert.equal(await exportRows(path, [], rows), true);
});
