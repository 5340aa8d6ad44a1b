/** Tests of the order of stopping and starting. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { toContainer } from "../../../lib/docker/container_json.ts";
import type { ServiceDef } from "../../../lib/docker/compose_model.ts";
import type { Container, Dependency } from "../../../lib/docker/engine.ts";
import { levels } from "../../../lib/docker/levels.ts";
import { inLevels, planQuiesce } from "../../../lib/docker/plan.ts";

function container(service: string, change: Partial<Container> = {}): Container {
  const labels = {
    "com.docker.compose.project": "p",
    "com.docker.compose.service": service,
    "com.docker.compose.container-number": String(change.number ?? 1),
  };
  const made = toContainer({
    Id: `id-${service}-${change.number ?? 1}`,
    Name: `/p_${service}_${change.number ?? 1}`,
    State: { Status: "running" },
    Config: { Labels: labels },
  });
  return { ...made, ...change };
}

function service(name: string, depends_on: string[]): ServiceDef {
  return {
    name,
    image: null,
    container_name: null,
    profiles: [],
    restart: "no",
    labels: {},
    depends_on: depends_on.map((service): Dependency => ({
      service,
      condition: "service_started",
    })),
    has_healthcheck: false,
    mounts: [],
    env_files: [],
    configs: [],
    secrets: [],
  };
}

Deno.test("levels() puts each after what it depends on, and survives circles", () => {
  const found = (edges: Record<string, string[]>) =>
    Object.fromEntries(levels(new Map(Object.entries(edges))));
  assert.deepEqual(found({ web: ["app"], app: ["db", "cache"], db: [], cache: [] }), {
    web: 2,
    app: 1,
    db: 0,
    cache: 0,
  });
  assert.deepEqual(found({ a: ["gone"], b: ["a", "c"], c: [] }), { a: 0, b: 1, c: 0 });
  assert.deepEqual(Object.keys(found({ a: ["b"], b: ["a"] })).length, 2);
  assert.deepEqual(found({ a: ["a"] }), { a: 0 });
});

Deno.test("planQuiesce() takes what runs, dependents first, and nothing else", () => {
  const plan = planQuiesce({
    name: "p",
    services: [service("web", ["app"]), service("app", ["db"]), service("db", [])],
    containers: [
      container("db"),
      container("web", { number: 1 }),
      container("web", { number: 2 }),
      container("app"),
      container("orphan"),
      container("done", { state: "exited" }),
      container("new", { state: "created" }),
      container("frozen", { state: "paused" }),
      container("loop", { state: "restarting" }),
    ],
  }, "stop");
  assert.deepEqual(
    inLevels(plan.items).map((group) => group.map((item) => item.name)),
    [["p_web_1", "p_web_2"], ["p_app_1"], ["p_db_1", "p_loop_1", "p_orphan_1"]],
  );
  assert.deepEqual(plan.left.map((item) => item.name), ["p_frozen_1"]);
  assert.equal(plan.items.find((item) => item.service === "loop")!.state, "restarting");
  // It goes into the journal as it is.
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan);
});

Deno.test("planQuiesce() believes a container's own dependencies before the compose file's", () => {
  const own: Dependency[] = [{ service: "web", condition: "service_healthy" }];
  const plan = planQuiesce({
    name: "p",
    services: [service("web", ["db"]), service("db", [])],
    containers: [container("web", { depends_on: [] }), container("db", { depends_on: own })],
  }, "stop");
  assert.deepEqual(plan.items.map((item) => item.service), ["db", "web"]);
});

Deno.test("planQuiesce() keeps the order through services that are down", () => {
  const plan = planQuiesce({
    name: "p",
    services: [service("a", ["m"]), service("m", ["z"]), service("z", []), service("none", [])],
    containers: [container("z"), container("a"), container("m", { state: "exited" })],
  }, "stop");
  assert.deepEqual(plan.items.map((item) => [item.service, item.level]), [["a", 2], ["z", 0]]);
});

Deno.test("planQuiesce() refuses to stop --rm containers, and pauses them", () => {
  const stack = {
    name: "p",
    services: [],
    containers: [container("db"), container("job", { auto_remove: true, oneoff: true })],
  };
  assert.throws(() => planQuiesce(stack, "stop"), (error) => {
    assert(error instanceof DuckbackError && error.code === "AUTO_REMOVE");
    assert.match(error.message, /p_job_1/);
    assert.match(error.hint!, /--quiesce pause/);
    return true;
  });
  assert.deepEqual(planQuiesce(stack, "pause").items.map((item) => item.action), [
    "pause",
    "pause",
  ]);
  const ended = {
    ...stack,
    containers: [container("job", { auto_remove: true, state: "exited" })],
  };
  assert.deepEqual(planQuiesce(ended, "stop").items, []);
});
