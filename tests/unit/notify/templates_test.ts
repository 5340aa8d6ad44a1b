import assert from "node:assert/strict";
import type { AlertEvent } from "../../../lib/core/events.ts";
import * as templates from "../../../lib/notify/templates.ts";

const event: AlertEvent = {
  kind: "service_down",
  at: "2026-01-31T02:00:00.000Z",
  host: "server1",
  stack: "shop",
  title: "Services of <shop> did not come back: é",
  message: "web\n@everyone & more",
  backup_id: 7,
};

Deno.test("generic() has all fields of the event", () => {
  const { body, headers } = templates.generic(event);
  assert.equal(headers["content-type"], "application/json");
  assert.deepEqual(JSON.parse(body), { source: "duckback", level: "bad", ...event });
});

Deno.test("slack() escapes what Slack takes for markup", () => {
  const { text } = JSON.parse(templates.slack(event).body);
  assert.match(text, /^:rotating_light: \*Services of &lt;shop&gt; did/);
  assert.match(text, /@everyone &amp; more$/);
});

Deno.test("discord() mentions nobody and keeps to Discord's limits", () => {
  const long = { ...event, title: "t".repeat(1_000), message: "m".repeat(10_000) };
  const { embeds: [embed], allowed_mentions } = JSON.parse(templates.discord(long).body);
  assert.deepEqual(allowed_mentions, { parse: [] });
  assert.ok(embed.title.length <= 256 && embed.description.length <= 4_096);
  assert.equal(embed.timestamp, event.at);
});

Deno.test("ntfy() puts the title into a header that HTTP can carry", () => {
  const { headers, body } = templates.ntfy(event);
  assert.match(headers.title, /^=\?UTF-8\?B\?[\w+/=]+\?=$/);
  const bytes = Uint8Array.from(atob(headers.title.slice(10, -2)), (char) => char.charCodeAt(0));
  assert.equal(new TextDecoder().decode(bytes), event.title);
  assert.equal(headers.priority, "5");
  assert.equal(body, `${event.message}\nserver1`);
  assert.equal(templates.ntfy({ ...event, title: "plain" }).headers.title, "plain");
});

Deno.test("gotify() ranks events", () => {
  const priority = (kind: AlertEvent["kind"]) =>
    JSON.parse(templates.gotify({ ...event, kind }).body).priority;
  assert.ok(priority("service_down") > priority("backup_partial"));
  assert.ok(priority("backup_partial") > priority("recovered"));
});
