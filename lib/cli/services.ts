/** `duckback docker-service start|stop|restart|status`. */
import { Command } from "./commander.ts";
import { EXIT_CODES } from "../core/errors.ts";
import { formatAge } from "../core/units.ts";
import type { ServicesOutcome, ServiceVerb, ServiceView } from "../operations/services.ts";
import { unhealthyLines } from "./backup_view.ts";
import { examples } from "./options.ts";
import type { Session } from "./session.ts";
import type { Style } from "./style.ts";
import { cell, table } from "./table.ts";

const ABOUT: Record<ServiceVerb, string> = {
  start: "start what is to run, in dependency order, and wait until it is well",
  stop: "stop what runs, dependents first",
  restart: "stop what runs, start it again",
};

export function addServices(program: Command, session: Session) {
  const group = program.command("docker-service").description("the stack's services, by hand");
  for (const verb of ["start", "stop", "restart"] as const) {
    group.command(verb)
      .description(ABOUT[verb])
      .argument("[service...]", "only these")
      .addHelpText(
        "after",
        examples(`duckback docker-service ${verb}`, `duckback docker-service ${verb} web`),
      )
      .action(async (services) => {
        const { changeServices } = await import("../operations/services.ts");
        const done = await changeServices(
          session.context(`docker-service ${verb}`),
          verb,
          services,
        );
        report(session, done, [
          done.changed.length > 0 ? `${PAST[verb]}: ${done.changed.join(", ")}` : "Nothing to do.",
          "",
        ]);
      });
  }
  group.command("status")
    .description("service, container, state, health, restart policy, image, ports")
    .addHelpText("after", examples("duckback docker-service status --json"))
    .action(async () => {
      const { serviceStatus } = await import("../operations/services.ts");
      report(session, await serviceStatus(session.context("docker-service status")), []);
    });
}

const PAST: Record<ServiceVerb, string> = {
  start: "Started",
  stop: "Stopped",
  restart: "Restarted",
};

function report(session: Session, done: ServicesOutcome, head: string[]) {
  const bad = (done.health?.unhealthy.length ?? 0) > 0;
  session.result(
    { success: true, ...done },
    () => [
      ...head,
      ...serviceLines(done.services, session.terminal.now(), session.out_style),
      ...unhealthyLines(done.health),
    ],
    bad ? EXIT_CODES.PARTIAL : 0,
  );
}

/** The table of services, for `docker-service`, `init` and `status`. */
export function serviceLines(services: ServiceView[], now: Date, style: Style): string[] {
  if (services.length === 0) return ["The stack has no services."];
  return table(
    [
      { title: "SERVICE" },
      { title: "CONTAINER" },
      { title: "STATE" },
      { title: "HEALTH" },
      { title: "RESTART" },
      { title: "SINCE", align: "right" },
      { title: "IMAGE" },
      { title: "PORTS" },
    ],
    services.map((service) => [
      cell(service.service),
      cell(service.container),
      stateText(service, style),
      service.health ?? "",
      service.restart_policy,
      service.since ? formatAge(service.since, now) : "",
      cell(service.image),
      service.ports.join(", "),
    ]),
    style.bold,
  );
}

function stateText(service: ServiceView, style: Style): string {
  if (service.state === "running") return style.green("running");
  if (service.state === "exited" && service.exit_code !== null) {
    return service.exit_code === 0 ? "exited (0)" : style.yellow(`exited (${service.exit_code})`);
  }
  return service.state;
}
