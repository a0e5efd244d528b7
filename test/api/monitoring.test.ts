/**
 * Metrics as Prometheus' own tool reads them, and webhooks with a real receiver, on a real server.
 */

import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { parsePrometheusText, valueIn } from "../fakes/prometheus-text.ts";
import { testWith } from "../interop/clients.ts";
import type { Server } from "../interop/server.ts";
import { within } from "../interop/wait.ts";
import { DOCUMENT, GUEST, startApiServer, textOf } from "./api-server.ts";
import { makeClient } from "./client.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function start(config: Record<string, unknown> = {}): Promise<Server> {
  const server = await startApiServer(config);
  ends.push(() => server.stop());
  return server;
}

async function metricsOf(server: Server): Promise<string> {
  const client = makeClient(DOCUMENT, server.httpUrl(""), textOf(GUEST));
  return (await client.getMetrics!()).body as string;
}

testWith("promtool")("promtool finds nothing to say against the metrics of a server that is in use", async () => {
  const server = await start({ webhooks: [{ url: "http://127.0.0.1:9/" }], snapshots: [{ camera: "back", every: 1 }] });
  await server.explain(async () => {
    const abort = new AbortController();
    ends.push(() => abort.abort());
    const headers = { Authorization: `Basic ${btoa(textOf(GUEST))}` };
    await fetch(server.httpUrl("/back"), { headers, signal: abort.signal });
    const text = await within(10_000, "a measured picture", async () => {
      const now = await metricsOf(server);
      const taken = now.includes('porthole_events_total{type="snapshot.taken"}');
      // One turn in eight is timed, and turns take time here, other than on a host in memory.
      const timed = valueIn(now, "porthole_turn_duration_seconds_sum") > 0;
      return taken && timed && now.includes("porthole_sent_frames_total") && now;
    });
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    parsePrometheusText(text);
    expect(valueIn(text, "porthole_clients", { protocol: "http", transport: "tcp" })).toBe(1);
    expect(valueIn(text, "porthole_memory_bytes")).toBeGreaterThan(1_000_000);
  });
});

type Received = { readonly headers: IncomingMessage["headers"]; readonly url: string; readonly body: Buffer };

/** A receiver that answers with these statuses in turn, then with 204. */
async function startReceiver(statuses: number[]): Promise<{ readonly received: Received[]; readonly port: number }> {
  const received: Received[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      received.push({ headers: request.headers, url: request.url ?? "", body: Buffer.concat(chunks) });
      const status = statuses.shift() ?? 204;
      response.writeHead(status);
      // In chunks, as Node does without a length.
      response.write(status === 204 ? "" : "not now, ");
      response.end(status === 204 ? "" : "sorry");
    });
  });
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  ends.push(() => new Promise((done) => receiver.close(done)));
  return { received, port: (receiver.address() as AddressInfo).port };
}

test("a real receiver gets events in order, signed, and one that it did not take a second time", async () => {
  const { received, port } = await startReceiver([204, 500]);
  const secret = "geheim-é-long";
  const events = ["server.started", "login.failed"];
  // By name: hosts look it up off the loop.
  const url = `http://localhost:${port}/hook?of=door`;
  const server = await start({ webhooks: [{ url, secret, events }] });
  await server.explain(async () => {
    await within(10_000, "the first event", () => received.length === 1);
    const wrong = { Authorization: `Basic ${btoa("guest:wrong")}` };
    await fetch(server.httpUrl("/api/status"), { headers: wrong });
    await within(10_000, "the second try", () => received.length === 3);
    const types = received.map(({ body }) => (JSON.parse(body.toString()) as { type: string }).type);
    expect(types).toEqual(["server.started", "login.failed", "login.failed"]);
    for (const { headers, url: target, body } of received) {
      expect(target).toBe("/hook?of=door");
      expect(headers["x-porthole-signature"]).toBe(`sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
      expect(headers.host).toBe(`localhost:${port}`);
      expect(headers["content-type"]).toBe("application/json");
    }
    const ids = received.map(({ headers }) => headers["x-porthole-delivery"]);
    expect(ids[1]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
    const text = await within(5_000, "the count", async () => {
      const now = await metricsOf(server);
      return valueIn(now, "porthole_webhook_delivered_total") === 2 && now;
    });
    expect(valueIn(text, "porthole_webhook_failed_tries_total")).toBe(1);
  });
});
