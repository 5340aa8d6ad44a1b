/** duckback at a terminal; `script` (bsdutils) gives it. */
import { COMMAND, type Place, until } from "./support.ts";

/** duckback at a terminal of its own; `type` waits for a text and then presses keys. */
export class Terminal implements AsyncDisposable {
  #seen = "";
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;

  constructor(place: Place, args: string[], cwd: string) {
    const command = [...COMMAND, ...args].join(" ");
    this.#child = new Deno.Command("script", {
      args: ["-qfec", `stty cols 100; ${command}`, "/dev/null"],
      cwd,
      env: { DUCKBACK_HOME: place.home, TERM: "xterm" },
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#reading = this.#read();
  }

  async #read() {
    const text = new TextDecoder();
    const reader = this.#child.stdout.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      this.#seen += text.decode(part.value, { stream: true });
    }
  }

  /** What was shown so far, without colours and cursor movements. */
  get text(): string {
    // deno-lint-ignore no-control-regex
    return this.#seen.replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, "");
  }

  get raw(): string {
    return this.#seen;
  }

  async type(after: RegExp, keys: string) {
    await until(`${after} in:\n${this.text}`, () => after.test(this.text));
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(keys));
    writer.releaseLock();
  }

  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose]() {
    await this.#child.stdin.close().catch(() => {});
  }
}
