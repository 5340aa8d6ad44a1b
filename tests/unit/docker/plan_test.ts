/** Tests of the order of stopping and starting. */
import assert from "node:assert/strict";
import { DuckbackError } from "../../../lib/core/errors.ts";
import { toContainer } from "../../../lib/docker/container_json.ts";
import type { ServiceDef } from "../../../lib/docker/compose_model.ts";
import type { Container, Dependency } from "../../../lib/docker/engine.ts";
import { levels } from "../../../lib/docker/levels.ts";
import { readLabels } from "../../../lib/docker/labels.ts";
import { inLevels, type PlanOptions, planQuiesce } from "../../../lib/docker/plan.ts";
import { service as plainService } from "./support.ts";

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
  const condition = "service_started" as const;
  return {
    ...plainService(name),
    depends_on: depends_on.map((service) => ({ service, condition })),
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

Deno.test("planQuiesce() does what labels say where it is asked to, and stops all elsewhere", () => {
  const labelled = (service: string, stop: string, change: Partial<Container> = {}) =>
    container(service, { labels: { "duckback.stop": stop }, ...change });
  const containers = [
    container("db"),
    labelled("live", "false"),
    labelled("frozen", "pause"),
    labelled("firm", "true"),
    labelled("loop", "pause", { state: "restarting" }),
  ];
  const stack = { name: "p", services: [], containers, labels: readLabels([], containers) };
  const actions = (mode: "stop" | "pause", options: PlanOptions) =>
    Object.fromEntries(
      planQuiesce(stack, mode, options).items.map((item) => [item.service, item.action]),
    );
  const heed = { heed_labels: true };
  assert.deepEqual(actions("stop", heed), {
    db: "stop",
    firm: "stop",
    frozen: "pause",
    loop: "stop",
  });
  assert.deepEqual(actions("pause", heed), {
    db: "pause",
    firm: "stop",
    frozen: "pause",
    loop: "stop",
  });
  assert.deepEqual(new Set(Object.values(actions("stop", {}))), new Set(["stop"]));
  assert.equal(Object.keys(actions("stop", {})).length, 5);
  assert.deepEqual(planQuiesce(stack, "stop", heed).left, [{
    name: "p_live_1",
    service: "live",
    reason: "its label duckback.stop says false",
    writes: [],
    sharing: false,
  }]);
  const dumped = planQuiesce(stack, "stop", { leave: new Map([["db", "it is dumped"]]) });
  assert.deepEqual(dumped.left.map(({ service, reason }) => [service, reason]), [
    ["db", "it is dumped"],
  ]);
});

Deno.test("planQuiesce() never stops duckback's own container, but starts it", () => {
  const stack = {
    name: "p",
    services: [],
    containers: [container("web"), container("job", { image: "example/duckback:1" })],
  };
  const services = (options: PlanOptions) =>
    planQuiesce(stack, "stop", options).items.map((item) => item.service);
  assert.deepEqual(services({}), ["web"]);
  assert.deepEqual(services({ own_ids: new Set(["id-web-1"]) }), []);
  assert.deepEqual(services({ take_own: true }), ["job", "web"]);
});

Deno.test("planQuiesce() stops containers of other projects first, in their own order", () => {
  const other = (service: string, change: Partial<Container> = {}) => ({
    container: container(service, {
      project: "q",
      id: `q-${service}`,
      name: `q_${service}_1`,
      labels: {},
      ...change,
    }),
    sources: ["data"],
  });
  const stack = {
    name: "p",
    services: [service("web", ["db"]), service("db", [])],
    containers: [container("web"), container("db")],
    sharing: [
      // Of the same names as the stack's own services: "db" needs "web" over there.
      other("db", { depends_on: [{ service: "web", condition: "service_started" }] }),
      other("web"),
      other("hand", { project: null, service: null }),
      other("live", { labels: { "duckback.stop": "false" } }),
    ],
  };
  const groups = (options: PlanOptions) =>
    inLevels(planQuiesce(stack, "stop", options).items).map((group) =>
      group.map((item) => item.name)
    );
  assert.deepEqual(groups({}), [["p_web_1"], ["p_db_1"]]);
  assert.deepEqual(groups({ stop_sharing: true, heed_labels: true }), [
    ["q_db_1"],
    ["q_hand_1", "q_web_1"],
    ["p_web_1"],
    ["p_db_1"],
  ]);
  const { items } = planQuiesce(stack, "stop", { stop_sharing: true });
  assert.deepEqual(items.filter((item) => !item.sharing).map((item) => item.name), [
    "p_web_1",
    "p_db_1",
  ]);
});

Deno.test("planQuiesce() knows a restart loop in its running phase", () => {
  const now = new Date("2026-01-01T12:00:00Z");
  const state = (change: Partial<Container>) => {
    const stack = { name: "p", services: [], containers: [container("web", change)] };
    return planQuiesce(stack, "pause", { now }).items.map((item) => [item.state, item.action]);
  };
  const young = { started_at: "2026-01-01T11:59:58.123456789Z" };
  const old = { started_at: "2026-01-01T11:59:40Z" };
  assert.deepEqual(state({ restart_count: 3, ...young }), [["restarting", "stop"]]);
  assert.deepEqual(state({ restart_count: 3, ...old }), [["running", "pause"]]);
  assert.deepEqual(state({ restart_count: 0, ...young }), [["running", "pause"]]);
});
