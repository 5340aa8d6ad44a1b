/**
 * A service's container in a drill: what its compose file says, without anything that leads out of the
 * drill. No published ports, no restart policy, none of the host's namespaces, devices or privileges,
 * and only mounts that the caller gives.
 */
import type { RunDef } from "./compose_run.ts";
import { durationNs, sizeBytes } from "./go_values.ts";
import type { ContainerBody, HealthcheckBody, MountBody } from "./make.ts";

export interface DrillService {
  name: string;
  /** "sha256:..." */
  image_id: string;
  /** The service's `container_name`, by which others may know it. */
  container_name: string | null;
  run: RunDef;
  /** Of its env files and its `environment`. */
  environment: Record<string, string>;
  mounts: MountBody[];
}

export interface DrillPlace {
  network: string;
  labels: Record<string, string>;
  /** Id of another service's container in the drill; null where it has none. */
  containerOf(service: string): string | null;
}

/** Linux capabilities that reach no further than the container itself. */
const HARMLESS = new Set(
  ("AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID IPC_LOCK KILL MKNOD NET_BIND_SERVICE NET_RAW " +
    "SETFCAP SETGID SETPCAP SETUID SYS_CHROOT SYS_NICE").split(" "),
);

/** `left_out`: sentences on what the drill does not take over. */
export function drillContainer(
  service: DrillService,
  place: DrillPlace,
): { body: ContainerBody; left_out: string[] } {
  const { run } = service;
  const left_out: string[] = [];
  const without = (what: string) => left_out.push(`${service.name} runs without ${what}`);
  const network = networkMode(run.network_mode, place, without);
  const own = !network.startsWith("container:");
  const body: ContainerBody = {
    Image: service.image_id,
    ...(run.command ? { Cmd: run.command.argv } : {}),
    ...(run.entrypoint ? { Entrypoint: run.entrypoint.argv } : {}),
    Env: Object.entries(service.environment).map(([name, value]) => `${name}=${value}`),
    Labels: place.labels,
    ...texts({ User: run.user, WorkingDir: run.working_dir, StopSignal: run.stop_signal }),
    ...(own ? texts({ Hostname: run.hostname, Domainname: run.domainname }) : {}),
    ...flags({ Tty: run.tty, OpenStdin: run.stdin_open }),
    ...(run.healthcheck ? { Healthcheck: healthcheck(run.healthcheck) } : {}),
    HostConfig: {
      NetworkMode: network,
      RestartPolicy: { Name: "no" },
      Mounts: service.mounts,
      ...volumesFrom(run, place, without),
      ...privileges(run, without),
      ...shared("PidMode", "pid", run.pid, place, without),
      ...shared("IpcMode", "ipc", run.ipc, place, without),
      ...flags({ Init: run.init, ReadonlyRootfs: run.read_only }),
      ...sizes({ ShmSize: run.shm_size, Memory: run.mem_limit }),
      ...(run.group_add ? { GroupAdd: run.group_add } : {}),
      ...(run.sysctls ? { Sysctls: run.sysctls } : {}),
      ...(run.ulimits
        ? {
          Ulimits: Object.entries(run.ulimits).map(([Name, { soft, hard }]) => ({
            Name,
            Soft: soft,
            Hard: hard,
          })),
        }
        : {}),
      // Names outside of the drill are asked of the container itself, where nobody answers.
      ...(own ? { Dns: ["127.0.0.1"], ...hosts(run, without) } : {}),
    },
  };
  if (network === place.network) {
    const aliases = Object.values(run.networks ?? {}).flatMap(({ aliases }) => aliases);
    const names = [service.name, service.container_name, ...aliases].filter((name) =>
      name !== null
    );
    body.NetworkingConfig = {
      EndpointsConfig: { [network]: { Aliases: [...new Set(names)] } },
    };
  }
  return { body, left_out };
}

type Without = (what: string) => void;

function networkMode(mode: string | undefined, place: DrillPlace, without: Without): string {
  if (mode === "none") return "none";
  const other = serviceIn(mode);
  if (other !== null) {
    const id = place.containerOf(other);
    if (id !== null) return `container:${id}`;
    without(`the network of ${other}, which does not run in the drill`);
  } else if (mode === "host") without("the host's network");
  else if (mode?.startsWith("container:")) without("another container's network");
  return place.network;
}

/** "service:db" is db. */
function serviceIn(mode: string | undefined): string | null {
  return mode?.startsWith("service:") ? mode.slice("service:".length) : null;
}

/** Of namespaces only those of other services, and those that are private. */
function shared(
  field: "PidMode" | "IpcMode",
  key: string,
  mode: string | undefined,
  place: DrillPlace,
  without: Without,
) {
  if (mode === undefined || mode === "") return {};
  const other = serviceIn(mode);
  const id = other === null ? null : place.containerOf(other);
  if (id !== null) return { [field]: `container:${id}` };
  if (["private", "shareable", "none"].includes(mode)) return { [field]: mode };
  without(`${key} "${mode}"`);
  return {};
}

function volumesFrom(run: RunDef, place: DrillPlace, without: Without) {
  const from = (run.volumes_from ?? []).flatMap((text) => {
    const [service, mode] = text.split(":");
    const id = service === "container" ? null : place.containerOf(service);
    if (id === null) without(`the volumes of ${text}`);
    return id === null ? [] : [mode ? `${id}:${mode}` : id];
  });
  return from.length > 0 ? { VolumesFrom: from } : {};
}

function privileges(run: RunDef, without: Without) {
  if (run.privileged === "true") without("privileges (privileged: true)");
  if (run.devices) without("the host's devices");
  for (const key of ["uts", "userns_mode", "runtime"] as const) {
    if (run[key] && run[key] !== "runc") without(`${key} "${run[key]}"`);
  }
  const name = (cap: string) => cap.toUpperCase().replace(/^CAP_/, "");
  const added = run.cap_add ?? [];
  const kept = added.filter((cap) => HARMLESS.has(name(cap)));
  const dropped = added.filter((cap) => !kept.includes(cap));
  if (dropped.length > 0) without(`the capabilities ${dropped.join(", ")}`);
  const opts = run.security_opt ?? [];
  const tight = opts.filter((opt) => /^no-new-privileges([:=]true)?$/.test(opt));
  const loose = opts.filter((opt) => !tight.includes(opt));
  if (loose.length > 0) without(`security_opt ${loose.join(", ")}`);
  return {
    ...(kept.length > 0 ? { CapAdd: kept } : {}),
    ...(run.cap_drop ? { CapDrop: run.cap_drop } : {}),
    ...(tight.length > 0 ? { SecurityOpt: tight } : {}),
  };
}

function hosts(run: RunDef, without: Without) {
  const all = run.extra_hosts ?? [];
  const kept = all.filter((line) => !line.endsWith(":host-gateway"));
  if (kept.length < all.length) without("the host's address (host-gateway)");
  return kept.length > 0 ? { ExtraHosts: kept } : {};
}

function healthcheck(check: NonNullable<RunDef["healthcheck"]>): HealthcheckBody {
  const text = (key: string) => typeof check[key] === "string" ? check[key] : undefined;
  if (text("disable") === "true") return { Test: ["NONE"] };
  const time = (key: string) => durationNs(text(key) ?? "") ?? undefined;
  const { test } = check;
  return {
    Test: typeof test === "object" ? test.argv : undefined,
    Interval: time("interval"),
    Timeout: time("timeout"),
    StartPeriod: time("start_period"),
    Retries: text("retries") === undefined ? undefined : Number(text("retries")),
  };
}

function texts<T extends string>(of: Record<T, string | undefined>) {
  return present(of) as Partial<Record<T, string>>;
}

function flags<T extends string>(of: Record<T, string | undefined>): Partial<Record<T, boolean>> {
  const entries = Object.entries<string | undefined>(of).filter(([, text]) => text === "true");
  return Object.fromEntries(entries.map(([key]) => [key, true])) as Partial<Record<T, boolean>>;
}

function sizes<T extends string>(of: Record<T, string | undefined>): Partial<Record<T, number>> {
  const entries = Object.entries<string | undefined>(of).map(([key, text]) =>
    [key, text === undefined ? null : sizeBytes(text)] as const
  );
  return Object.fromEntries(entries.filter(([, bytes]) => bytes !== null)) as Partial<
    Record<T, number>
  >;
}

function present(of: Record<string, string | undefined>) {
  return Object.fromEntries(
    Object.entries(of).filter(([, text]) => text !== undefined && text !== ""),
  );
}
