/** The labels in force, for `init` and `status`. */
import type { DumpLabel, ServiceLabels } from "../docker/labels.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

/** Nothing where no service has any; services whose labels are all wrong have none in force. */
export function labelLines(labels: Record<string, ServiceLabels>, style: Style): string[] {
  const rows = Object.entries(labels).flatMap(([service, found]) =>
    inForce(found).map(([key, value]) => [`  ${cell(service)}`, `duckback.${key}`, cell(value)])
  );
  if (rows.length === 0) return [];
  const columns = [{ title: "" }, { title: "" }, { title: "" }];
  const lines = table(columns, rows).filter((line) => line.trim() !== "");
  return ["", style.bold("Labels"), ...lines];
}

function inForce(labels: ServiceLabels): [string, string][] {
  const { stop, exclude, role, pre, post, dump, drill } = labels;
  const all: [string, string | null][] = [
    ["stop", stop === null ? null : String(stop)],
    ["exclude", exclude.join(", ") || null],
    ["role", role],
    ["pre", pre],
    ["post", post],
    ["dump", dumpText(dump)],
    ["drill", drill === null ? null : String(drill)],
  ];
  return all.filter((pair): pair is [string, string] => pair[1] !== null);
}

function dumpText(dump: DumpLabel | false | null): string | null {
  if (dump === null) return null;
  if (dump === false) return "false";
  if (dump.kind === "guess") return "true";
  return dump.path === null ? dump.kind : `${dump.kind}:${dump.path}`;
}
