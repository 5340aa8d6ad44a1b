/** `duckback cat`: one file of a backup on standard output. */
import { Command } from "./commander.ts";
import { DuckbackError } from "../core/errors.ts";
import { backupOrArchive } from "./ls.ts";
import { examples } from "./options.ts";
import type { Session } from "./session.ts";

const ABOUT = `
Only the blocks that hold the file are read; the archive as a whole is not verified first. What is
put out is checked against the manifest's SHA-256 on the way: if it differs the exit code is 12, and
what was put out must not be used. An archive without a manifest has its blocks' checksums only.`;

export function addCat(program: Command, session: Session) {
  program.command("cat")
    .description("print one file of a backup on standard output")
    .argument("<id>", "the backup's id, or an archive's path")
    .argument("<path>", "archive path of the file; hard links are followed")
    .addHelpText("after", ABOUT)
    .addHelpText(
      "after",
      examples("duckback cat 12 compose.yaml", "duckback cat 12 data/dump.sql | psql shop"),
    )
    .action(async (id, path) => {
      if (session.json !== null) {
        throw new DuckbackError("USAGE", "Cannot print a file as JSON: it is put out as it is", {
          hint: "Leave out --json; `duckback ls ID PATH --json` says what is known of the file.",
        });
      }
      const { cat } = await import("../operations/cat.ts");
      const from = backupOrArchive(id, session.terminal.cwd);
      const { signal } = session.terminal;
      const aborted = new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      aborted.catch(() => {});
      // A reader that stalls must not keep a signal from ending this.
      const take = (bytes: Uint8Array) => Promise.race([put(bytes), aborted]);
      await cat(session.context("cat"), { from, path }, take);
    });
}

/** False once the reader has gone away: then nobody is served by more. */
async function put(bytes: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.BrokenPipe) return false;
    throw new DuckbackError("IO", `Cannot write to standard output: ${(cause as Error).message}`, {
      hint: "What was put out is not the whole file.",
      cause,
    });
  }
}
