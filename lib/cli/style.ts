/** Colours of the terminal, where there is one that wants them. */
import pc from "picocolors";

/** picocolors' functions; without colour they return their text. */
export type Style = ReturnType<typeof pc.createColors>;

/** Colours for standard output or error; NO_COLOR, TERM=dumb and anything but a terminal mean none. */
export function styleFor(terminal: boolean, env: Record<string, string>): Style {
  const plain = !terminal || (env.NO_COLOR ?? "") !== "" || env.TERM === "dumb";
  return pc.createColors(!plain);
}
