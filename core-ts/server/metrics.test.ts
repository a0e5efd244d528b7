import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FakeHost, JPEG } from "../../test/fakes/fake-host.ts";
import { parsePrometheusText, valueIn } from "../../test/fakes/prometheus-text.ts";
import { ask, startWithLogins, VIEWER } from "./api/testing.ts";
import { Histogram, TURNS_A_SAMPLE } from "./metrics.ts";
import { HttpClient, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;

const metricsOf = (world: World): string => {
  const { status, headers, body } = ask(world, "GET", "/metrics");
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return body;
};

describe("a histogram", () => {
  test("counts a value in the first bucket whose bound it does not exceed", () => {
    const histogram = new Histogram([1, 2]);
    for (const value of [0, 1, 1.5, 2, 2.1]) histogram.observe(value);
    expect(histogram.counts).toEqual([2, 2, 1]);
    expect(histogram.sum).toBeCloseTo(6.6);
  });

  test("takes a negative span for none", () => {
    const histogram = new Histogram([1]);
    histogram.observeSpan(-5);
    histogram.observeSpan(1_500_000);
    expect([histogram.counts, histogram.sum]).toEqual([[1, 1], 1.5]);
  });
});

describe("/metrics", () => {
  test("is sound text format, with labels escaped, whatever the host and the peers say", () => {
    const host = new FakeHost();
    host.cameraList = [...host.cameraList, { name: 'a"b\\c\nd', state: "ok", codecs: [], sizes: [] }];
    const world = startServer({}, host);
    new RtspClient(world).play("/live/back");
    const text = metricsOf(world);
    expect(valueIn(text, "porthole_camera_ok", { camera: 'a"b\\c\nd' })).toBe(1);
    expect(valueIn(text, "porthole_build_info", { version: "test", host: "fake" })).toBe(1);
  });

  test("counts frames and bytes by profile and transport, and forgets nothing when the viewers leave", () => {
    const world = startServer();
    const { host, core } = world;
    const tcp = new RtspClient(world);
    tcp.play("/live/back");
    const other = new RtspClient(world);
    other.play("/live/back");
    const udp = new RtspClient(world);
    udp.play("/live/back", "RTP/AVP;unicast;client_port=5000-5001");
    const http = new HttpClient(world);
    http.send("GET", "/back/");
    host.advance(core, SECOND);
    const way = { path: "/live/back", protocol: "rtsp" };
    const watching = metricsOf(world);
    expect(valueIn(watching, "porthole_clients", { protocol: "rtsp", transport: "tcp" })).toBe(2);
    const frames = valueIn(watching, "porthole_sent_frames_total", { ...way, transport: "tcp" });
    // Each began a moment after the one before it.
    const udpFrames = valueIn(watching, "porthole_sent_frames_total", { ...way, transport: "udp" });
    expect(udpFrames).toBeGreaterThan(20);
    expect(frames).toBeGreaterThan(2 * udpFrames);
    expect(frames).toBeLessThan(2.5 * udpFrames);
    expect(frames).toBeGreaterThan(40);
    expect(valueIn(watching, "porthole_sent_bytes_total", { ...way, transport: "tcp" })).toBeGreaterThan(
      frames * host.sliceBytes,
    );
    tcp.request("TEARDOWN", "rtsp://127.0.0.1:7778/live/back");
    udp.request("TEARDOWN", "rtsp://127.0.0.1:7778/live/back");
    other.request("PAUSE", "rtsp://127.0.0.1:7778/live/back");
    http.peer.end();
    host.settle(core);
    const left = metricsOf(world);
    expect(valueIn(left, "porthole_clients", { protocol: "rtsp", transport: "udp" })).toBe(0);
    expect(valueIn(left, "porthole_sent_frames_total", { ...way, transport: "tcp" })).toBe(frames);
    expect(valueIn(left, "porthole_sent_frames_total", { protocol: "http" })).toBeGreaterThan(20);
    // Played again, it goes on from there: the new outlet begins at zero, the counter does not.
    other.request("PLAY", "rtsp://127.0.0.1:7778/live/back");
    host.advance(core, SECOND);
    const again = valueIn(metricsOf(world), "porthole_sent_frames_total", { ...way, transport: "tcp" });
    expect(again).toBeGreaterThan(frames + 20);
    expect(again).toBeLessThan(frames + 30);
    other.request("TEARDOWN", "rtsp://127.0.0.1:7778/live/back");
    expect(world.server.runtime.metrics.outletCount).toBe(0);
  });

  test("counts once what sessions of one connection get through their common outlet", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.session = "";
    client.play("/live/back", "RTP/AVP/TCP;unicast;interleaved=2-3");
    world.host.advance(world.core, SECOND);
    const sent = metricsOf(world);
    const packets = client.rtp(0).length + client.rtp(2).length;
    const perFrame = Math.ceil(world.host.sliceBytes / 1_400);
    const frames = valueIn(sent, "porthole_sent_frames_total", { path: "/live/back" });
    expect(frames).toBeGreaterThan((packets / perFrame) * 0.8);
    expect(frames).toBeLessThanOrEqual(packets / perFrame + 1);
  });

  test("counts what slow viewers skip and what the host drops", () => {
    const world = startServer();
    const { host, core } = world;
    const client = new RtspClient(world);
    client.play("/live/back");
    client.peer.window = 0;
    host.advance(core, 3 * SECOND);
    const text = metricsOf(world);
    expect(valueIn(text, "porthole_skipped_frames_total", { path: "/live/back", transport: "tcp" })).toBeGreaterThan(
      20,
    );
    const [encoder] = host.encodersOf("back");
    for (let i = 0; i < 20; i++) host.h264Frame(encoder!.handle, [Uint8Array.of(0x65, 0x88, i)]);
    host.settle(core);
    host.h264Frame(encoder!.handle, [Uint8Array.of(0x65, 0x88, 1)]);
    host.settle(core);
    expect(valueIn(metricsOf(world), "porthole_encoder_dropped_frames_total", { encoder: "h264 /live/back" })).toBe(12);
  });

  test("forgets a profile that is no more, and goes on counting for one that was changed", () => {
    const profile = { path: "/door", camera: "back", fps: 10 };
    const host = new FakeHost();
    const store = (config: unknown) => {
      host.stored.config = { state: "present", text: JSON.stringify(config) };
    };
    store({ profiles: [profile] });
    const world = startServer({}, host);
    const watch = () => {
      new RtspClient(world).play("/door");
      host.advance(world.core, SECOND);
    };
    watch();
    const reload = (config: unknown) => {
      store(config);
      host.push({ type: "config" });
      host.settle(world.core);
    };
    const before = valueIn(metricsOf(world), "porthole_sent_frames_total", { path: "/door" });
    reload({ profiles: [{ ...profile, bitrate: 400_000 }] });
    watch();
    expect(valueIn(metricsOf(world), "porthole_sent_frames_total", { path: "/door" })).toBeGreaterThan(before);
    reload({ profiles: [] });
    expect(metricsOf(world)).not.toContain("/door");
  });

  test("measures the time to the first picture, of RTSP also when the key frame comes after PLAY's answer", () => {
    const host = new FakeHost();
    host.encoding = false;
    const world = startServer({}, host);
    const client = new RtspClient(world);
    const url = "rtsp://127.0.0.1:7778/live/back";
    client.send("DESCRIBE", url);
    const [encoder] = host.encodersOf("back");
    host.push(host.formatOf(encoder!.handle));
    client.expect(200, client.reply());
    client.expect(200, client.request("SETUP", `${url}/trackID=0`, { Transport: "RTP/AVP/TCP;interleaved=0-1" }));
    client.expect(200, client.request("PLAY", url));
    // The answer came after half a second without a picture; what follows is none that it could begin with.
    host.h264Frame(encoder!.handle, [Uint8Array.of(0x41, 0x88, 1)]);
    host.advance(world.core, SECOND);
    const count = "porthole_first_picture_seconds_count";
    expect(valueIn(metricsOf(world), count, { protocol: "rtsp" })).toBe(0);
    host.h264Frame(encoder!.handle, [Uint8Array.of(0x65, 0x88, 1)]);
    host.settle(world.core);
    expect(valueIn(metricsOf(world), count, { protocol: "rtsp" })).toBe(1);
    expect(valueIn(metricsOf(world), "porthole_first_picture_seconds_sum", { protocol: "rtsp" })).toBeCloseTo(1.5, 1);
    new HttpClient(world).send("GET", "/back/");
    const jpeg = host.encodersOf("back").find(({ spec }) => spec.codec === "jpeg")!;
    host.push(host.formatOf(jpeg.handle));
    host.advance(world.core, SECOND / 5);
    host.jpegFrame(jpeg.handle, JPEG);
    host.settle(world.core);
    expect(valueIn(metricsOf(world), "porthole_first_picture_seconds_sum", { protocol: "http" })).toBeCloseTo(0.2);
  });

  test("measures how old frames are when their turn comes", () => {
    const host = new FakeHost();
    host.encoding = false;
    const world = startServer({ cameras: { back: { alwaysOn: true } } }, host);
    const encoder = host.encodersOf("back").find(({ spec }) => spec.codec === "h264")!;
    host.h264Frame(encoder.handle, [Uint8Array.of(0x65, 0x88, 1)], host.nowUs - 20_000);
    host.settle(world.core);
    const text = metricsOf(world);
    expect(valueIn(text, "porthole_frame_age_seconds_sum", { codec: "h264" })).toBeCloseTo(0.02);
    expect(valueIn(text, "porthole_frame_age_seconds_bucket", { codec: "h264", le: "0.01" })).toBe(0);
    expect(valueIn(text, "porthole_frame_age_seconds_bucket", { codec: "h264", le: "0.025" })).toBe(1);
  });

  test("times every eighth turn, from its beginning to its end", () => {
    const host = new FakeHost();
    const world = startServer({}, host);
    const { metrics } = world.server.runtime;
    const turns = metrics.turns;
    // The host's clock has gone on by 3 ms whenever the core asks for it.
    host.clock = () => JSON.stringify([host.nowUs + 3_000, host.nowUs]);
    const before = metrics.turnSeconds.counts.reduce((sum, count) => sum + count, 0);
    const sumBefore = metrics.turnSeconds.sum;
    for (let turn = 0; turn < 4 * TURNS_A_SAMPLE; turn++) host.turn(world.core);
    expect(metrics.turns).toBe(turns + 4 * TURNS_A_SAMPLE);
    expect(metrics.turnSeconds.counts.reduce((sum, count) => sum + count, 0)).toBe(before + 4);
    expect(metrics.turnSeconds.sum - sumBefore).toBeCloseTo(0.012);
  });

  test("counts wrong logins by protocol, refused connections, and encoders that are opened and fail", () => {
    const world = startWithLogins({ limits: { connectionsPerAddress: 3 } });
    const wrong = { login: { ...VIEWER, password: "g-2" } };
    const text = () => ask(world, "GET", "/metrics", { login: VIEWER }).body;
    ask(world, "GET", "/api/status", wrong);
    const rtsp = new RtspClient(world);
    rtsp.request("DESCRIBE", "rtsp://127.0.0.1:7778/live/back", { Authorization: `Basic ${btoa("guest:g-2")}` });
    expect(valueIn(text(), "porthole_login_failures_total", { protocol: "http" })).toBe(1);
    expect(valueIn(text(), "porthole_login_failures_total", { protocol: "rtsp" })).toBe(1);
    expect(valueIn(text(), "porthole_events_total", { type: "login.failed" })).toBe(2);
    const others = [1, 2, 3, 4].map(() => new HttpClient(world, "192.0.2.1"));
    expect(others.map(({ rest }) => rest.startsWith("HTTP/1.1 503"))).toEqual([false, false, false, true]);
    expect(valueIn(text(), "porthole_connections_refused_total")).toBe(1);

    const free = startServer();
    new RtspClient(free).play("/live/back");
    const [encoder] = free.host.encodersOf("back");
    free.host.push({ type: "encoder", handle: encoder!.handle, state: "failed", reason: "evicted" });
    free.host.advance(free.core, 5 * SECOND);
    expect(valueIn(metricsOf(free), "porthole_encoder_failures_total", { encoder: "h264 /live/back" })).toBe(1);
    expect(valueIn(metricsOf(free), "porthole_encoder_opened_total", { encoder: "h264 /live/back" })).toBe(2);
  });

  test("says of the device what the host knows, in base units, and nothing of the rest", () => {
    const host = new FakeHost();
    host.device = { battery: 73, charging: true, temperature: 31.5, memoryBytes: 123_456_789 };
    const text = metricsOf(startServer({}, host));
    expect(valueIn(text, "porthole_battery_ratio")).toBeCloseTo(0.73);
    expect(valueIn(text, "porthole_charging")).toBe(1);
    expect(valueIn(text, "porthole_temperature_celsius")).toBe(31.5);
    expect(valueIn(text, "porthole_memory_bytes")).toBe(123_456_789);
    const other = new FakeHost();
    other.device = { battery: null, temperature: "warm" };
    const less = metricsOf(startServer({}, other));
    expect(less).not.toMatch(/battery|temperature|charging|memory/);
  });
});

describe("the dashboard in docs/", () => {
  const text = readFileSync(new URL("../../docs/grafana-dashboard.json", import.meta.url), "utf8");
  type Panel = {
    readonly title: string;
    readonly type: string;
    readonly targets?: readonly { readonly expr: string }[];
  };
  const { panels } = JSON.parse(text) as { readonly panels: readonly Panel[] };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  /** Every metric, with the device's and what only viewers bring. */
  function everything(): ReadonlySet<string> {
    const host = new FakeHost();
    host.device = { battery: 73, charging: true, temperature: 31.5, memoryBytes: 1 };
    const world = startServer(EVERYTHING, host);
    new RtspClient(world).play("/live/back");
    const families = parsePrometheusText(metricsOf(world));
    return new Set([...families.values()].flatMap(({ samples }) => samples.map(({ name }) => name)));
  }

  test("asks only for metrics that there are, by labels that they have", () => {
    const names = everything();
    const used = new Set(expressions.flatMap((expr) => expr.match(/porthole_\w+/g) ?? []));
    expect(used.size).toBeGreaterThan(15);
    expect([...used].filter((name) => !names.has(name))).toEqual([]);
  });

  test("has a query in every panel, and rates of counters only", () => {
    for (const { type, targets, title } of panels) {
      if (type !== "row") expect(targets?.length, title).toBeGreaterThan(0);
    }
    for (const expr of expressions) {
      for (const [, name = ""] of expr.matchAll(/(?:rate|increase)\((porthole_\w+)/g)) {
        expect(name).toMatch(/_total$|_bucket$|_sum$|_count$/);
      }
    }
  });
});

/** A configuration in which every metric has a series. */
const EVERYTHING = {
  webhooks: [{ url: "http://hooks.example/" }],
  snapshots: [{ camera: "back", every: 1 }],
};
