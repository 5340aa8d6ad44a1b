/** Which containers are a stack's: by project label, told apart by the directory they came from. */
import { DuckbackError } from "../core/errors.ts";
import type { ComposeProject } from "./compose.ts";
import { type Container, type Engine, LABEL } from "./engine.ts";
import { realPath } from "./real_path.ts";

export interface FoundProject {
  name: string;
  containers: Container[];
  /** Containers of the same project name that another directory's compose files made. */
  foreign: Container[];
  notes: string[];
}

export interface FindProjectOptions {
  engine: Engine;
  /** Free of symbolic links. */
  work_dir: string;
  compose: ComposeProject | null;
  /** Name the directory or its compose file gives, or the one asked for. */
  name: string;
  /** True where the caller asked for that name. */
  named: boolean;
}

/** Raises USAGE where several projects come from the directory and none has its name. */
export async function findProject(options: FindProjectOptions): Promise<FoundProject> {
  const { engine, compose, named, name } = options;
  const own = await engine.listContainers({ [LABEL.project]: name });
  if (named) return { name, containers: own, foreign: [], notes: [] };
  const dirs = new Set([options.work_dir, ...(compose ? [compose.project_dir] : [])]);
  const mine = own.filter((container) => isFrom(container, dirs, compose));
  const foreign = own.filter((container) => !mine.includes(container));
  const notes: string[] = [];
  if (foreign.length > 0 && compose) {
    const places = [...new Set(foreign.map((container) => container.working_dir))].join(", ");
    notes.push(
      `Project ${name} also has containers made from ${places} (${
        names(foreign)
      }): they are left ` +
        `alone. Give the stack a name of its own, or take them in with --stack ${name}`,
    );
  }
  const here =
    (await Promise.all([...dirs].map((dir) => engine.listContainers({ [LABEL.working_dir]: dir }))))
      .flat().filter((container) => container.project !== null && container.project !== name);
  const others = [...new Set(here.map((container) => container.project!))].sort();
  if (others.length === 0) return { name, containers: mine, foreign, notes };
  if (mine.length > 0) {
    const several = others.length > 1 ? "Projects" : "Project";
    notes.push(
      `${several} ${
        others.join(" and ")
      } come from this directory too: reach them with --stack NAME`,
    );
    return { name, containers: mine, foreign, notes };
  }
  if (others.length > 1) {
    throw new DuckbackError(
      "USAGE",
      `Cannot choose a stack for "${options.work_dir}": the projects ${
        others.join(" and ")
      } come ` +
        "from it",
      { hint: `Name one: --stack ${others[0]}` },
    );
  }
  notes.push(`The containers here belong to project "${others[0]}", not to "${name}"`);
  return { name: others[0], containers: here, foreign: [], notes };
}

/** The same directory, however it is written; or one that is gone, where the stack was moved here. */
function isFrom(container: Container, dirs: Set<string>, compose: ComposeProject | null): boolean {
  const dir = container.working_dir;
  if (dir === null) return compose !== null;
  const { real, type } = realPath(dir);
  if (dirs.has(dir) || dirs.has(real)) return true;
  if (!compose) return false;
  return type === "missing" ||
    container.config_files.some((file) => compose.all_files.includes(realPath(file).real)) ||
    // The directory is there, but holds no such stack any more.
    container.config_files.length > 0 &&
      container.config_files.every((file) => realPath(file).type === "missing");
}

export function names(containers: { name: string }[]): string {
  return containers.map((container) => container.name).join(", ");
}
