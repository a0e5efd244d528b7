import { describe, expect, it, vi } from "vitest";
import { FakeHost, JPEG as JPEG_PICTURE } from "../../test/fakes/fake-host.ts";
import type { ServerEvent } from "./server-events.ts";
import { HttpClient, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;

/** A server, the events of some kinds since its start, and its status. */
function watched(kinds: RegExp, config: Record<string, unknown> = {}, host = new FakeHost()) {
  const world = startServer(config, host);
  const events: ServerEvent[] = [];
  world.server.runtime.events.subscribe((event) => kinds.test(event.type) && events.push(event));
  const status = () => JSON.parse(world.server.status()) as Status;
  const told = () => events.splice(0).map(({ type, data }) => [type, data] as const);
  const pass = (seconds: number): void => host.advance(world.core, seconds * SECOND);
  return { ...world, world, told, status, pass };
}

type Status = {
  readonly server: { readonly loop: Record<string, unknown>; readonly listeners: readonly Record<string, unknown>[] };
  readonly cameras: readonly { readonly name: string; readonly state: string; readonly reason?: string }[];
  readonly encoders: readonly { readonly label: string; readonly state: string; readonly reason: string | null }[];
  readonly clients: readonly { readonly stalledSeconds: number }[];
};

/** Encoders give nothing from now on, without a word. */
function silence({ host }: { host: FakeHost }): void {
  host.encoding = false;
}

const encoder = (status: Status, label: string) => status.encoders.find((each) => each.label.startsWith(label));
const camera = (status: Status, name: string) => status.cameras.find((each) => each.name === name);

describe("an encoder that falls silent", () => {
  it("is closed after three seconds, told, shown with the reason, and gives pictures again to who waits", () => {
    const w = watched(/^(encoder|camera|client)\./);
    const viewer = new RtspClient(w.world);
    viewer.play("/live/back");
    viewer.watch(2 * SECOND);
    expect(w.told().map(([type]) => type)).toEqual(["client.connected"]);
    const before = viewer.rtp().length;
    silence(w);
    w.pass(2.9);
    expect(encoder(w.status(), "h264 /live/back")?.state).toBe("running");
    w.pass(1.2);
    expect(w.told()).toEqual([
      [
        "encoder.silent",
        { encoder: "h264 /live/back", camera: "back", seconds: expect.any(Number), times: 1, retrySeconds: 1 },
      ],
    ]);
    expect(encoder(w.status(), "h264 /live/back")).toMatchObject({
      ...{ state: "failed", reason: expect.stringMatching(/^no picture for [34] s$/), silentTimes: 1, failed: 1 },
    });
    expect(w.host.encodersOf("back")).toHaveLength(0);
    w.host.encoding = true;
    viewer.watch(2 * SECOND);
    expect(encoder(w.status(), "h264 /live/back")).toMatchObject({ state: "running", reason: null, silentTimes: 0 });
    expect(viewer.rtp().length).toBeGreaterThan(before + 20);
    expect(w.told()).toEqual([]);
  });

  it("from the beginning is given ten seconds, then opened anew with growing pauses", () => {
    const host = new FakeHost();
    silence({ host });
    const w = watched(/^encoder\./, { cameras: { back: { alwaysOn: true } } }, host);
    w.pass(9);
    expect(w.told()).toEqual([]);
    w.pass(200);
    const pauses = w
      .told()
      .map(([, data]) => data as { encoder: string; retrySeconds: number })
      .filter((each) => each.encoder === "h264 /live/back")
      .map(({ retrySeconds }) => retrySeconds);
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it("is not one that leaves out nine pictures of a slow rate, but one that leaves out more", () => {
    const slow = [{ path: "/slow", camera: "back", fps: 1 }];
    const w = watched(/^encoder\./, { profiles: slow });
    new RtspClient(w.world).play("/slow");
    w.pass(5);
    silence(w);
    w.pass(9);
    expect(w.told()).toEqual([]);
    w.pass(3);
    expect(w.told()).toMatchObject([["encoder.silent", { encoder: "h264 /slow" }]]);
  });

  it("while it lingers is closed for good", () => {
    const w = watched(/^encoder\./);
    const viewer = new RtspClient(w.world);
    viewer.play("/live/back");
    viewer.watch(SECOND);
    viewer.request("TEARDOWN", "rtsp://127.0.0.1/live/back");
    silence(w);
    w.pass(5);
    expect(w.told()).toMatchObject([["encoder.silent", { retrySeconds: null }]]);
    expect(encoder(w.status(), "h264 /live/back")?.state).toBe("idle");
  });
});

describe("a camera that falls silent", () => {
  it("is an error with a cure once opening it anew has not helped, until its first picture", () => {
    const w = watched(/^camera\./);
    const viewer = new RtspClient(w.world);
    viewer.play("/live/back");
    viewer.watch(SECOND);
    silence(w);
    w.pass(6);
    expect(w.told()).toEqual([]);
    w.pass(12);
    const said = { camera: "back", state: "error", reason: expect.stringContaining("gives no pictures") };
    expect(w.told()).toEqual([["camera.state", { ...said, fix: expect.stringContaining("restart the device") }]]);
    expect(camera(w.status(), "back")).toMatchObject({ state: "error", reason: said.reason });
    expect(camera(w.status(), "front")).toMatchObject({ state: "ok" });
    expect(w.world.server.metrics()).toContain('porthole_camera_ok{camera="back"} 0');
    w.host.encoding = true;
    w.pass(35);
    expect(w.told()).toMatchObject([["camera.state", { camera: "back", state: "ok", reason: null }]]);
    expect(camera(w.status(), "back")).toMatchObject({ state: "ok" });
  });

  it("is not one of whose encoders another gives pictures", () => {
    const w = watched(/^(camera|encoder)\./);
    new RtspClient(w.world).play("/live/back");
    w.pass(1);
    silence(w);
    const picture = new HttpClient(w.world);
    picture.send("GET", "/back");
    for (let second = 0; second < 30; second++) {
      const jpeg = w.host.encodersOf("back").find(({ spec }) => spec.codec === "jpeg")!;
      w.host.push(w.host.formatOf(jpeg.handle));
      w.host.jpegFrame(jpeg.handle, JPEG_PICTURE);
      w.pass(1);
    }
    const told = w.told();
    expect(told.length).toBeGreaterThan(1);
    for (const event of told) expect(event).toMatchObject(["encoder.silent", { encoder: "h264 /live/back" }]);
  });

  it("gets another chance at once when the host has news of it", () => {
    const w = watched(/^camera\./);
    new RtspClient(w.world).play("/live/back");
    w.pass(1);
    silence(w);
    w.pass(17);
    expect(w.told()).toMatchObject([["camera.state", { state: "error" }]]);
    const opened = w.host.called("encoderOpen").length;
    w.host.cameraList = w.host.cameraList.map((info) => ({ ...info, facing: "external" as const }));
    w.host.encoding = true;
    w.host.push({ type: "cameras" });
    w.host.settle(w.core);
    expect(w.told()).toMatchObject([["camera.state", { camera: "back", state: "ok" }]]);
    expect(w.host.called("encoderOpen")).toHaveLength(opened + 1);
  });
});

describe("a client whose socket is stuck", () => {
  it.each(["RTSP", "HTTP"])("over %s is shown, told after half a minute and closed", (protocol) => {
    const w = watched(/^client\./);
    const client = protocol === "RTSP" ? new RtspClient(w.world) : new HttpClient(w.world);
    if (client instanceof RtspClient) client.play("/live/back");
    else client.send("GET", "/back");
    w.pass(1);
    w.told();
    client.peer.window = 0;
    w.pass(20);
    expect(w.told()).toEqual([]);
    expect(w.status().clients[0]!.stalledSeconds).toBeGreaterThan(15);
    w.pass(18);
    expect(w.told()).toMatchObject([
      ["client.stalled", { client: 1, address: "127.0.0.1", seconds: expect.any(Number) }],
      ["client.left", { client: 1, reason: expect.stringContaining("takes no data") }],
    ]);
    expect(client.peer.state).toBe("reset");
    expect(w.status().clients).toEqual([]);
  });
});

describe("a loop that is held up", () => {
  /** One turn that takes so long by both clocks. */
  function slowTurn({ host, core }: World, ms: number, wallMs = ms): void {
    const now = vi.spyOn(Date, "now");
    const takeEvents = vi.spyOn(host, "takeEvents").mockImplementationOnce(() => {
      host.nowUs += ms * 1_000;
      now.mockReturnValueOnce(1_000 + wallMs);
      return "[]";
    });
    now.mockReturnValueOnce(1_000);
    core.turn(host.nowUs);
    takeEvents.mockRestore();
    now.mockRestore();
  }

  it("by its own work is told, at most every ten seconds, counted, and shown for a minute", () => {
    const w = watched(/^server\.slow/);
    slowTurn(w.world, 249);
    expect([w.told(), w.status().server.loop.state]).toEqual([[], "ok"]);
    slowTurn(w.world, 400);
    slowTurn(w.world, 300);
    expect(w.told()).toEqual([["server.slow", { kind: "turn", milliseconds: 400, times: 1 }]]);
    expect(w.status().server.loop).toEqual({
      ...{ state: "slow", reason: "a turn took 300 ms", slowTurns: 2, lateTurns: 0, longestTurnMs: 400 },
    });
    expect(w.world.server.metrics()).toContain('porthole_slow_turns_total{kind="turn"} 2');
    w.pass(11);
    slowTurn(w.world, 260);
    expect(w.told()).toEqual([["server.slow", { kind: "turn", milliseconds: 260, times: 2 }]]);
    w.pass(61);
    expect(w.status().server.loop).toMatchObject({ state: "ok", reason: null });
  });

  it("is not one whose wall clock was set meanwhile", () => {
    const w = watched(/^server\.slow/);
    slowTurn(w.world, 1, 3_600_000);
    expect([w.told(), w.status().server.loop.slowTurns]).toEqual([[], 0]);
  });

  it("from outside is told, and nobody is called silent for what nobody could hear", () => {
    const w = watched(/^(server\.slow|encoder\.)/);
    new RtspClient(w.world).play("/live/back");
    w.pass(2);
    // The device slept: no turn for a minute, and no frame in the first one after it.
    const encoding = w.host.encoding;
    w.host.encoding = false;
    w.host.nowUs += 60 * SECOND;
    w.host.settle(w.core);
    w.host.encoding = encoding;
    w.pass(3);
    const [slow, ...more] = w.told();
    expect(slow).toMatchObject(["server.slow", { kind: "late" }]);
    expect((slow![1] as { milliseconds: number }).milliseconds).toBeGreaterThan(58_000);
    expect(more).toEqual([]);
    expect(encoder(w.status(), "h264 /live/back")?.state).toBe("running");
  });
});
