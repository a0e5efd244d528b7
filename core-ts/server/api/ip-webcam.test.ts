import { beforeEach, describe, expect, test } from "vitest";
import type { CameraInfo } from "../../../bindings/contract/host.ts";
import { FakeHost } from "../../../test/fakes/fake-host.ts";
import { startServer, type World } from "../testing.ts";
import { ADMIN, type Asked, ask, errorOf, startWithLogins, VIEWER } from "./testing.ts";

const TORCH: CameraInfo = {
  name: "back",
  state: "ok",
  codecs: ["h264", "jpeg"],
  sizes: [],
  facing: "back",
  torch: true,
  zoom: { min: 1, max: 4 },
};
const ONE_CAMERA = {
  builtinProfiles: false,
  cameras: { back: {} },
  profiles: [{ path: "/a", camera: "back", codec: "mjpeg" }],
};
const FRONT: CameraInfo = { name: "front", state: "ok", codecs: ["h264", "jpeg"], sizes: [], facing: "front" };

let host: FakeHost;
let world: World;

function start(config: Record<string, unknown> = {}, cameras: CameraInfo[] = [TORCH, FRONT]): void {
  host = new FakeHost();
  host.cameraList = cameras;
  world = startServer(config, host);
}
beforeEach(() => start());

const get = (target: string, asked: Asked = {}) => ask(world, "GET", target, asked);
const statusJson = (target = "/status.json") => JSON.parse(get(target).body) as Record<string, Record<string, unknown>>;
const setOf = () => host.called("cameraSet").map(({ args }) => [args[0], JSON.parse(args[1] as string)]);
/** What the first stream shows. */
const shown = () => world.server.profiles.byKey("/live/back/mjpeg")?.encoder.spec;

describe("the pictures of IP Webcam", () => {
  test("are those of the first MJPEG stream", () => {
    expect(get("/video").headers.get("content-type")).toMatch(/^multipart\/x-mixed-replace;/);
    for (const path of ["/shot.jpg", "/photo.jpg", "/SHOT.jpg?rnd=4711"]) {
      const response = get(path);
      expect(response.status, path).toBe(200);
      expect(response.headers.get("content-type")).toBe("image/jpeg");
      expect(response.headers.get("x-width")).toBe("1280");
    }
    expect(host.encodersOf("front")).toEqual([]);
  });

  test("are not there when the paths are switched off, nor without MJPEG", () => {
    world = startServer({ http: { ipWebcam: false } });
    for (const path of [
      "/video",
      "/shot.jpg",
      "/status.json",
      "/sensors.json",
      "/settings/quality?set=5",
      "/enabletorch",
    ]) {
      expect(get(path).status, path).toBe(404);
    }
    world = startServer({ builtinProfiles: false, profiles: [{ path: "/yard", camera: "back" }] });
    expect(get("/video").status).toBe(404);
    expect(errorOf(get("/status.json")).code).toBe("no-such-profile");
  });

  test("make way for a stream of the operator's own with such a path", () => {
    start({ profiles: [{ path: "/video", camera: "front", codec: "mjpeg", width: 640, height: 480 }] });
    get("/video");
    expect(host.encodersOf("back")).toEqual([]);
    expect(get("/video/snapshot.jpg").headers.get("x-width")).toBe("640");
  });

  test("take the tokens of that stream, and of no other", () => {
    world = startWithLogins();
    const tokenOf = (stream: string) => {
      const made = ask(world, "POST", "/api/tokens", { login: ADMIN, body: { stream } });
      return (JSON.parse(made.body) as { token: string }).token;
    };
    expect(get(`/shot.jpg?token=${tokenOf("back")}`).status).toBe(200);
    expect(get(`/video?token=${tokenOf("live/back/mjpeg")}`).status).toBe(200);
    expect(errorOf(get(`/shot.jpg?token=${tokenOf("front")}`)).code).toBe("bad-token");
    expect(get(`/status.json?token=${tokenOf("back")}`).status).toBe(401);
  });
});

describe("the state as IP Webcam tells it", () => {
  test("has the settings that the device has", () => {
    expect(statusJson()).toEqual({
      video_connections: 0,
      audio_connections: 0,
      curvals: { quality: "80", ffc: "off", torch: "off", zoom: "100" },
    });
    const { avail } = statusJson("/status.json?show_avail=1");
    expect(avail).toMatchObject({ ffc: ["on", "off"], torch: ["on", "off"] });
    expect(avail?.quality).toHaveLength(100);
    start(ONE_CAMERA, [{ ...TORCH, torch: false }]);
    expect(Object.keys(statusJson().curvals!)).toEqual(["quality", "zoom"]);
  });

  test("counts who watches", () => {
    const peer = host.connect(8089);
    peer.send("GET /video HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    host.advance(world.core, 500_000);
    expect(statusJson().video_connections).toBe(1);
  });

  test("has the battery, as far as the device knows it", () => {
    const sensors = () => JSON.parse(Buffer.from(get("/sensors.json").body, "latin1").toString()) as unknown;
    expect(sensors()).toEqual({});
    host.device = { battery: 84, temperature: 31.5 };
    const timeMs = Math.floor((host.nowUs + host.wallOffsetUs) / 1_000);
    expect(sensors()).toEqual({
      battery_level: { unit: "%", data: [[timeMs, [84]]] },
      battery_temp: { unit: "°C", data: [[timeMs, [31.5]]] },
    });
  });
});

describe("the settings of IP Webcam", () => {
  test("switch the lamp, and tell it afterwards", () => {
    for (const [path, on] of [
      ["/enabletorch", true],
      ["/disabletorch", false],
      ["/settings/torch?set=on", true],
    ] as const) {
      const response = get(path);
      expect([response.status, response.body, response.headers.get("content-type")]).toEqual([200, "Ok", "text/plain"]);
      expect(setOf().at(-1)).toEqual(["back", { torch: on }]);
      expect(statusJson().curvals?.torch).toBe(on ? "on" : "off");
    }
    ask(world, "POST", "/api/commands/set-torch", { body: { camera: "back", on: false } });
    expect(statusJson().curvals?.torch).toBe("off");
    host.fail("cameraSet", -6);
    expect(get("/enabletorch").status).toBe(409);
    expect(statusJson().curvals?.torch).toBe("off");
  });

  test("set quality and zoom", () => {
    expect(get("/settings/quality?set=33").body).toBe("Ok");
    expect(shown()?.quality).toBe(33);
    expect(statusJson().curvals?.quality).toBe("33");
    expect(get("/settings/ptz?zoom=250").body).toBe("Ok");
    expect(setOf()).toEqual([["back", { zoom: 2.5 }]]);
    expect(statusJson().curvals?.zoom).toBe("250");
    expect(get("/settings/ptz?zoom=401").status).toBe(422);
  });

  test("turn the stream to the front camera and back, with whoever watches", () => {
    const peer = host.connect(8089);
    peer.send("GET /video HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    host.advance(world.core, 500_000);
    expect(get("/settings/ffc?set=on").body).toBe("Ok");
    expect(shown()?.camera).toBe("front");
    expect(statusJson().curvals).toEqual({ quality: "80", ffc: "on" });
    expect(get("/enabletorch").status).toBe(409);
    peer.take();
    host.advance(world.core, 500_000);
    expect(peer.text()).toContain("Content-Type: image/jpeg");
    expect(get("/settings/ffc?set=off").body).toBe("Ok");
    expect(shown()?.camera).toBe("back");
  });

  test.each([
    ["/settings/quality", 400],
    ["/settings/quality?set=0", 400],
    ["/settings/quality?set=101", 400],
    ["/settings/quality?set=high", 400],
    ["/settings/torch?set=1", 400],
    ["/settings/ffc", 400],
    ["/settings/ptz", 400],
    ["/settings/ptz?zoom=near", 400],
    ["/settings/night_vision?set=on", 404],
    ["/settings", 404],
  ])("refuse %s with %i, and change nothing", (target, status) => {
    const before = JSON.stringify(shown());
    expect(get(target).status).toBe(status);
    expect(JSON.stringify(shown())).toBe(before);
    expect(setOf()).toEqual([]);
  });

  test("without a front camera there is no turning to it", () => {
    start(ONE_CAMERA, [TORCH]);
    expect(errorOf(get("/settings/ffc?set=on"))).toMatchObject({ code: "no-such-camera", path: "query.set" });
  });

  test("are for administrators, and for no page of another site", () => {
    start({ auth: { enabled: true }, users: [{ ...ADMIN }, { ...VIEWER, role: "viewer" }] });
    expect(errorOf(get("/enabletorch", { login: VIEWER })).code).toBe("forbidden");
    const foreign = { login: ADMIN, headers: { "Sec-Fetch-Site": "cross-site" } };
    for (const path of ["/enabletorch", "/settings/torch?set=on"])
      expect(errorOf(get(path, foreign)).code).toBe("cross-origin");
    // An <img> on such a page asks for pictures too; there it is the stream tokens' turn.
    expect(get("/shot.jpg", foreign).status).toBe(200);
    expect(setOf()).toEqual([]);
    expect(get("/enabletorch", { login: ADMIN }).body).toBe("Ok");
  });
});
