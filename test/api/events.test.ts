/**
 * Many readers of events and many viewers at once, with readers that stall among them.
 */
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { Server } from "../interop/server.ts";
import { within } from "../interop/wait.ts";
import { ADMIN, DOCUMENT, startApiServer, textOf } from "./api-server.ts";
import { makeClient } from "./client.ts";

const EVENT_READERS = 50;
const STALLED = 3;
const VIEWERS = 100;

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await server?.stop();
});

/** A request on a connection of its own; `text` grows, unless it is paused at once. */
function open(target: string, stalled = false): { text: string; pictures: number } {
  const got = { text: "", pictures: 0 };
  const socket = connect(server!.ready.httpPort, "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic ${btoa(textOf(ADMIN))}\r\n\r\n`);
  if (stalled) return got;
  if (target === "/api/events") {
    socket.setEncoding("utf8").on("data", (text: string) => {
      got.text += text;
    });
  } else {
    socket.on("data", (bytes: Buffer) => {
      for (let at = bytes.indexOf("--porthole-frame"); at >= 0; at = bytes.indexOf("--porthole-frame", at + 1)) {
        got.pictures++;
      }
    });
  }
  return got;
}

const idsOf = ({ text }: { readonly text: string }): number[] =>
  [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));

test(`${EVENT_READERS} event readers, ${STALLED} of them stalled, and ${VIEWERS} viewers: everybody hears and sees everything`, async () => {
  const width = 320;
  server = await startApiServer({
    limits: { clients: VIEWERS, clientsPerAddress: VIEWERS, connections: 400, connectionsPerAddress: 400 },
    mjpeg: { fps: 5 },
    profiles: [{ path: "/small", camera: "back", codec: "mjpeg", width, height: 176, quality: 30 }],
  });
  await server.explain(async () => {
    const readers = Array.from({ length: EVENT_READERS - STALLED }, () => open("/api/events"));
    for (let i = 0; i < STALLED; i++) open("/api/events", true);
    await within(5_000, "every event stream's beginning", () => readers.every(({ text }) => text.includes("retry:")));
    const viewers = Array.from({ length: VIEWERS }, () => open("/small"));
    await within(20_000, "three pictures for every viewer", () => viewers.every(({ pictures }) => pictures >= 4));

    // Each viewer's coming is an event for each reader, none twice and none missing.
    const connected = ({ text }: { readonly text: string }): number =>
      text.split("event: client.connected\n").length - 1;
    await within(5_000, "every event for every reader", () => readers.every((reader) => connected(reader) === VIEWERS));
    for (const reader of readers) {
      const ids = idsOf(reader);
      expect(ids).toEqual(ids.map((_, index) => ids[0]! + index));
      expect(reader.text).toBe(readers[0]!.text.slice(-reader.text.length));
    }
    const client = makeClient(DOCUMENT, server!.httpUrl(""), textOf(ADMIN));
    const { body } = await client.getStatus!();
    const { server: state, clients } = body as { server: Record<string, number>; clients: unknown[] };
    expect([state.eventStreams, clients.length]).toEqual([EVENT_READERS, VIEWERS]);

    // And they still see, a second later.
    const before = viewers.map(({ pictures }) => pictures);
    await within(10_000, "more pictures", () => viewers.every(({ pictures }, index) => pictures > before[index]! + 2));
  });
}, 60_000);
