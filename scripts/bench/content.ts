/** What lies in the corpora's files: database pages, logs, dumps, source code, media. */
import { Filler, type Random, type Vocabulary } from "./random.ts";

export type Content = (bytes: Uint8Array, random: Random, words: Vocabulary) => void;

const PAGE = 8192;
const EPOCH = 1_767_225_600;

const hex = (random: Random) => random.u32().toString(16).padStart(8, "0");

/** Pages of 8 KiB with rows of numbers, ids, times and short texts, filled from their end as in PostgreSQL. */
export const databasePages: Content = (bytes, random, words) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let row = random.below(1e6);
  for (let start = 0; start + PAGE <= bytes.length; start += PAGE) {
    if (random.below(12) === 0) continue; // an empty page
    const rows = 30 + random.below(20);
    view.setUint32(start, start / PAGE, true);
    view.setUint32(start + 8, random.u32(), true);
    view.setUint16(start + 12, 24 + rows * 4, true);
    const each = Math.floor((PAGE - 24 - rows * 4) / rows);
    for (let i = 0; i < rows; i++) {
      const at = PAGE - (i + 1) * each;
      view.setUint32(start + 24 + i * 4, at | each << 16, true);
      const base = start + at;
      view.setUint32(base, 800_000 + (row >> 4), true);
      view.setUint32(base + 16, row++, true);
      view.setUint32(base + 20, EPOCH + row * 3 + random.below(3), true);
      view.setUint32(base + 24, random.below(50_000), true);
      view.setUint32(base + 28, random.u32(), true);
      view.setUint32(base + 32, random.u32(), true);
      const text = bytes.subarray(base + 36, base + each - random.below(each >> 2));
      new Filler(text, random, words).prose(1000);
    }
  }
};

const PATHS = ["/api/v1/orders/", "/api/v1/customers/", "/assets/", "/login", "/api/v1/cart/"];
const LEVELS = ["INFO", "INFO", "INFO", "INFO", "WARN", "DEBUG", "ERROR"];

/** Lines of a web service's log. */
export const logLines: Content = (bytes, random, words) => {
  const out = new Filler(bytes, random, words);
  let time = EPOCH * 1000 + random.below(1e9);
  while (!out.full) {
    time += random.below(300);
    const path = PATHS[random.below(PATHS.length)] + random.below(90_000);
    out.text(
      `${new Date(time).toISOString()} ${LEVELS[random.below(7)]} [web-${random.below(4)}] ` +
        `10.0.${random.below(4)}.${random.below(256)} "GET ${path} HTTP/1.1" 200 ` +
        `${random.below(40_000)} ${random.below(900)}ms request=${hex(random)} `,
    );
    if (random.below(4) === 0) out.prose(6);
    out.byte(10);
  }
};

/** Rows as a dump of a database has them. */
export const dumpRows: Content = (bytes, random, words) => {
  const out = new Filler(bytes, random, words);
  for (let id = 1 + random.below(1e6); !out.full; id++) {
    out.text(`${id}\t${hex(random)}-${hex(random)}\t2026-0${1 + random.below(9)}-1`);
    out.text(`${random.below(10)} 1${random.below(10)}:${10 + random.below(50)}:00+00\t`);
    out.prose(4 + random.below(20));
    out.text(`\t${random.below(100_000) / 100}\t${random.below(3) === 0 ? "t" : "f"}\t\\N\n`);
  }
};

const LINES = [
  (a: string, b: string, n: number) => `  const ${a} = await ${b}.load(${n});\n`,
  (a: string, b: string, n: number) => `  if (${a}.${b} > ${n}) {\n    return ${b};\n  }\n`,
  (a: string, b: string) => `import { ${a} } from "./${b}.ts";\n`,
  (a: string, b: string) => `export function ${a}(${b}: string): number {\n`,
  (a: string, b: string) => `  // The ${a} of a ${b} must not be changed here.\n`,
  (a: string, b: string, n: number) => `  ${a}.push({ name: "${b}", weight: ${n} });\n`,
  () => "}\n\n",
];

/** Source code. */
export const sourceCode: Content = (bytes, random, words) => {
  const out = new Filler(bytes, random, words);
  const text = new TextDecoder();
  const name = () => text.decode(words.pick(random));
  while (!out.full) out.text(LINES[random.below(LINES.length)](name(), name(), random.below(999)));
};

/** Pictures, films, archives: nothing left to compress. */
export const media: Content = (bytes, random) => random.fill(bytes);
