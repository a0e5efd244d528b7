/**
 * Pictures for programs: sizes, waiting for the next one, kept ones, and those that are taken by themselves.
 */
import { describe, expect, test } from "vitest";
import { type CameraInfo, Code } from "../../../bindings/contract/host.ts";
import { FakeHost, JPEG } from "../../../test/fakes/fake-host.ts";
import { CAPTURE_WAIT_US, CAPTURES_MAX } from "../captures.ts";
import { KEPT_PICTURES_MAX_BYTES } from "../kept-pictures.ts";
import type { ServerEvent } from "../server-events.ts";
import { HttpClient, jpegOf, startServer, type World } from "../testing.ts";
import { SINCE_WAIT_US } from "./stream-routes.ts";
import { ask, errorOf } from "./testing.ts";

const SECOND = 1_000_000;
const PATH = "/back/snapshot.jpg";

function handFed(config: Record<string, unknown> = {}, camera: Partial<CameraInfo> = {}): World {
  const host = new FakeHost();
  host.encoding = false;
  host.cameraList = host.cameraList.map((info) => (info.name === "back" ? { ...info, ...camera } : info));
  return startServer(config, host);
}

/** The open JPEG encoder takes a picture now. */
function picture({ host, core }: World, jpeg = JPEG, timeUs = host.nowUs): void {
  const encoder = host.encodersOf("back").find(({ spec }) => spec.codec === "jpeg")!;
  if (encoder.frames === 0) host.push(host.formatOf(encoder.handle));
  host.jpegFrame(encoder.handle, jpeg, timeUs);
  host.settle(core);
}

function captured(world: World, result: Uint8Array | string = JPEG, facts = {}): void {
  world.host.completeCapture(world.host.captures.at(-1)!.handle, result, facts);
  world.host.settle(world.core);
}

function asking(world: World, query: string, path = PATH): HttpClient {
  const client = new HttpClient(world);
  client.send("GET", path + query);
  return client;
}

const specOf = (world: World) => world.host.captures.at(-1)?.spec;
const scanOf = (body: string): number => body.charCodeAt(body.length - 3);
const jpegErrorOf = (client: HttpClient) => JSON.parse(client.reply(0).body).error as Record<string, unknown>;

describe("a snapshot of another size, quality or turn", () => {
  test("is taken apart, and says what it really is", () => {
    const world = handFed();
    const client = asking(world, "?width=640&height=360&quality=50&rotation=180");
    expect(specOf(world)).toEqual({ width: 640, height: 360, quality: 50, rotation: 180 });
    expect(world.host.encoders.size).toBe(0);
    const jpeg = jpegOf(2_000, 9);
    captured(world, jpeg, { timeUs: 77, width: 642, height: 362 });
    const { status, headers, body } = client.reply(0);
    expect(status).toBe(200);
    expect(Buffer.from(body, "latin1")).toEqual(Buffer.from(jpeg));
    expect([headers.get("x-timestamp-us"), headers.get("x-width"), headers.get("x-height")]).toEqual([
      "77",
      "642",
      "362",
    ]);
    expect(headers.get("content-length")).toBe("2000");
    expect(world.host.blobCount).toBe(0);
  });

  test("has the size that was asked for and the time of its coming where the host knows no better", () => {
    const world = handFed();
    const client = asking(world, "?width=640&height=360");
    captured(world);
    const { headers } = client.reply(0);
    expect(headers.get("x-timestamp-us")).toBe(String(world.host.nowUs));
    expect([headers.get("x-width"), headers.get("x-height")]).toEqual(["640", "360"]);
  });

  test.each([
    ["?width=640", { width: 640, height: 360, quality: 80, rotation: "auto" }],
    ["?height=100", { width: 178, height: 100, quality: 80, rotation: "auto" }],
    ["?quality=30", { width: 1280, height: 720, quality: 30, rotation: "auto" }],
    ["?rotation=90", { width: 720, height: 1280, quality: 80, rotation: 90 }],
    ["?rotation=270&width=360", { width: 360, height: 640, quality: 80, rotation: 270 }],
    ["?rotation=180", { width: 1280, height: 720, quality: 80, rotation: 180 }],
  ])("%s takes the rest from the stream", (query, spec) => {
    const world = handFed();
    asking(world, query);
    expect(specOf(world)).toEqual(spec);
  });

  test("is one of the stream when it asks for what that has", () => {
    const world = handFed();
    const client = asking(world, "?width=1280&height=720&quality=80");
    expect(world.host.captures).toHaveLength(0);
    picture(world);
    expect(client.reply(0).status).toBe(200);
  });

  test("is refused where the camera has not that size, with those it has; also when the host says so", () => {
    const sizes = [{ width: 1280, height: 720, maxFps: 30 }];
    const world = handFed({}, { sizes });
    const { status, body } = asking(world, "?width=640&height=480").reply(0);
    expect(status).toBe(422);
    expect(JSON.parse(body).error).toMatchObject({
      code: "no-such-size",
      path: "query.width",
      message: "the camera has no picture of 640x480; there is 1280x720",
      sizes,
      still: null,
    });
    expect(world.host.captures).toHaveLength(0);
    // The way the device is held turns the sizes.
    asking(world, "?rotation=90");
    expect(specOf(world)).toMatchObject({ width: 720, height: 1280 });
    world.host.fail("capture", Code.INVALID);
    expect(asking(world, "?quality=9").reply(0).status).toBe(422);
  });

  test("may be anything up to the largest that a camera gives", () => {
    const world = handFed(
      {},
      { sizes: [{ width: 1280, height: 720, maxFps: 30 }], still: { width: 4000, height: 3000 } },
    );
    asking(world, "?width=4000&height=3000");
    asking(world, "?width=3000&height=4000");
    expect(world.host.captures).toHaveLength(2);
    expect(jpegErrorOf(asking(world, "?width=4000&height=3001")).message).toContain("anything up to 4000x3000");
  });

  test("is a 501 where the host takes none, a 503 with the reason when it fails", () => {
    const world = handFed();
    world.host.fail("capture", Code.UNSUPPORTED);
    const unsupported = asking(world, "?quality=30").reply(0);
    expect([unsupported.status, errorOf(unsupported).code]).toEqual([501, "not-supported"]);
    const client = asking(world, "?quality=30");
    captured(world, "the flash is broken");
    const failed = client.reply(0);
    expect([failed.status, errorOf(failed).code]).toEqual([503, "camera-unavailable"]);
    expect(errorOf(failed).message).toContain("the flash is broken");
  });

  test("opens no camera that a command or the configuration keeps shut", () => {
    for (const world of [handFed({ cameras: { back: { enabled: false } } }), handFed()]) {
      ask(world, "POST", "/api/commands/stop-camera", { body: { camera: "back" } });
      const { status, body } = asking(world, "?quality=30").reply(0);
      expect(status).toBe(503);
      expect(JSON.parse(body).error).toMatchObject({ code: "camera-unavailable", state: "disabled" });
      expect(world.host.captures).toHaveLength(0);
    }
  });

  test("waits ten seconds; what comes too late, or for nobody, is let go", () => {
    const world = handFed();
    const client = asking(world, "?quality=30");
    world.host.advance(world.core, CAPTURE_WAIT_US);
    expect(client.reply(0).status).toBe(503);
    captured(world);
    expect(world.host.blobCount).toBe(0);
    const gone = asking(world, "?quality=31");
    gone.peer.drop();
    world.host.settle(world.core);
    captured(world);
    expect(world.host.blobCount).toBe(0);
  });

  test("is refused while four others are being taken, those that nobody waits for included", () => {
    const world = handFed();
    for (let i = 1; i <= CAPTURES_MAX; i++) asking(world, `?quality=${i}`).peer.drop();
    world.host.settle(world.core);
    const refused = asking(world, "?quality=90").reply(0);
    expect([refused.status, errorOf(refused).code]).toEqual([503, "too-many-pictures"]);
    captured(world);
    asking(world, "?quality=90");
    expect(world.host.captures).toHaveLength(CAPTURES_MAX + 1);
  });
});

describe("?since=", () => {
  test("waits for a picture that is later", () => {
    const world = handFed();
    const first = asking(world, "");
    picture(world, jpegOf(2_000, 1));
    const since = first.reply(0).headers.get("x-timestamp-us");
    const client = asking(world, `?since=${since}`);
    // Of the same moment: not later.
    picture(world, jpegOf(2_000, 2));
    expect(client.silent).toBe(true);
    world.host.advance(world.core, 3 * SECOND);
    expect(client.silent).toBe(true);
    picture(world, jpegOf(2_000, 3));
    const next = client.reply(0);
    expect(next.status).toBe(200);
    expect(scanOf(next.body)).toBe(3);
    expect(Number(next.headers.get("x-timestamp-us"))).toBeGreaterThan(Number(since));
  });

  test("is 204 when none comes for twenty seconds from a camera that runs, and lets go of the camera", () => {
    const world = handFed({ cameras: { back: { linger: 0 } } });
    const since = world.host.nowUs;
    const client = asking(world, `?since=${since}`);
    picture(world);
    for (let waited = 0; waited < SINCE_WAIT_US - SECOND; waited += SECOND) {
      world.host.advance(world.core, SECOND);
      // It runs, or it would be opened anew; but these are of the same moment.
      picture(world, JPEG, since);
    }
    world.host.advance(world.core, SECOND - 1);
    expect(client.silent).toBe(true);
    world.host.advance(world.core, SECOND);
    const { status, headers, body } = client.reply(0);
    expect([status, body, headers.has("content-length")]).toEqual([204, "", false]);
    expect(headers.get("connection")).toBe("keep-alive");
    expect(world.host.encoders.size).toBe(0);
  });

  test("is 503 with the reason when the camera does not run, and at once when it fails", () => {
    const world = handFed();
    const silent = asking(world, `?since=${world.host.nowUs}`);
    world.host.advance(world.core, SINCE_WAIT_US);
    expect(silent.reply(0).status).toBe(503);
    const failing = asking(world, `?since=${world.host.nowUs}`);
    const [encoder] = world.host.encodersOf("back");
    world.host.push({ type: "encoder", handle: encoder!.handle, state: "failed", reason: "evicted" });
    world.host.settle(world.core);
    expect(failing.reply(0).status).toBe(503);
  });

  test("of a time that is yet to come is of another run of the clock, and no reason to wait for it", () => {
    const world = handFed();
    const client = asking(world, `?since=${world.host.nowUs + 3_600 * SECOND}`);
    picture(world);
    expect(client.reply(0).status).toBe(200);
  });
});

describe("?cache=", () => {
  test("gives the same picture again while it is young enough, without opening the camera", () => {
    const world = handFed({ cameras: { back: { linger: 0 } } });
    const first = asking(world, "?cache=10s");
    picture(world, jpegOf(2_000, 1));
    const timestamp = first.reply(0).headers.get("x-timestamp-us");
    world.host.advance(world.core, 9 * SECOND);
    expect(world.host.encoders.size).toBe(0);
    for (let i = 0; i < 3; i++) {
      const again = asking(world, "?cache=10s").reply(0);
      expect([again.headers.get("x-timestamp-us"), scanOf(again.body)]).toEqual([timestamp, 1]);
    }
    expect(world.host.encoders.size).toBe(0);
    // Shorter, later, of another size, or without: a new one.
    for (const query of ["?cache=5s", `?cache=10s&since=${timestamp}`, ""]) {
      expect(asking(world, query).silent).toBe(true);
    }
    expect(asking(world, "?cache=10s&quality=30").silent).toBe(true);
    expect(world.host.captures).toHaveLength(1);
    world.host.advance(world.core, 2 * SECOND);
    const late = asking(world, "?cache=10s");
    expect(late.silent).toBe(true);
    picture(world, jpegOf(2_000, 2));
    expect(scanOf(late.reply(0).body)).toBe(2);
  });

  test("keeps nothing for whom it was not asked, and nothing for more than a minute", () => {
    const world = handFed();
    asking(world, "");
    picture(world);
    expect(world.host.blobCount).toBe(0);
    asking(world, "?cache=1s");
    picture(world);
    expect(world.host.blobCount).toBe(1);
    expect(world.server.keptPictures.bytes).toBe(JPEG.length);
    world.host.advance(world.core, 61 * SECOND);
    expect(world.host.blobCount).toBe(0);
    expect(world.server.keptPictures.bytes).toBe(0);
  });

  test("keeps 8 MiB at most, the newest", () => {
    const world = handFed();
    const size = KEPT_PICTURES_MAX_BYTES / 4;
    for (let quality = 1; quality <= 6; quality++) {
      asking(world, `?cache=60s&quality=${quality}`);
      captured(world, jpegOf(size, quality));
    }
    expect(world.host.blobCount).toBe(4);
    expect(asking(world, "?cache=60s&quality=3").silent).toBe(false);
    expect(asking(world, "?cache=60s&quality=2").silent).toBe(true);
    asking(world, "?cache=60s&quality=7");
    captured(world, jpegOf(KEPT_PICTURES_MAX_BYTES + 1, 7));
    expect(world.host.blobCount).toBe(4);
  });

  test("sends a picture whole that is dropped from the store while it is sent", () => {
    const world = handFed();
    const size = 1024 * 1024;
    asking(world, "?cache=60s&quality=1");
    captured(world, jpegOf(size, 1));
    const slow = new HttpClient(world);
    slow.peer.window = 1_000;
    slow.send("GET", `${PATH}?cache=60s&quality=1`);
    world.host.advance(world.core, 61 * SECOND - 1);
    expect(world.server.keptPictures.bytes).toBe(0);
    expect(world.host.blobCount).toBe(1);
    slow.peer.open();
    const { body } = slow.reply();
    expect([body.length, scanOf(body)]).toEqual([size, 1]);
    expect(world.host.blobCount).toBe(0);
  });

  test.each(["0s", "61s", "10", "1m", "-1s", "010s", ""])("%j is refused", (cache) => {
    const { status, body } = asking(handFed(), `?cache=${cache}`).reply(0);
    expect([status, JSON.parse(body).error.path]).toEqual([400, "query.cache"]);
  });
});

describe("periodic snapshots", () => {
  const LATEST = "/api/snapshots/latest";

  function eventsOf({ server }: World): ServerEvent[] {
    const events: ServerEvent[] = [];
    server.runtime.events.subscribe((event) => {
      if (event.type === "snapshot.taken") events.push(event);
    });
    return events;
  }

  test("are taken in their rhythm, told as events, and the newest is there for everybody", () => {
    const world = startServer({ snapshots: [{ camera: "back", every: 5 }] });
    const { host, core } = world;
    const events = eventsOf(world);
    expect(asking(world, "", LATEST).reply(0).status).toBe(404);
    host.advance(core, 17 * SECOND);
    expect(events).toHaveLength(4);
    const gaps = events.slice(1).map(({ timeUs }, i) => Math.round((timeUs - events[i]!.timeUs) / SECOND));
    expect(gaps).toEqual([5, 5, 5]);
    const { data } = events.at(-1)! as { data: { path: string; timestampUs: number } };
    expect(data).toEqual({
      camera: "back",
      path: `${LATEST}?camera=back`,
      width: 1280,
      height: 720,
      timestampUs: expect.any(Number),
    });
    for (const path of [LATEST, data.path]) {
      const { status, headers, body } = asking(world, "", path).reply(0);
      expect(status).toBe(200);
      expect(Buffer.from(body, "latin1")).toEqual(Buffer.from(JPEG));
      expect(headers.get("x-timestamp-us")).toBe(String(data.timestampUs));
      expect(headers.get("x-camera")).toBe("back");
    }
    expect(asking(world, "", `${LATEST}?camera=front`).reply(0).status).toBe(404);
    expect(host.blobCount).toBe(1);
  });

  test("let the camera go between two", () => {
    const world = startServer({ cameras: { back: { linger: 1 } }, snapshots: [{ camera: "back", every: 60 }] });
    world.host.advance(world.core, 30 * SECOND);
    expect(world.host.encoders.size).toBe(0);
    expect(world.host.called("encoderOpen")).toHaveLength(1);
  });

  test("have the size that they are configured with", () => {
    const world = handFed({
      snapshots: [{ camera: "back", every: 5, width: 640, height: 480, quality: 40, rotation: 0 }],
    });
    expect(specOf(world)).toEqual({ width: 640, height: 480, quality: 40, rotation: 0 });
    captured(world);
    expect(asking(world, "", LATEST).reply(0).headers.get("x-width")).toBe("640");
  });

  test("of a camera without MJPEG are taken in the largest size that it has", () => {
    const still = { width: 4000, height: 3000 };
    const world = handFed({ builtinProfiles: false, snapshots: [{ camera: "back", every: 5 }] }, { still });
    expect(specOf(world)).toEqual({ ...still, quality: 80, rotation: "auto" });
  });

  test("are never two of one camera at a time, and a camera that fails is one line in the log and tried again", () => {
    const world = handFed({ snapshots: [{ camera: "back", every: 1, quality: 40 }] });
    const { host, core } = world;
    host.advance(core, 5 * SECOND);
    expect(host.captures).toHaveLength(1);
    for (let i = 0; i < 3; i++) {
      captured(world, "the flash is broken");
      host.advance(core, SECOND);
    }
    expect(host.captures).toHaveLength(4);
    expect(host.logs.filter(({ line }) => line.includes("the flash is broken"))).toHaveLength(1);
    captured(world);
    expect(asking(world, "", LATEST).reply(0).status).toBe(200);
  });

  test("end with the configuration that has them, and their pictures with them", () => {
    const host = new FakeHost();
    const store = (config: unknown) => {
      host.stored.config = { state: "present", text: JSON.stringify(config) };
    };
    store({ snapshots: [{ camera: "back", every: 5 }] });
    const world = startServer({}, host);
    host.advance(world.core, SECOND);
    const reload = (config: unknown) => {
      store(config);
      host.push({ type: "config" });
      host.settle(world.core);
    };
    // Another rhythm: the picture stays until its next one.
    reload({ snapshots: [{ camera: "back", every: 600 }] });
    expect(asking(world, "", LATEST).reply(0).status).toBe(200);
    host.advance(world.core, SECOND);
    const events = eventsOf(world);
    reload({});
    expect(asking(world, "", LATEST).reply(0).status).toBe(404);
    expect(host.blobCount).toBe(0);
    host.advance(world.core, 700 * SECOND);
    expect(events).toHaveLength(0);
  });
});
