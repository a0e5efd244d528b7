import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigFault } from "../errors.ts";
import { ISSUES_MAX, parseConfig } from "./config.ts";
import { EVENT_TYPES } from "./event-types.ts";

/** The faults of a configuration, as lines. */
function faults(file: unknown, overrides?: unknown): string[] {
  try {
    parseConfig(typeof file === "string" ? file : JSON.stringify(file), overrides);
  } catch (thrown) {
    if (thrown instanceof ConfigFault) return thrown.message.split("\n");
    throw thrown;
  }
  return [];
}

const camera = { enabled: true, rotation: "auto", mirror: false, clock: false, alwaysOn: false, linger: 10 };
const adapt = { enabled: true, minBitrate: 300_000, minQuality: 30, minFps: 5 };
const size = {
  ...{ width: 1280, height: 720, fps: 25, bitrate: 2_000_000, keyIntervalMs: 2_000, quality: 80, rtsp: true },
  adapt,
};
const BUILTINS = [
  { path: "/live/back", camera: "back", codec: "h264", ...size },
  { path: "/live/front", camera: "front", codec: "h264", ...size },
  { path: "/live/back/mjpeg", camera: "back", codec: "mjpeg", ...size },
  { path: "/live/front/mjpeg", camera: "front", codec: "mjpeg", ...size },
];
const DEFAULTS = {
  address: "0.0.0.0",
  rtsp: {
    enabled: true,
    port: 7778,
    plain: true,
    tls: { enabled: false, port: 7779 },
    udp: true,
    tcp: true,
    udpPorts: { min: 20_000, max: 29_999 },
    sessionTimeout: 60,
    payloadSize: 1_400,
    udpPacing: 0,
  },
  http: {
    enabled: true,
    port: 8089,
    plain: true,
    tls: { enabled: false, port: 8443 },
    morePorts: [],
    hostNames: [],
    ipWebcam: true,
  },
  tls: {},
  discovery: { enabled: true, interfaces: [] },
  auth: { enabled: true, realm: "Porthole", sha256: false, basic: true },
  users: [],
  limits: {
    clients: 100,
    clientsPerAddress: 50,
    connections: 300,
    connectionsPerAddress: 150,
    requestsPerSecond: 200,
    requestSeconds: 20,
    unauthenticatedSeconds: 10,
    idleSeconds: 60,
  },
  cameras: { back: camera, front: camera },
  profiles: BUILTINS,
  mjpeg: { fps: 30 },
  webhooks: [],
  snapshots: [],
  power: { awake: "always" },
  config: { sdcardDrop: true },
  log: { level: "info" },
};

describe("a configuration", () => {
  it("without a file has every default", () => {
    expect(parseConfig(undefined)).toEqual(DEFAULTS);
    expect(parseConfig("{}")).toEqual(DEFAULTS);
    expect(parseConfig("{}", {})).toEqual(DEFAULTS);
  });

  it("is the defaults, under the file, under the overrides, key by key", () => {
    const file = { rtsp: { port: 554, udpPorts: { min: 30_000, max: 40_000 } }, http: { morePorts: [8090, 8091] } };
    const overrides = { rtsp: { port: 0, udpPorts: { max: 30_099 } }, http: { morePorts: [9000] }, log: undefined };
    expect(parseConfig(JSON.stringify(file), overrides)).toEqual({
      ...DEFAULTS,
      rtsp: { ...DEFAULTS.rtsp, port: 0, udpPorts: { min: 30_000, max: 30_099 } },
      http: { ...DEFAULTS.http, morePorts: [9000] },
    });
  });

  it("leaves its overrides and later readings untouched", () => {
    const overrides = { cameras: { back: { linger: 3 } } };
    expect(parseConfig("{}", overrides).cameras.back?.linger).toBe(3);
    expect(overrides).toEqual({ cameras: { back: { linger: 3 } } });
    expect(parseConfig("{}")).toEqual(DEFAULTS);
  });

  it("has webhooks that are told of everything unless it says of what", () => {
    const url = "http://192.0.2.9:8123/api/webhook/door?a=b";
    const [all, some] = parseConfig(
      JSON.stringify({ webhooks: [{ url }, { url: "http://[2001:db8::1]", events: ["camera.state"] }] }),
    ).webhooks;
    expect(all).toEqual({ url, events: EVENT_TYPES });
    expect(some?.events).toEqual(["camera.state"]);
  });

  it.each([
    ["ftp://hooks.example/a", "must be an address such as"],
    ["HTTPS://hooks.example/a", "must be an address such as"],
    ["hooks.example", "must be an address such as"],
    ["http://", "must be an address such as"],
    ["http://user:pass@hooks.example/", "must be an address such as"],
    ["http://hooks.example/#a", "must be an address such as"],
    ["http://hooks.example/a b", "must be an address such as"],
    ["http://hooks.example/a\r\nX: y", "must be an address such as"],
    ["http://hooks.example:0/", "must be an address such as"],
    ["http://hooks.example:65536/", "has a port above 65535"],
    [`http://hooks.example/${"a".repeat(500)}`, "must be an address such as"],
  ])("refuses the webhook %s, and says why", (url, why) => {
    const [fault, ...others] = faults({ webhooks: [{ url }] });
    expect(fault).toContain(`webhooks[0].url: ${why}`);
    expect(others).toEqual([]);
  });

  it("refuses two webhooks of one address, and periodic snapshots that contradict one another", () => {
    const url = "http://hooks.example/";
    expect(faults({ webhooks: [{ url }, { url, events: ["login.failed"] }] })).toEqual([
      "webhooks[1].url: is the same address as that of webhooks[0]; make one of them",
    ]);
    expect(
      faults({
        snapshots: [
          { camera: "back", every: 5 },
          { camera: "back", every: 6 },
          { camera: "side", every: 5 },
          { camera: "front", every: 5, width: 640 },
        ],
      }),
    ).toEqual([
      "snapshots[1].camera: is the same camera as that of snapshots[0]; remove one",
      "snapshots[2].camera: is not a camera; those in cameras are back, front",
      "snapshots[3]: has one of width and height; give both or neither",
    ]);
  });

  it("is judged as a whole, after the overrides", () => {
    const file = { rtsp: { port: 9000 }, http: { port: 9000 } };
    expect(faults(file)).toEqual(["http.port: is the same port as rtsp.port; choose another"]);
    expect(faults(file, { http: { port: 9001 } })).toEqual([]);
    expect(faults({ rtsp: { port: 0 }, http: { port: 0 } })).toEqual([]);
    expect(faults({ rtsp: { enabled: false, port: 9000 }, http: { port: 9000 } })).toEqual([]);
    expect(faults({ http: { morePorts: [8090, 8090, 7778] } })).toEqual([
      "http.morePorts[1]: is the same port as http.morePorts[0]; choose another",
      "http.morePorts[2]: is the same port as rtsp.port; choose another",
    ]);
  });

  it("takes every key at both ends of its range and refuses it just past them", () => {
    const ranges: [string, number, number][] = [
      ["rtsp.port", 0, 65_535],
      ["rtsp.sessionTimeout", 10, 3_600],
      ["rtsp.payloadSize", 200, 1_460],
      ["rtsp.udpPacing", 0, 90],
      ["http.port", 0, 65_535],
      ["limits.clients", 1, 300],
      ["limits.connections", 100, 4_000],
      ["limits.connectionsPerAddress", 1, 4_000],
      ["limits.clientsPerAddress", 1, 1_000],
      ["limits.requestsPerSecond", 1, 10_000],
      ["limits.requestSeconds", 1, 300],
      ["limits.unauthenticatedSeconds", 1, 300],
      ["limits.idleSeconds", 5, 3_600],
      ["cameras.back.linger", 0, 3_600],
      ["mjpeg.fps", 1, 60],
    ];
    for (const [path, min, max] of ranges) {
      const at = (value: unknown): unknown => path.split(".").reduceRight((inner, key) => ({ [key]: inner }), value);
      const where = (lines: string[]): string[] => lines.map((line) => line.slice(0, line.indexOf(":")));
      const owner = path === "limits.connections" ? "limits.clients" : path;
      expect([path, faults(at(min)), faults(at(max))]).toEqual([path, [], []]);
      expect([path, where(faults(at(min - 1)))]).toEqual([path, [owner]]);
      expect([path, where(faults(at(max + 1)))]).toEqual([path, [path]]);
      expect([path, where(faults(at("7")))]).toEqual([path, [path]]);
      expect([path, where(faults(at(null)))]).toEqual([path, [path]]);
      expect([path, where(faults(at(20.5)))]).toEqual([path, [path]]);
    }
  });

  it("names the limit, and what stands there instead, but never the value", () => {
    expect(faults({ rtsp: { port: 70_000 } })).toEqual(["rtsp.port: must be a whole number from 0 to 65535"]);
    expect(faults({ rtsp: { port: "554" } })).toEqual(["rtsp.port: must be a whole number from 0 to 65535, not text"]);
    expect(faults({ rtsp: null })).toEqual(["rtsp: must be an object, not null"]);
    expect(faults({ rtsp: [] })).toEqual(["rtsp: must be an object, not a list"]);
    expect(faults({ log: { level: "verbose" } })).toEqual(['log.level: must be "debug", "info", "warn" or "error"']);
    expect(faults({ address: "phone.local" })).toEqual(["address: must be a numeric IPv4 or IPv6 address"]);
    expect(faults({ address: "::" })).toEqual([]);
    expect(faults({ auth: { realm: 'a"b' } })[0]).toMatch(/^auth\.realm: must be 1 to 64 printable ASCII/);
    expect(faults([])).toEqual(["config: must be an object, not a list"]);
    expect(faults("7")).toEqual(["config: must be an object, not a number"]);
    expect(faults("{}", "x")).toEqual(["config: must be an object, not text"]);
  });

  it("that is no JSON says line and column", () => {
    expect(faults('{\n  "rtsp": {},\n}')).toEqual(['2:13: not JSON: a comma before "}"; remove it']);
    expect(faults("")).toEqual(["1:1: not JSON: a value must stand here, but the text ends"]);
  });

  it("tells every fault at once", () => {
    const lines = faults({
      adress: "::",
      rtsp: { prot: 1, udp: false, tcp: false, udpPorts: { min: 20_001, max: 20_002 } },
      limits: { clients: 500 },
      users: [{ name: "a" }, { name: "b", password: "x", ha1: { md5: "0".repeat(32) } }, { password: "x" }],
      profiles: [{ path: "/a", camera: "left" }, { path: "/b", camera: "back", codec: "h265" }, { camera: "back" }],
    });
    expect(lines).toEqual([
      "adress: is no key here; did you mean address?",
      "rtsp.prot: is no key here; did you mean port?",
      expect.stringMatching(/^users\[2]\.name: is missing; it must be a name of 1 to 64 characters/),
      'profiles[1].codec: must be "h264" or "mjpeg"',
      expect.stringMatching(/^profiles\[2]\.path: is missing; it must be a path/),
      expect.stringMatching(/^limits\.clients: must not exceed limits\.connections/),
      "users[0]: has neither password nor ha1; give one of them",
      "users[1]: has both password and ha1; remove one of them",
      "profiles[0].camera: is not a camera; those in cameras are back, front",
    ]);
    expect(faults({ rtsp: { udp: false, tcp: false, udpPorts: { min: 20_001, max: 20_002 } } })).toEqual([
      "rtsp: udp and tcp are both false; set one to true, or enabled to false",
      "rtsp.udpPorts: must hold an even port and the next one; raise max or lower min",
    ]);
  });

  it("lists a bounded number of faults", () => {
    const file = Object.fromEntries(Array.from({ length: ISSUES_MAX + 5 }, (_, i) => [`unknown-${i}`, 1]));
    const lines = faults(file);
    expect(lines).toHaveLength(ISSUES_MAX + 1);
    expect(lines.at(-1)).toBe("config: and 5 more faults");
  });

  it("suggests a near key, else lists the keys, whatever the unknown one is called", () => {
    expect(faults({ http: { Port: 1 } })).toEqual(["http.Port: is no key here; did you mean port?"]);
    expect(faults({ users: [{ name: "a", pasword: "x" }] })[0]).toBe(
      "users[0].pasword: is no key here; did you mean password?",
    );
    expect(faults({ mjpeg: { xyzzy: 1 } })).toEqual(["mjpeg.xyzzy: is no key here; the keys are fps"]);
    expect(faults({ mjpeg: { "a\nb": 1 } })).toEqual(['mjpeg["a\\nb"]: is no key here; the keys are fps']);
    expect(faults({ mjpeg: { ["k".repeat(200)]: 1 } })[0]!.length).toBeLessThan(100);
  });

  it("refuses keys that mean something to JavaScript, at any depth", () => {
    expect(faults('{"__proto__": {"address": "::"}}')).toEqual(["__proto__: is no key here"]);
    expect(faults('{"cameras": {"constructor": {}, "prototype": {}}}')).toEqual([
      "cameras.constructor: is no key here",
      "cameras.prototype: is no key here",
    ]);
    expect(({} as Record<string, unknown>).address).toBeUndefined();
  });

  it("shows no password in any fault", () => {
    const secret = "hunter2hunter2";
    const files: unknown[] = [
      { users: [{ name: "a", password: 1, role: secret }] },
      { users: [{ name: "a", password: `${secret}\n` }] },
      { users: [{ name: `${secret}:`, ha1: { md5: secret } }] },
      { users: secret, auth: secret, rtsp: { port: secret }, profiles: [{ path: secret, camera: secret }] },
      `{"users": [{"name": "a", "password": "${secret}" "role": "admin"}]}`,
      `{"users": [{"name": "a", "password": "${secret}\n"}]}`,
    ];
    for (const file of files) {
      expect(faults(file).length).toBeGreaterThan(0);
      expect(faults(file).join("\n")).not.toContain(secret);
    }
  });

  it("that is any JSON or any text is read or refused with a ConfigFault", () => {
    const keys = fc.constantFrom(
      ...["rtsp", "http", "users", "profiles", "cameras", "port", "path", "camera", "name", "width", "back", "limits"],
      ...["__proto__", "toString", "udpPorts", "min", "ha1", "rotation", "morePorts"],
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5, depthSize: "medium" },
        fc.constantFrom<unknown>(null, true, 0, 7, 8_089, Number.POSITIVE_INFINITY, -1, 0.5, "", "/a", "back", "admin"),
        fc.string({ maxLength: 5 }),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(keys, tie("tree"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, tree, (file, overrides) => {
        faults(file === undefined ? "" : (JSON.stringify(file) ?? ""), overrides);
      }),
      { numRuns: 1_000 },
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 60, unit: "binary" }), (text) => {
        faults(text);
      }),
      { numRuns: 300 },
    );
    const circle: Record<string, unknown> = {};
    circle.rtsp = circle;
    expect(faults("{}", circle)).toEqual(["rtsp.rtsp.rtsp.rtsp: is nested deeper than 16 levels"]);
    expect(faults("[".repeat(100_000))).toEqual(["1:17: not JSON: nested deeper than 16 levels"]);
  });
});

describe("overrides", () => {
  it.each([
    [{ cameras: [null, null] }, "cameras: must be an object, not a list"],
    [{ cameras: { back: 7 } }, "cameras.back: must be an object, not a number"],
    [[], "config: must be an object, not a list"],
  ])("do not hide that a file has something else in an object's place: %j", (file, fault) => {
    expect(faults(file, { cameras: { back: {} } })).toEqual([fault]);
  });
});

describe("users", () => {
  it("have a password or its hashes, and are admins unless said otherwise", () => {
    const { users } = parseConfig(
      JSON.stringify({
        users: [
          { name: "owner", password: "pässwörd" },
          { name: "guest", role: "viewer", ha1: { md5: "ABCDEF".padEnd(32, "0") } },
        ],
      }),
    );
    expect(users).toEqual([
      { name: "owner", role: "admin", password: "pässwörd" },
      { name: "guest", role: "viewer", ha1: { md5: "abcdef".padEnd(32, "0") } },
    ]);
  });

  it.each(["", "a:b", 'a"b', "a\\b", "a\nb", "x".repeat(65)])("may not be called %j", (name) => {
    expect(faults({ users: [{ name, password: "x" }] })[0]).toMatch(/^users\[0]\.name: must be a name of 1 to 64/);
  });

  it("do not share a name", () => {
    expect(
      faults({
        users: [
          { name: "a", password: "x" },
          { name: "a", password: "y" },
        ],
      }),
    ).toEqual(["users[1].name: is the same name as that of users[0]; remove one of them"]);
  });

  it("have no empty password", () => {
    expect(faults({ users: [{ name: "a", password: "" }] })[0]).toMatch(
      /^users\[0]\.password: must be a password of 1/,
    );
  });
});

describe("cameras", () => {
  it("back and front always exist; others join them", () => {
    const file = { cameras: { back: { rotation: 270 }, usb: { alwaysOn: true } } };
    expect(parseConfig(JSON.stringify(file)).cameras).toEqual({
      back: { ...camera, rotation: 270 },
      front: camera,
      usb: { ...camera, alwaysOn: true },
    });
  });

  it("have plain names and right angles", () => {
    expect(faults({ cameras: { "a/b": {} } })).toEqual([
      'cameras["a/b"]: must be named with 1 to 32 letters, digits, `_` or `-`',
    ]);
    expect(faults({ cameras: { back: { rotation: 45 } } })).toEqual([
      'cameras.back.rotation: must be "auto", 0, 90, 180 or 270',
    ]);
    expect(faults({ cameras: { back: true } })).toEqual(["cameras.back: must be an object, not true or false"]);
  });
});

describe("profiles", () => {
  const one = (profile: object): string[] => faults({ profiles: [{ path: "/own", camera: "back", ...profile }] });

  it("of one's own follow the built-in ones, with defaults for what they leave out", () => {
    const file = { profiles: [{ path: "/Door", camera: "usb", keyInterval: 0.5, fps: 5 }], cameras: { usb: {} } };
    expect(parseConfig(JSON.stringify(file)).profiles).toEqual([
      ...BUILTINS,
      { ...size, path: "/Door", camera: "usb", codec: "h264", fps: 5, keyIntervalMs: 500 },
    ]);
  });

  it("replace a built-in one of the same path, whatever its case, in its place and as a whole", () => {
    const file = { profiles: [{ path: "/LIVE/front", camera: "back", width: 640, height: 480 }] };
    const { profiles } = parseConfig(JSON.stringify(file));
    expect(profiles).toHaveLength(4);
    expect(profiles[1]).toEqual({
      ...size,
      path: "/LIVE/front",
      camera: "back",
      codec: "h264",
      width: 640,
      height: 480,
    });
  });

  it("are one's own alone when the built-in ones are off", () => {
    expect(parseConfig('{"builtinProfiles": false}').profiles).toEqual([]);
  });

  it.each(["/a", "/a.b/c-d/e_f", "/live/back/hd", "/mjpeg", "/x/mjpeg", "/apis", "/a/api", "/..."])(
    "may be at %s",
    (path) => {
      expect(one({ path })).toEqual([]);
    },
  );

  it.each([
    ["", "must be a path of at most 128 characters"],
    [`/${"x".repeat(128)}`, "must be a path of at most 128 characters"],
    ["/", "must be / followed by segments"],
    ["a", "must be / followed by segments"],
    ["/a/", "must be / followed by segments"],
    ["/a//b", "must be / followed by segments"],
    ["/a b", "must be / followed by segments"],
    ["/ä", "must be / followed by segments"],
    ["/a?b=c", "must be / followed by segments"],
    ["/a/../b", "must not have `.` or `..` as a segment"],
    ["/.", "must not have `.` or `..` as a segment"],
    ["/api", "must not begin with /api"],
    ["/API/v1", "must not begin with /api"],
    ["/metrics", "must not begin with /metrics"],
    ["/a/Snapshot.jpg", "must not end in /snapshot.jpg"],
    ["/live/back/mjpeg/x", "must have `mjpeg` as its last segment only"],
    ["/a/TrackID0", "must not contain `trackID`"],
  ])("may not be at %j", (path, expected) => {
    expect(one({ path })).toEqual([expect.stringContaining(`profiles[0].path: ${expected}`)]);
  });

  it("do not share a path, whatever its case", () => {
    const profiles = [
      { path: "/a", camera: "back" },
      { path: "/A", camera: "front" },
    ];
    expect(faults({ profiles })).toEqual([
      "profiles[1].path: is the same path as that of profiles[0]; case does not count",
    ]);
  });

  it("name a camera that exists, not something every object has", () => {
    expect(one({ camera: "toString" })).toEqual([
      "profiles[0].camera: is not a camera; those in cameras are back, front",
    ]);
  });

  it("of MJPEG over RTSP keep to RFC 2435, and the reason is given", () => {
    expect(one({ codec: "mjpeg", width: 2040, height: 2040 })).toEqual([]);
    for (const wrong of [{ width: 2048 }, { width: 1284 }, { height: 1084 }]) {
      const key = Object.keys(wrong)[0];
      expect(one({ codec: "mjpeg", ...wrong })).toEqual([
        `profiles[0].${key}: must be a multiple of 8 and at most 2040 for MJPEG over RTSP, as RTP can describe no other ` +
          'size (RFC 2435); take another size, or add "rtsp": false to serve it over HTTP only',
      ]);
      expect(one({ codec: "mjpeg", rtsp: false, ...wrong })).toEqual([]);
    }
    expect(one({ codec: "h264", width: 3840, height: 2160 })).toEqual([]);
  });

  it("of H.264 are even and served over RTSP", () => {
    expect(one({ width: 641 })).toEqual(["profiles[0].width: must be even for H.264"]);
    expect(one({ rtsp: false })).toEqual(["profiles[0].rtsp: must be true for H.264, which is served over RTSP only"]);
  });

  it.each([
    ["fps", 1, 60, 1],
    ["bitrate", 50_000, 50_000_000, 1],
    ["keyInterval", 0.5, 60, 0.1],
    ["quality", 1, 100, 1],
    ["width", 16, 7_680, 2],
    ["height", 16, 7_680, 2],
  ])("take %s from %d to %d", (key, min, max, step) => {
    expect(one({ [key]: min })).toEqual([]);
    expect(one({ [key]: max })).toEqual([]);
    expect(one({ [key]: min - step })).toHaveLength(1);
    expect(one({ [key]: max + step })).toHaveLength(1);
  });
});
