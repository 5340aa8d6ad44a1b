/** YAML of a compose file as plain values that remember file and line; the only importer of `yaml`. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type ParsedNode,
} from "yaml";
import { DuckbackError } from "../core/errors.ts";

export type Plain = null | boolean | number | string | Plain[] | PlainMap;
export interface PlainMap {
  [key: string]: Plain;
}

/** Where a value stands, and compose's own tag on it, if any. */
export interface Mark {
  file: string;
  /** From 1. */
  line: number;
  tag: "reset" | "override" | null;
}

/** One YAML document, not yet turned into values. */
export interface YamlDocument {
  file: string;
  /** Value of a top-level scalar as written; null where there is none. */
  scalar(key: string): { text: string; mark: Mark } | null;
  /** Values of the whole document; every string passes through `text`. */
  toPlain(text: (value: string, mark: Mark) => string): PlainMap;
}

/** More values than any compose file has: aliases of aliases multiply. */
const MAX_VALUES = 500_000;

const marks = new WeakMap<object, Map<string | number, Mark>>();

/** Mark of the value under `key` of a container that came from `toPlain`. */
export function markOf(container: PlainMap | Plain[], key: string | number): Mark {
  return marks.get(container)?.get(key) ?? { file: "", line: 0, tag: null };
}

/** COMPOSE_INVALID: names the file and the line. */
export function composeInvalid(mark: Mark, what: string, cause?: unknown): DuckbackError {
  const place = mark.line > 0 ? `line ${mark.line}: ` : "";
  return new DuckbackError("COMPOSE_INVALID", `Cannot use "${mark.file}": ${place}${what}`, {
    cause,
    hint: "`docker compose config` in that directory checks the file.",
    details: { file: mark.file, line: mark.line || null },
  });
}

/** Given a compose file's text, returns its documents. Raises COMPOSE_INVALID. */
export function parseYaml(text: string, file: string): YamlDocument[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "silent",
  });
  const documents = Array.isArray(parsed) ? parsed : [];
  for (const document of documents) {
    const error = document.errors[0];
    if (!error) continue;
    const { line } = lines.linePos(error.pos[0]);
    throw composeInvalid({ file, line, tag: null }, `not valid YAML: ${error.message}`, error);
  }
  const filled = documents.filter((document) => document.contents !== null);
  if (filled.every((document) => isScalar(document.contents) && document.contents.value === null)) {
    throw composeInvalid({ file, line: 0, tag: null }, "the file is empty");
  }
  return filled.map((document) => new FileDocument(document, file, lines));
}

class FileDocument implements YamlDocument {
  #values = 0;
  /** Anchors being resolved: one that contains itself never ends. */
  #open = new Set<Node>();

  constructor(
    readonly document: Document.Parsed<ParsedNode>,
    readonly file: string,
    readonly lines: LineCounter,
  ) {}

  scalar(key: string) {
    const contents = this.document.contents;
    const node = isMap(contents)
      ? contents.get(key, true) as unknown as Node | undefined
      : undefined;
    if (!node || !isScalar(node) || node.value === null) return null;
    return { text: String(node.value), mark: this.#mark(node) };
  }

  toPlain(text: (value: string, mark: Mark) => string): PlainMap {
    const contents = this.document.contents as Node;
    const value = this.#convert(contents, text);
    if (!isPlainMap(value)) {
      throw composeInvalid(this.#mark(contents), "the file must be a mapping (services: ...)");
    }
    return value;
  }

  #convert(node: Node | null, text: (value: string, mark: Mark) => string): Plain {
    if (node === null) return null;
    if (++this.#values > MAX_VALUES) throw composeInvalid(this.#mark(node), "too many aliases");
    if ((node as { tag?: string }).tag === "!reset") return null;
    if (isAlias(node)) {
      const target = node.resolve(this.document) as Node | undefined;
      if (!target) throw composeInvalid(this.#mark(node), `no anchor is called &${node.source}`);
      return this.#convert(target, text);
    }
    if (isScalar(node)) {
      const { value } = node;
      if (typeof value === "string") return text(value, this.#mark(node));
      if (typeof value === "bigint") return Number(value);
      return value === null || typeof value === "boolean" || typeof value === "number"
        ? value
        : String(value);
    }
    if (this.#open.has(node)) throw composeInvalid(this.#mark(node), "an anchor contains itself");
    this.#open.add(node);
    try {
      return isSeq(node) ? this.#list(node.items as Node[], text) : this.#map(node, text);
    } finally {
      this.#open.delete(node);
    }
  }

  #list(items: Node[], text: (value: string, mark: Mark) => string): Plain[] {
    const out: Plain[] = [];
    const own = new Map<string | number, Mark>();
    for (const item of items) {
      own.set(out.length, this.#mark(item));
      out.push(this.#convert(item, text));
    }
    marks.set(out, own);
    return out;
  }

  #map(node: Node, text: (value: string, mark: Mark) => string): PlainMap {
    const out: PlainMap = Object.create(null);
    const own = new Map<string | number, Mark>();
    const merged: Plain[] = [];
    for (const { key, value } of (isMap(node) ? node.items : []) as { key: Node; value: Node }[]) {
      const name = isScalar(key) ? String(key.value) : null;
      if (name === null) throw composeInvalid(this.#mark(key), "a key must be plain text");
      const plain = this.#convert(value, text);
      if (name === "<<" && isScalar(key) && key.type === "PLAIN") {
        merged.push(...(Array.isArray(plain) ? plain : [plain]));
        continue;
      }
      own.set(name, this.#mark(value ?? key, key));
      out[name] = plain;
    }
    // What the map says itself wins; among several merged maps the first.
    for (const other of merged) {
      if (!isPlainMap(other)) throw composeInvalid(this.#mark(node), "<< needs a mapping");
      for (const name of Object.keys(other)) {
        if (name in out) continue;
        out[name] = other[name];
        own.set(name, markOf(other, name));
      }
    }
    marks.set(out, own);
    return out;
  }

  /** The line of `at` (a key: its value may begin further down), the tag of `node`. */
  #mark(node: Node, at: Node = node): Mark {
    const offset = at?.range?.[0];
    const tag = (node as { tag?: string } | null)?.tag;
    return {
      file: this.file,
      line: offset === undefined ? 0 : this.lines.linePos(offset).line,
      tag: tag === "!reset" ? "reset" : tag === "!override" ? "override" : null,
    };
  }
}

export function isPlainMap(value: Plain | undefined): value is PlainMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
