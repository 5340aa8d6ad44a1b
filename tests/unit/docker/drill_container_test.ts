/** Tests of what a service's container is in a drill. */
import assert from "node:assert/strict";
import type { RunDef } from "../../../lib/docker/compose_run.ts";
import { drillContainer } from "../../../lib/docker/drill_container.ts";

function made(run: Partial<RunDef>, ids: Record<string, string> = {}) {
  return drillContainer(
    {
      name: "web",
      image_id: "sha256:1",
      container_name: "shop-web",
      run: { environment: {}, ...run },
      environment: { A: "1" },
      mounts: [{ Type: "bind", Source: "/scratch/x", Target: "/x" }],
    },
    {
      network: "drill",
      labels: { "duckback.drill.run": "drill" },
      containerOf: (service) => ids[service] ?? null,
    },
  );
}

Deno.test("drillContainer() takes over how a service runs", () => {
  const { body, left_out } = made({
    command: { argv: ["serve"] },
    user: "1000",
    hostname: "www",
    tty: "true",
    shm_size: "64m",
    ulimits: { nofile: { soft: 1, hard: 2 } },
    healthcheck: { test: { argv: ["CMD", "check"] }, interval: "0.5s", retries: "3" },
    networks: { front: { aliases: ["www"] } },
    cap_add: ["sys_nice", "CAP_CHOWN"],
    security_opt: ["no-new-privileges:true"],
    extra_hosts: ["db:10.0.0.1"],
  });
  assert.deepEqual(left_out, []);
  assert.deepEqual(body.NetworkingConfig, {
    EndpointsConfig: { drill: { Aliases: ["web", "shop-web", "www"] } },
  });
  assert.deepEqual(body.HostConfig, {
    NetworkMode: "drill",
    RestartPolicy: { Name: "no" },
    Mounts: [{ Type: "bind", Source: "/scratch/x", Target: "/x" }],
    CapAdd: ["sys_nice", "CAP_CHOWN"],
    SecurityOpt: ["no-new-privileges:true"],
    ShmSize: 67108864,
    Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }],
    Dns: ["127.0.0.1"],
    ExtraHosts: ["db:10.0.0.1"],
  });
  const { Cmd, Env, User, Hostname, Tty, Healthcheck, Image } = body;
  assert.deepEqual([Cmd, Env, User, Hostname, Tty, Image], [
    ["serve"],
    ["A=1"],
    "1000",
    "www",
    true,
    "sha256:1",
  ]);
  assert.deepEqual([Healthcheck!.Test, Healthcheck!.Interval, Healthcheck!.Retries], [
    ["CMD", "check"],
    5e8,
    3,
  ]);
  assert.deepEqual(made({ healthcheck: { disable: "true" } }).body.Healthcheck, {
    Test: ["NONE"],
  });
});

Deno.test("drillContainer() leaves out whatever leads out of the drill, and says so", () => {
  const { body, left_out } = made({
    privileged: "true",
    network_mode: "host",
    pid: "host",
    ipc: "host",
    uts: "host",
    userns_mode: "host",
    runtime: "nvidia",
    cap_add: ["ALL", "NET_ADMIN", "SYS_NICE"],
    devices: ["/dev/kvm:/dev/kvm"],
    security_opt: ["seccomp:unconfined", "no-new-privileges"],
    extra_hosts: ["host.docker.internal:host-gateway"],
    volumes_from: ["container:live", "gone"],
  });
  assert.deepEqual(body.HostConfig, {
    NetworkMode: "drill",
    RestartPolicy: { Name: "no" },
    Mounts: [{ Type: "bind", Source: "/scratch/x", Target: "/x" }],
    CapAdd: ["SYS_NICE"],
    SecurityOpt: ["no-new-privileges"],
    Dns: ["127.0.0.1"],
  });
  const said = left_out.join("\n");
  for (
    const part of [
      "host's network",
      "privileged",
      "devices",
      'pid "host"',
      'ipc "host"',
      'uts "host"',
      'userns_mode "host"',
      "nvidia",
      "ALL, NET_ADMIN",
      "seccomp:unconfined",
      "host-gateway",
      "container:live",
      "volumes of gone",
    ]
  ) assert.ok(said.includes(part), `${part} in\n${said}`);
});

Deno.test("drillContainer() shares what services share among themselves, and nothing else", () => {
  const shared = made({
    network_mode: "service:app",
    pid: "service:app",
    hostname: "x",
    volumes_from: ["app:ro"],
  }, { app: "id" }).body;
  assert.equal(shared.HostConfig.NetworkMode, "container:id");
  assert.equal(shared.HostConfig.PidMode, "container:id");
  assert.deepEqual(shared.HostConfig.VolumesFrom, ["id:ro"]);
  // The engine refuses a name or resolver of its own in another container's network.
  assert.equal(shared.Hostname, undefined);
  assert.equal(shared.HostConfig.Dns, undefined);
  assert.equal(shared.NetworkingConfig, undefined);
  assert.equal(made({ network_mode: "service:app" }).body.HostConfig.NetworkMode, "drill");
  assert.equal(made({ network_mode: "none" }).body.HostConfig.NetworkMode, "none");
  assert.equal(made({ network_mode: "container:live" }).body.HostConfig.NetworkMode, "drill");
});
