/**
 * Being found: a real server and the library zeroconf (PyPI) on the loopback interface, by multicast.
 */
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { Server, VIEWER } from "./server.ts";

const test = testWith("zeroconf");
const testFfprobe = testWith("ffmpeg");

type Found = {
  readonly services: Readonly<Record<string, Service>>;
  readonly types: readonly string[];
};
type Service = {
  readonly host: string;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly txt: Readonly<Record<string, string>>;
};

/** Another checkout's tests may run on this machine. */
const NAME = `porthole-test-${process.pid}`;
const SERVICES = 5;

/** The loopback interface takes part only when it is named. */
function start(): Promise<Server> {
  const all = Object.entries(networkInterfaces());
  const loopback = all.find(([, addresses]) => addresses?.some(({ address }) => address === "127.0.0.1"))![0];
  return Server.start({ config: { discovery: { name: NAME, interfaces: [loopback] } } });
}

async function find(host: string): Promise<Found> {
  const command = [".cache/python/bin/python", "test/interop/find_services.py", "10", String(SERVICES), host];
  const run = await runClient(command, { timeoutMs: 25_000 });
  expect(run.code, run.stderr).toBe(0);
  const found = JSON.parse(run.stdout) as Found;
  const ours = Object.entries(found.services).filter(([, service]) => service.host === host);
  return { ...found, services: Object.fromEntries(ours) };
}

let server: Server;
beforeAll(async () => {
  server = await start();
});
afterAll(() => server?.stop());

describe("zeroconf", () => {
  test("finds the page and every stream, each with its port, address and path", () =>
    server.explain(async () => {
      const { services, types } = await find(`${NAME}.local.`);
      expect(types).toEqual(expect.arrayContaining(["_http._tcp.local.", "_rtsp._tcp.local."]));
      const common = { host: `${NAME}.local.`, addresses: ["127.0.0.1"] };
      const stream = (path: string, camera: string, codec: string) => [
        `${NAME} ${path.slice(1)}._rtsp._tcp.local.`,
        { ...common, port: server.ready.rtspPort, txt: { path, camera, codec } },
      ];
      expect(services).toEqual({
        [`${NAME}._http._tcp.local.`]: { ...common, port: server.ready.httpPort, txt: { path: "/" } },
        ...Object.fromEntries([
          stream("/live/back", "back", "h264"),
          stream("/live/back/mjpeg", "back", "mjpeg"),
          stream("/live/front", "front", "h264"),
          stream("/live/front/mjpeg", "front", "mjpeg"),
        ]),
      });
    }));

  testFfprobe("tells enough to reach a stream", () =>
    server.explain(async () => {
      const { services } = await find(`${NAME}.local.`);
      const { addresses, port, txt } = services[`${NAME} live/back._rtsp._tcp.local.`]!;
      const url = `rtsp://${VIEWER.name}:${VIEWER.password}@${addresses[0]}:${port}${txt.path}`;
      const options = [
        "-v",
        "warning",
        "-rtsp_transport",
        "tcp",
        "-show_entries",
        "stream=codec_name",
        "-of",
        "csv=p=0",
      ];
      const run = await runClient(["ffprobe", ...options, url], { timeoutMs: 20_000 });
      expect(run).toMatchObject({ code: 0, stderr: "", stdout: "h264\n" });
      const page = await fetch(server.httpUrl("/api/openapi.json"), { redirect: "manual" });
      expect(page.status).toBe(401);
    }),
  );

  test("finds a second server of the same name on this machine under other names", () =>
    server.explain(async () => {
      const second = await start();
      try {
        const { services } = await second.explain(async () => {
          let found = await find(`${NAME}.local.`);
          for (let tries = 0; tries < 3 && Object.keys(found.services).length < 2 * SERVICES; tries++) {
            found = await find(`${NAME}.local.`);
          }
          return found;
        });
        const ports = (name: string) => services[`${name}._rtsp._tcp.local.`]?.port;
        expect(ports(`${NAME} live/back`)).toBe(server.ready.rtspPort);
        expect(ports(`${NAME} live/back (2)`)).toBe(second.ready.rtspPort);
      } finally {
        await second.stop();
      }
    }));
});
