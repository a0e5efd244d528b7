/**
 * One encode, many viewers: twelve on one stream, a hundred in all, over TCP and UDP, and nobody loses a packet.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { field, Reader, RtspClient } from "./rtsp-client.ts";
import { Server } from "./server.ts";
import { pause, within } from "./wait.ts";

const FIRST = 12;
const ALL = 100;
const FPS = 25;
const WINDOW_S = 5;
/** Pictures that a window may hold more or fewer, for where its ends fall. */
const SLACK = 3;
const JOIN_AT_ONCE = 8;

const PATHS = ["/live/back", "/live/front", "/live/back/mjpeg", "/live/front/mjpeg"];

let server: Server;
const readers: Reader[] = [];
beforeAll(async () => {
  // All of them come from one address.
  server = await Server.start({ config: { limits: { clientsPerAddress: ALL } } });
});
afterAll(async () => {
  for (const reader of readers) reader.hangUp();
  await server?.stop();
});

async function join(paths: readonly string[]): Promise<void> {
  for (let at = 0; at < paths.length; at += JOIN_AT_ONCE) {
    const some = paths.slice(at, at + JOIN_AT_ONCE);
    const joined = await Promise.all(
      some.map((path, i) => Reader.play(server, path, (at + i) % 2 === 0 ? "tcp" : "udp")),
    );
    readers.push(...joined);
    await Promise.all(joined.map((reader) => reader.pictures(1, 10_000)));
  }
}

/** Watches for a while and expects every picture at every reader. */
async function expectAllPictures(): Promise<void> {
  const before = readers.map(({ track }) => track.pictures.length);
  const startedMs = performance.now();
  await pause(WINDOW_S * 1_000);
  const expected = ((performance.now() - startedMs) / 1_000) * FPS;
  const wrong = readers.flatMap((reader, i) => {
    const { track, url } = reader;
    const seen = track.pictures.length - before[i]!;
    if (track.lost === 0 && Math.abs(seen - expected) <= SLACK && track.oddities.length === 0) return [];
    const over = reader.udp === undefined ? "TCP" : "UDP";
    return [
      `${url} over ${over}: ${seen} pictures, ${track.lost} packets lost, ${track.oddities.slice(0, 3).join("; ")}`,
    ];
  });
  expect(wrong, `of ${readers.length} readers, ${expected.toFixed(0)} pictures expected`).toEqual([]);
}

test(`${FIRST} readers of one stream all get all of it from one encoder`, () =>
  server.explain(async () => {
    await join(new Array<string>(FIRST).fill("/live/back"));
    await expectAllPictures();
    const status = await server.status();
    const running = status.encoders.filter((encoder) => encoder.state === "running");
    expect(running).toHaveLength(1);
    expect(running[0]).toMatchObject({ opened: 1, droppedByHost: 0 });
    expect(status.clients).toHaveLength(FIRST);
    expect(status.clients.filter((client) => client.skippedFrames > 0)).toEqual([]);
  }));

test(
  `${ALL} readers in all, TCP and UDP mixed, all get all of it from one encoder a profile`,
  () =>
    server.explain(async () => {
      // Most watch H.264, some JPEG: ten times the bytes.
      const paths = Array.from({ length: ALL - FIRST }, (_, i) => PATHS[i % 11 === 0 ? 2 + (i % 2) : i % 2]!);
      await join(paths);
      expect(readers).toHaveLength(ALL);
      await expectAllPictures();
      const status = await server.status();
      const running = status.encoders.filter((encoder) => encoder.state === "running");
      expect(running).toHaveLength(PATHS.length);
      expect(running.filter((encoder) => encoder.opened !== 1 || encoder.droppedByHost !== 0)).toEqual([]);
      expect(status.clients).toHaveLength(ALL);
      expect(status.clients.filter((client) => client.skippedFrames > 0)).toEqual([]);
      expect(status.profiles.map((profile) => profile.players).reduce((sum, players) => sum + players, 0)).toBe(ALL);
    }),
  60_000,
);

test("the one beyond the limit is told 453, and has its place once somebody leaves", () =>
  server.explain(async () => {
    expect(readers).toHaveLength(ALL);
    const client = await RtspClient.open(server);
    const url = server.rtspUrl("/live/back");
    const transport = { Transport: "RTP/AVP/TCP;unicast;interleaved=0-1" };
    const described = await client.request("DESCRIBE", url);
    expect(described.status).toBe(200);
    expect((await client.request("SETUP", `${url}/trackID=0`, transport)).status).toBe(453);
    await readers.pop()!.leave();
    const set = await client.request("SETUP", `${url}/trackID=0`, transport);
    expect(set.status).toBe(200);
    expect(field(set, "Session")).toBeDefined();
    client.close();
  }));

test("everybody's leaving leaves no viewer behind", () =>
  server.explain(async () => {
    await Promise.all(readers.splice(0).map((reader) => reader.leave()));
    await within(5_000, "a status without clients", async () => (await server.status()).clients.length === 0);
  }));
