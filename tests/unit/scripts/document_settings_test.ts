import assert from "node:assert/strict";
import { withTable } from "../../../scripts/document_settings.ts";

Deno.test("docs/configuration.md has every setting as it is (else: run scripts/document_settings.ts)", async () => {
  const document = await Deno.readTextFile(
    new URL("../../../docs/configuration.md", import.meta.url),
  );
  assert.equal(document, withTable(document));
});
