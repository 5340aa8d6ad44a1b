/** One JSON document with a long list in it, put out piece by piece: it may be larger than memory. */
import { asDuckbackError } from "../core/errors.ts";
import { jsonText, type Session } from "./session.ts";

/**
 * Puts out `about`, then the list `name` as `produce` gives its rows (JSON texts), then `success` and what
 * `produce` returns. The document is whole also where `produce` throws, which is thrown on.
 */
export async function putRows(
  session: Session,
  about: Record<string, unknown>,
  name: string,
  produce: (put: (rows: string[]) => void) => Promise<object>,
): Promise<void> {
  const { out } = session.terminal;
  out(`${jsonText({ ...about, [name]: [] }, 2).slice(0, -"]\n}".length)}`);
  let before = "\n    ";
  const end = (rest: Record<string, unknown>) => {
    session.settle();
    out(`\n  ],${jsonText(rest, 2).slice(1)}\n`);
  };
  try {
    const rest = await produce((rows) => {
      if (rows.length === 0) return;
      out(before + rows.join(",\n    "));
      before = ",\n    ";
    });
    end({ success: true, ...rest });
  } catch (thrown) {
    const error = asDuckbackError(thrown);
    end({ success: false, error: { ...error.toData(), ...error.details } });
    session.json = null; // the document has its end; the rest is for people
    throw thrown;
  }
}
