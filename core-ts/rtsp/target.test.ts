import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import { absoluteBase, parseTarget, sameStream, trackControl } from "./target.ts";

/** The fields that decide what a request is about. */
function gist(uri: string) {
  const { key, track, query, trailingSlash } = parseTarget(uri);
  return { key, track, query, trailingSlash };
}

describe("what a request URI names", () => {
  const plain = { key: "/live/back", track: undefined, query: undefined, trailingSlash: false };
  it.each([
    ["rtsp://h/live/back", plain],
    ["rtsp://h:8554/live/back/", { ...plain, trailingSlash: true }],
    ["rtsp://h/live/back/trackID=0", { ...plain, track: 0 }],
    ["rtsp://h/live/back/trackID=12/", { ...plain, track: 12, trailingSlash: true }],
    ["rtsp://h/live/back/trackid=1", { ...plain, track: 1 }],
    ["rtsp://h/live/back//trackID=1", { ...plain, track: 1 }],
    // ffmpeg and live555: appended to the whole URL.
    ["rtsp://h/live/back?q=1/trackID=0", { ...plain, track: 0, query: "q=1" }],
    ["rtsp://h/live/back/?q=1/trackID=0", { ...plain, track: 0, query: "q=1" }],
    ["rtsp://h/live/back?/trackID=0", { ...plain, track: 0 }],
    // GStreamer: before the query, which still has Content-Base's slash.
    ["rtsp://h/live/back/trackID=0?q=1", { ...plain, track: 0, query: "q=1" }],
    ["rtsp://h/live/back/trackID=0?q=1/", { ...plain, track: 0, query: "q=1", trailingSlash: true }],
    // The aggregate as Content-Base.
    ["rtsp://h/live/back?q=1/", { ...plain, query: "q=1", trailingSlash: true }],
    ["rtsp://h/live/back/?q=1/", { ...plain, query: "q=1", trailingSlash: true }],
    ["rtsp://h/live/back/?q=a/b", { ...plain, query: "q=a/b" }],
    // Without scheme and host.
    ["/live/back", plain],
    ["/live/back/trackID=0", { ...plain, track: 0 }],
    ["live/back/trackID=0", { ...plain, track: 0 }],
    // Others.
    ["RTSP://h/Live/BACK", plain],
    ["rtsps://h/live/%62ack", plain],
    ["rtsp://h/live/back#t=1", plain],
    ["rtsp://h//live///back", plain],
    ["rtsp://h", { ...plain, key: "/" }],
    ["rtsp://h/", { ...plain, key: "/", trailingSlash: true }],
    ["rtsp://h/trackID=2", { ...plain, key: "/", track: 2 }],
    ["rtsp://h?q=1/trackID=2", { ...plain, key: "/", track: 2, query: "q=1" }],
  ])("%s", (uri, expected) => {
    expect(gist(uri)).toEqual(expected);
  });

  it("is no track when it only looks like one", () => {
    expect(gist("rtsp://h/live/trackID=x").key).toBe("/live/trackid=x");
    expect(gist("rtsp://h/live/trackID=1234").key).toBe("/live/trackid=1234");
    expect(gist("rtsp://h/live/trackID=1/back").key).toBe("/live/trackid=1/back");
    expect(gist("rtsp://h/live/xtrackID=1").key).toBe("/live/xtrackid=1");
  });

  it("is the server for a star", () => {
    const star = parseTarget("*");
    expect(star.star).toBe(true);
    expect(star.key).toBe("");
    expect(parseTarget("rtsp://h/*").star).toBe(false);
  });

  it("keeps the case of the path beside the key", () => {
    expect(parseTarget("rtsp://h/Live/B%C3%84ck/").path).toBe("/Live/BÄck");
    expect(parseTarget("rtsp://h/Live/B%C3%84ck/").key).toBe("/live/bäck");
  });
});

describe("the authority of a request URI", () => {
  it.each([
    ["rtsp://h", "rtsp", undefined, "h", undefined],
    ["rtsp://h:8554/x", "rtsp", undefined, "h", 8554],
    ["rtsp://h:/x", "rtsp", undefined, "h", undefined],
    ["rtsps://[2001:db8::7]:322/x", "rtsps", undefined, "[2001:db8::7]", 322],
    ["rtsp://[fe80::1%25wlan0]/x", "rtsp", undefined, "[fe80::1%25wlan0]", undefined],
    ["RTSPU://h/x", "rtspu", undefined, "h", undefined],
    ["rtsp://viewer:secret@h:1/x", "rtsp", "viewer:secret", "h", 1],
    ["rtsp://viewer:se@cret@h/x", "rtsp", "viewer:se@cret", "h", undefined],
    ["rtsp://viewer@h?q", "rtsp", "viewer", "h", undefined],
    ["rtsp:///x", "rtsp", undefined, undefined, undefined],
    ["/x", undefined, undefined, undefined, undefined],
  ])("%s", (uri, scheme, userinfo, host, port) => {
    expect(parseTarget(uri)).toMatchObject({ scheme, userinfo, host, port });
  });
});

describe("a request URI that is none, or plays a trick", () => {
  it.each([
    "",
    "http://h/live",
    "mailto:x",
    "rtsp:/h/live",
    "h:554/live",
    "rtsp://h:0/x",
    "rtsp://h:65536/x",
    "rtsp://h:x/x",
    "rtsp://h ost/x",
    "rtsp://h\\evil/x",
    "rtsp://[::1/x",
    "rtsp://[::1]x/x",
    "rtsp://h/a b",
    "rtsp://h/a\tb",
    "rtsp://h/a\r\nX: 1",
    "rtsp://h/a\u0100",
    "rtsp://h/../etc",
    "rtsp://h/live/..",
    "rtsp://h/live/../trackID=0",
    "rtsp://h/%2e%2e/etc",
    "rtsp://h/.%2E/etc",
    "rtsp://h/a%2fb",
    "rtsp://h/a%5Cb",
    "rtsp://h/a\\b",
    "rtsp://h/a%00",
    "rtsp://h/a%0d%0aX",
    "rtsp://h/a%",
    "rtsp://h/a%zz",
    "rtsp://h/a%ff",
    "..",
  ])("%j ends in 400 and leaves the connection alone", (uri) => {
    let thrown: unknown;
    try {
      parseTarget(uri);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ProtocolFault);
    expect(thrown).toMatchObject({ status: 400, fatal: false });
  });
});

describe("Content-Base", () => {
  it.each([
    ["rtsp://h:8554/live/back", "rtsp://h:8554/live/back/"],
    ["rtsp://h/live/back/", "rtsp://h/live/back/"],
    ["rtsp://h/live/back/trackID=0", "rtsp://h/live/back/"],
    ["rtsp://viewer:secret@h/live/back", "rtsp://h/live/back/"],
    ["rtsp://[::1]:8554/live/back", "rtsp://[::1]:8554/live/back/"],
    ["rtsp://h/live/b%20ck", "rtsp://h/live/b%20ck/"],
    ["rtsp://h/live/back?q=1", "rtsp://h/live/back/?q=1/"],
    ["rtsp://h/live/back?q=1/trackID=0", "rtsp://h/live/back/?q=1/"],
    ["rtsp://h/live/back/trackID=0?q=1/", "rtsp://h/live/back/?q=1/"],
    ["rtsp://h", "rtsp://h/"],
    ["/live/back", "/live/back/"],
    ["*", ""],
  ])("of %s is %s", (uri, base) => {
    expect(parseTarget(uri).base).toBe(base);
  });

  it("gets scheme and host from the connection when the request had none", () => {
    const origin = "rtsp://192.0.2.7:8554";
    expect(absoluteBase(parseTarget("/live/back"), origin)).toBe("rtsp://192.0.2.7:8554/live/back/");
    expect(absoluteBase(parseTarget("rtsp:///live/back"), origin)).toBe("rtsp://192.0.2.7:8554/live/back/");
    expect(absoluteBase(parseTarget("*"), origin)).toBe("rtsp://192.0.2.7:8554/");
    expect(absoluteBase(parseTarget("rtsp://phone/live/back"), origin)).toBe("rtsp://phone/live/back/");
  });

  const segment = fc.stringMatching(/^[A-Za-z0-9_~-]{1,8}$/);
  const requested = fc
    .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.option(segment, { nil: undefined }), fc.nat(999))
    .map(([names, q, track]) => ({ url: `rtsp://h/${names.join("/")}${q === undefined ? "" : `?q=${q}`}`, track }));

  /** How clients get from Content-Base and `trackID=N` to the URL of SETUP. */
  const joins: Record<string, (base: string, control: string) => string> = {
    "that appends text (ffmpeg, live555)": (base, control) => base + control,
    "that resolves by RFC 3986": (base, control) => new URL(control, base).href,
    "that inserts before the query (GStreamer)": (base, control) => {
      const question = base.indexOf("?");
      return question < 0 ? base + control : base.slice(0, question) + control + base.slice(question);
    },
  };

  it.each(Object.entries(joins))("the control URL keeps camera and codec for a client %s", (_, join) => {
    fc.assert(
      fc.property(requested, ({ url, track }) => {
        const described = parseTarget(url);
        const setup = parseTarget(join(described.base, trackControl(track)));
        expect(setup.key).toBe(described.key);
        expect(setup.track).toBe(track);
      }),
      { numRuns: 100 },
    );
  });

  it("leads back to itself, so that RTP-Info's URLs are those of SETUP", () => {
    fc.assert(
      fc.property(requested, ({ url, track }) => {
        const { base } = parseTarget(url);
        expect(parseTarget(base).base).toBe(base);
        expect(parseTarget(base + trackControl(track)).base).toBe(base);
      }),
      { numRuns: 100 },
    );
  });
});

describe("the uri of a Digest answer", () => {
  const setup = parseTarget("rtsp://192.0.2.7:8554/live/back/trackID=0");
  it.each([
    ["the request's own", "rtsp://192.0.2.7:8554/live/back/trackID=0"],
    ["VLC's base", "rtsp://192.0.2.7:8554/live/back/"],
    ["HappyTime's and Grandstream's stream", "rtsp://192.0.2.7:8554/live/back"],
    ["Bosch's absolute path", "/live/back"],
    ["one with credentials", "rtsp://viewer@192.0.2.7:8554/live/back"],
    ["one by another name of the host", "rtsp://phone.local/live/back/trackID=0"],
    ["one with a query", "rtsp://192.0.2.7:8554/live/back?q=1/trackID=0"],
  ])("names the same stream: %s", (_, uri) => {
    expect(sameStream(uri, setup)).toBe(true);
  });

  it.each([
    "rtsp://192.0.2.7:8554/live/front",
    "rtsp://192.0.2.7:8554/live",
    "rtsp://192.0.2.7:8554/live/back/more",
    "rtsp://192.0.2.7:8554/",
    "/live/front/../back",
    "",
    "*",
  ])("names another stream, or none: %j", (uri) => {
    expect(sameStream(uri, setup)).toBe(false);
  });

  it("names the server only with a star", () => {
    expect(sameStream("*", parseTarget("*"))).toBe(true);
    expect(sameStream("rtsp://h/live/back", parseTarget("*"))).toBe(false);
  });
});

it("gives a target or a ProtocolFault, whatever the URI", () => {
  const hostText = fc.string({ unit: fc.integer({ min: 1, max: 0x100 }).map((code) => String.fromCharCode(code)) });
  const nasty = fc.stringMatching(/^(rtsp:\/\/)?[a-z0-9:@[\]/?#%.\\=& \r\n]{0,30}(\/trackID=\d)?$/);
  fc.assert(
    fc.property(fc.oneof(hostText, nasty), (uri) => {
      try {
        const target = parseTarget(uri);
        expect(target.base).not.toMatch(/[\r\n ]/);
        expect(target.path).not.toMatch(/[\r\n\\]|\/\.\.?(\/|$)/);
      } catch (error) {
        if (!(error instanceof ProtocolFault)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});
