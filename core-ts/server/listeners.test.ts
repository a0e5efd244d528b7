import { describe, expect, it } from "vitest";
import type { Core } from "../../bindings/contract/core.ts";
import type { CloseReason, HostEvent } from "../../bindings/contract/events.ts";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { parseConfig } from "../config/config.ts";
import { Listeners } from "./listeners.ts";
import { Runtime } from "./runtime.ts";
import { HttpClient, RtspClient, startServer } from "./testing.ts";

const SECOND = 1_000_000;

/** Listeners with the loop that they need, and what their owner hears. */
function bench(config: Record<string, unknown> = {}) {
  const host = new FakeHost();
  const runtime = new Runtime(host);
  runtime.nowUs = host.nowUs;
  const heard: string[] = [];
  const listeners = new Listeners(runtime, {
    onAccepted: (kind, { peer }) => heard.push(`${kind} ${peer.address}`),
    certificateNames: () => [],
    onListening: () => heard.push("up"),
    onListenFailed: (message) => heard.push(message),
  });
  const core: Core = {
    contractVersion: 1,
    start: () => undefined,
    turn(nowUs) {
      runtime.nowUs = nowUs;
      for (const event of JSON.parse(host.takeEvents()) as HostEvent[]) {
        if (event.type === "accepted") runtime.ownerOf(event.listener)?.onEvent(event);
        else if ("handle" in event) runtime.ownerOf(event.handle)?.onEvent(event);
      }
      runtime.timers.runDue(nowUs);
      return runtime.timers.nextDueUs();
    },
  };
  const apply = (changed: Record<string, unknown>): void => {
    listeners.apply(parseConfig(undefined, changed));
    host.settle(core);
  };
  const opened = () => host.called("tcpListen").map((call) => JSON.parse(call.args[0] as string).port as number);
  apply(config);
  return { host, runtime, listeners, core, heard, apply, opened };
}

describe("listeners", () => {
  it("are told to be up once, when all of them are", () => {
    const b = bench({ http: { morePorts: [8090, 8091] } });
    expect(b.opened()).toEqual([7778, 8089, 8090, 8091]);
    expect(b.heard).toEqual(["up"]);
    b.host.connect(8091, { address: "10.0.0.5" });
    b.host.connect(7778, { address: "10.0.0.6" });
    b.host.settle(b.core);
    expect(b.heard).toEqual(["up", "http 10.0.0.5", "rtsp 10.0.0.6"]);
  });

  it("tell the port that a 0 has become", () => {
    const b = bench({ rtsp: { port: 0 }, http: { port: 0 } });
    expect(b.listeners.portOf("rtsp")).toBeGreaterThan(1_024);
    expect(b.listeners.portOf("http")).toBeGreaterThan(1_024);
    expect(b.listeners.portOf("http")).not.toBe(b.listeners.portOf("rtsp"));
  });

  it("are none for a protocol that is switched off", () => {
    const b = bench({ rtsp: { enabled: false } });
    expect(b.opened()).toEqual([8089]);
    expect(b.listeners.portOf("rtsp")).toBe(0);
  });

  it("are kept by a change that does not concern them, and replaced by one that does", () => {
    const b = bench();
    const client = b.host.connect(7778);
    b.apply({ http: { port: 8099 }, log: { level: "debug" } });
    expect(b.opened()).toEqual([7778, 8089, 8099]);
    expect(b.host.called("listenerClose")).toHaveLength(1);
    expect(() => b.host.connect(8089)).toThrow("nothing listens");
    expect(b.listeners.portOf("http")).toBe(8099);
    expect(client.state).toBe("open");
    const ups = (): number => b.heard.filter((each) => each === "up").length;
    expect(ups()).toBe(2);
    b.apply({ http: { port: 8099 } });
    expect(ups()).toBe(2);
    b.apply({ http: { port: 8099 }, address: "127.0.0.1" });
    expect(b.opened().slice(3)).toEqual([7778, 8099]);
    b.apply({ http: { enabled: false }, address: "127.0.0.1" });
    expect(b.host.called("listenerClose")).toHaveLength(4);
    expect(b.runtime.ownedHandles).toBe(1);
    // Two protocols may swap their ports in one change.
    b.apply({ rtsp: { port: 8099 }, http: { port: 7778 }, address: "127.0.0.1" });
    expect([b.listeners.portOf("rtsp"), b.listeners.portOf("http")]).toEqual([8099, 7778]);
  });

  const faults: [CloseReason, RegExp][] = [
    ["in-use", /^RTSP can't listen on 0\.0\.0\.0:7778: the port is in use; .*set rtsp\.port/],
    ["denied", /the system denies it; .*set rtsp\.port higher/],
    ["unreachable", /no such address; set address/],
    ["not-found", /no such address; set address/],
    ["failed", /^RTSP can't listen on 0\.0\.0\.0:7778: the reason$/],
  ];
  it.each(faults)("that end with %s at the start name the port and the cure", (reason, message) => {
    const host = new FakeHost();
    const heard: string[] = [];
    const runtime = new Runtime(host);
    const listeners = new Listeners(runtime, {
      onAccepted: () => {},
      certificateNames: () => [],
      onListening: () => heard.push("up"),
      onListenFailed: (text) => heard.push(text),
    });
    listeners.apply(parseConfig(undefined));
    const handle = host.called("tcpListen")[0]!.result as number;
    runtime.ownerOf(handle)!.onEvent({ type: "closed", handle, reason, detail: "the reason" });
    expect(heard).toEqual([expect.stringMatching(message)]);
  });

  it("that the host refuses at once are told just so", () => {
    const host = new FakeHost();
    host.fail("tcpListen", -6);
    startServer({}, host);
    expect(host.exited?.code).toBe(2);
    expect(host.exited?.message).toContain("RTSP can't listen on 0.0.0.0:7778");
    expect(host.readyInfo).toBeUndefined();
  });

  it("that are lost while serving are opened again after 1, 2, 4 … 30 seconds, as often as it takes, and it is told once", () => {
    const b = bench();
    const told: string[] = [];
    b.runtime.events.subscribe(({ type, data }) => told.push(`${type} ${JSON.stringify(data)}`));
    const handle = b.host.called("tcpListen")[0]!.result as number;
    b.host.listenerClose(handle);
    b.host.fail("tcpListen", -6, 7);
    const from = b.host.nowUs;
    b.host.push({ type: "closed", handle, reason: "failed", detail: "the interface went" });
    b.host.settle(b.core);
    expect(b.heard).toEqual(["up"]);
    expect(b.host.logs.at(-1)).toMatchObject({ level: "error", line: expect.stringContaining("the interface went") });
    expect(b.listeners.portOf("rtsp")).toBe(0);
    expect(b.listeners.states()[0]).toMatchObject({ state: "lost", reason: expect.stringContaining("interface went") });
    const at: number[] = [];
    while (b.listeners.portOf("rtsp") === 0) {
      const before = b.opened().length;
      b.host.advance(b.core, 500_000);
      if (b.opened().length > before) at.push(Math.round((b.host.nowUs - from) / SECOND));
    }
    expect(at.map((each, index) => each - (at[index - 1] ?? 0))).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    expect(b.listeners.states()[0]).toEqual({
      ...{ protocol: "rtsp", address: "0.0.0.0", port: 7778, state: "listening", reason: null },
      ...{ tls: false, fingerprint: null },
    });
    expect(b.heard).toEqual(["up", "up"]);
    expect(told.map((each) => each.split(" ")[0])).toEqual(["listener.lost", "listener.lost", "listener.up"]);
    expect(b.runtime.timers.size).toBe(0);
  });

  it("on any free port come back on the one they had, unless somebody else has it by now", () => {
    const b = bench({ rtsp: { port: 0 } });
    const first = b.listeners.portOf("rtsp");
    const lose = (reason: CloseReason): void => {
      const handle = b.host
        .called("tcpListen")
        .filter(({ args }) => !String(args[0]).includes("8089"))
        .at(-1)!.result;
      b.host.listenerClose(handle as number);
      b.host.push({ type: "closed", handle: handle as number, reason });
      b.host.settle(b.core);
      b.host.advance(b.core, 31 * SECOND);
    };
    lose("failed");
    expect(b.listeners.portOf("rtsp")).toBe(first);
    lose("in-use");
    expect(b.opened().slice(2)).toEqual([first, 0]);
    expect(b.listeners.portOf("rtsp")).toBeGreaterThan(0);
  });

  it("that are lost and then no longer asked for stay closed", () => {
    const b = bench();
    const handle = b.host.called("tcpListen")[0]!.result as number;
    b.host.push({ type: "closed", handle, reason: "reset" });
    b.host.settle(b.core);
    b.apply({ rtsp: { port: 7780 } });
    b.host.advance(b.core, 20 * SECOND);
    expect(b.opened()).toEqual([7778, 8089, 7780]);
  });

  it("end all together", () => {
    const b = bench();
    b.listeners.close();
    b.listeners.close();
    expect(b.runtime.ownedHandles).toBe(0);
    expect(() => b.host.connect(7778)).toThrow();
  });
});

describe("the server's start", () => {
  it("tells it is ready once, with ports and paths", () => {
    const { host, core } = startServer();
    expect(host.readyInfo).toEqual({
      rtspPort: 7778,
      httpPort: 8089,
      rtspsPort: 0,
      httpsPort: 0,
      users: [],
      authentication: false,
      paths: {
        rtsp: ["/live/back", "/live/front", "/live/back/mjpeg", "/live/front/mjpeg"],
        http: ["/Back/", "/Back/snapshot.jpg", "/Front/", "/Front/snapshot.jpg"],
      },
    });
    host.readyInfo = undefined;
    host.stored.config = { state: "present", text: '{"rtsp":{"port":7790}}' };
    host.push({ type: "config" });
    host.settle(core);
    expect(host.readyInfo).toBeUndefined();
  });

  it("does not wait for a camera: it serves and says what is wrong", () => {
    const host = new FakeHost();
    host.cameraList = [];
    const world = startServer({}, host);
    expect(host.readyInfo).toBeDefined();
    expect(new RtspClient(world).request("OPTIONS", "*").status).toBe(200);
    const reply = new RtspClient(world).request("DESCRIBE", "rtsp://h/live/back");
    expect(reply.status).toBe(503);
    expect(reply.headers.get("x-camera-state")).toContain("no camera named back");
  });

  it("serves every HTTP port alike", () => {
    const world = startServer({ http: { morePorts: [8090] } });
    expect(new HttpClient(world, "127.0.0.1", 8090).get("/api/status").status).toBe(200);
  });
});
