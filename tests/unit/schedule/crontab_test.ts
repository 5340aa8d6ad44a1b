import assert from "node:assert/strict";
import { cronFile, cronLine, withLine, withoutLine } from "../../../lib/schedule/crontab.ts";

const options = {
  program: ["/usr/local/bin/duckback"],
  home: "/srv/100% mine",
  env: { DOCKER_HOST: "unix:///run/docker.sock" },
  log: "/srv/100% mine/daemon.log",
  user: null,
};

Deno.test("cronLine() is one heartbeat a minute, with what cron would change escaped", () => {
  assert.equal(
    cronLine(options),
    "* * * * * DOCKER_HOST=unix:///run/docker.sock /usr/local/bin/duckback --home " +
      "'/srv/100\\% mine' auto-backup daemon --once --log-file '/srv/100\\% mine/daemon.log' " +
      "# duckback auto-backup",
  );
});

Deno.test("cronFile() names the user, as /etc/cron.d wants", () => {
  assert.match(cronFile({ ...options, user: "root" }), /^\* \* \* \* \* root DOCKER_HOST=.*\n$/m);
});

Deno.test("withLine() and withoutLine() leave the lines of others alone", () => {
  const others = "MAILTO=ops\n0 5 * * * /usr/bin/true\n";
  const line = cronLine(options);
  const with_ours = withLine(others, line);
  assert.equal(with_ours, `${others}${line}\n`);
  assert.equal(withLine(with_ours, line), with_ours);
  assert.equal(withoutLine(with_ours), others);
  assert.equal(withoutLine(withLine("", line)), "");
});
