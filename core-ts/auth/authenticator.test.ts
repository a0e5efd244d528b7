import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOfBytes, utf8Bytes } from "../bytes/text.ts";
import { millis, seconds } from "../time/units.ts";
import { Authenticator, type AuthenticatorOptions, type AuthFailure, type AuthRequest } from "./authenticator.ts";
import { NONCE_LIFETIME_US } from "./nonce-source.ts";
import { type User, userOf } from "./users.ts";

const REALM = "Porthole";
const ADMIN = userOf({ name: "admin", role: "admin", realm: REALM, password: "s3cret" });
const GUEST = userOf({ name: "gäst", role: "viewer", realm: REALM, password: "grüße €" });
const URL_ = "rtsp://192.0.2.7:7778/live/back";
const NOW = seconds(100);

function authenticator(more: Partial<AuthenticatorOptions> = {}): Authenticator {
  return new Authenticator({
    realm: REALM,
    users: [ADMIN, GUEST],
    sha256: false,
    basic: true,
    qop: false,
    secret: new Uint8Array(32).fill(9),
    ...more,
  });
}

function request(authorization: string | undefined, more: Partial<AuthRequest> = {}): AuthRequest {
  return { method: "DESCRIBE", authorization, peerAddress: "192.0.2.1", nowUs: NOW, sameTarget: () => true, ...more };
}

/** What check says, in a word: the user's name or the reason. */
function outcome(auth: Authenticator, authorization: string | undefined, more: Partial<AuthRequest> = {}): string {
  const result = auth.check(request(authorization, more));
  return result.ok ? `user ${result.user.name}` : result.reason;
}

function nonceOf(challenge: string): string {
  return /nonce="([^"]+)"/.exec(challenge)![1]!;
}

// The other end, over node:crypto and not over what is tested.
const hash = (algorithm: string, text: string): string => createHash(algorithm).update(text, "utf8").digest("hex");
type Client = { method?: string; uri?: string; name?: string; password?: string; nonce: string; algorithm?: string };
function response(o: Client, qop?: { nc: string; cnonce: string }): string {
  const algorithm = o.algorithm ?? "md5";
  const ha1 = hash(algorithm, `${o.name ?? "admin"}:${REALM}:${o.password ?? "s3cret"}`);
  const ha2 = hash(algorithm, `${o.method ?? "DESCRIBE"}:${o.uri ?? URL_}`);
  const middle = qop === undefined ? o.nonce : `${o.nonce}:${qop.nc}:${qop.cnonce}:auth`;
  return hash(algorithm, `${ha1}:${middle}:${ha2}`);
}

/** As live555, and so VLC, writes it: everything quoted, a comma behind each. */
const vlc = (o: Client): string =>
  `Digest username="${o.name ?? "admin"}", realm="${REALM}", nonce="${o.nonce}", uri="${o.uri ?? URL_}", response="${response(o)}"`;
/** As ffmpeg's rtsp writes it when no qop was offered. */
const ffmpeg = (o: Client): string =>
  `Digest username="${o.name ?? "admin"}", realm="${REALM}", nonce="${o.nonce}", uri="${o.uri ?? URL_}", response="${response(o)}", algorithm="MD5"`;
/** As GStreamer's rtspsrc writes it. */
const gstreamer = (o: Client): string =>
  `Digest username="${o.name ?? "admin"}", realm="${REALM}", nonce="${o.nonce}", uri="${o.uri ?? URL_}", response="${response(o)}"`;
/** As curl --digest writes it on HTTP. */
const curl = (o: Client, nc = "00000001"): string =>
  `Digest username="admin", realm="${REALM}", nonce="${o.nonce}", uri="${o.uri}", cnonce="NjYwMzc5OTVkYzk5MDA=", nc=${nc}, qop=auth, response="${response(o, { nc, cnonce: "NjYwMzc5OTVkYzk5MDA=" })}", algorithm=${o.algorithm === "sha256" ? "SHA-256" : "MD5"}`;
/** As Chrome writes it: the response before qop. */
const chrome = (o: Client, nc = "00000001"): string =>
  `Digest username="admin", realm="${REALM}", nonce="${o.nonce}", uri="${o.uri}", algorithm=MD5, response="${response(o, { nc, cnonce: "6f0ed4da0bbab43c" })}", qop=auth, nc=${nc}, cnonce="6f0ed4da0bbab43c"`;
const basic = (text: string, encoding: BufferEncoding = "utf8"): string =>
  `Basic ${Buffer.from(text, encoding).toString("base64")}`;

describe("the challenges", () => {
  const NONCE = /nonce="[0-9a-f]{46}"/;
  const shape = (values: string[]): string[] => values.map((value) => value.replace(NONCE, 'nonce="…"'));

  it("are Digest MD5 first and Basic second, each its own value", () => {
    expect(shape(authenticator().challenges(NOW))).toEqual([
      'Digest realm="Porthole", nonce="…", algorithm=MD5',
      'Basic realm="Porthole"',
    ]);
  });

  it("have SHA-256 between them when that is set, and qop for HTTP", () => {
    expect(shape(authenticator({ sha256: true, qop: true }).challenges(NOW, true))).toEqual([
      'Digest realm="Porthole", nonce="…", stale=true, algorithm=MD5, qop="auth"',
      'Digest realm="Porthole", nonce="…", stale=true, algorithm=SHA-256, qop="auth"',
      'Basic realm="Porthole"',
    ]);
  });

  it("leave Basic out when it is off", () => {
    expect(shape(authenticator({ basic: false }).challenges(NOW))).toEqual([
      'Digest realm="Porthole", nonce="…", algorithm=MD5',
    ]);
  });
});

describe("credentials", () => {
  const auth = authenticator();
  const nonce = nonceOf(auth.challenges(NOW)[0]!);

  it.each([
    ["VLC", vlc],
    ["ffmpeg", ffmpeg],
    ["GStreamer", gstreamer],
  ])("of %s on RTSP are good again and again, and wrong with another password, name or method", (_client, line) => {
    for (const method of ["DESCRIBE", "SETUP", "PLAY"]) {
      expect(outcome(auth, line({ nonce, method }), { method })).toBe("user admin");
    }
    expect(outcome(auth, line({ nonce, password: "s3creT" }))).toBe("wrong");
    expect(outcome(auth, line({ nonce, name: "nobody" }))).toBe("wrong");
    expect(outcome(auth, line({ nonce }), { method: "SETUP" })).toBe("wrong");
  });

  it("with qop in an HTTP request are good, in curl's and in Chrome's spelling", () => {
    const http = authenticator({ qop: true });
    const get = { method: "GET", uri: "/live/back/mjpeg?x=1" };
    const one = nonceOf(http.challenges(NOW)[0]!);
    const two = nonceOf(http.challenges(NOW + 1)[0]!);
    expect(outcome(http, curl({ nonce: one, ...get }), { method: "GET" })).toBe("user admin");
    expect(outcome(http, chrome({ nonce: two, ...get }), { method: "GET", nowUs: NOW + 1 })).toBe("user admin");
    // RFC 2617 section 3.2.2.1 lets a client leave qop out.
    expect(outcome(http, vlc({ nonce: one, ...get }), { method: "GET" })).toBe("user admin");
  });

  it("with a count used before are stale, with the next one good", () => {
    const http = authenticator({ qop: true });
    const get = { method: "GET", uri: "/snapshot.jpg", nonce: nonceOf(http.challenges(NOW)[0]!) };
    expect(outcome(http, curl(get), { method: "GET" })).toBe("user admin");
    expect(outcome(http, curl(get), { method: "GET" })).toBe("stale");
    expect(outcome(http, curl(get, "00000002"), { method: "GET" })).toBe("user admin");
  });

  it("with SHA-256 are good only where it is offered", () => {
    const line = (o: Client): string => curl({ ...o, algorithm: "sha256", uri: "/" });
    const on = authenticator({ sha256: true, qop: true });
    const off = authenticator({ qop: true });
    expect(outcome(on, line({ nonce: nonceOf(on.challenges(NOW)[0]!), method: "GET" }), { method: "GET" })).toBe(
      "user admin",
    );
    expect(outcome(off, line({ nonce: nonceOf(off.challenges(NOW)[0]!), method: "GET" }), { method: "GET" })).toBe(
      "wrong",
    );
    const { md5 } = ADMIN.ha1;
    on.setUsers([{ ...ADMIN, ha1: { md5 } }]);
    expect(outcome(on, line({ nonce, method: "GET" }), { method: "GET" })).toBe("wrong");
  });

  it("may hold a non-ASCII name and password, the header decoded or not", () => {
    const line = vlc({ nonce, name: "gäst", password: "grüße €", uri: "rtsp://h/ä" });
    expect(outcome(auth, line)).toBe("user gäst");
    expect(outcome(auth, textOfBytes(utf8Bytes(line)))).toBe("user gäst");
  });

  it("of Basic are good in UTF-8, and in Latin-1 where that can say it", () => {
    const latin = userOf({ name: "gäst", role: "viewer", realm: REALM, password: "grüße" });
    const both = authenticator({ users: [latin] });
    expect(outcome(auth, basic("admin:s3cret"))).toBe("user admin");
    expect(outcome(auth, basic("gäst:grüße €"))).toBe("user gäst");
    expect(outcome(both, basic("gäst:grüße", "utf8"))).toBe("user gäst");
    expect(outcome(both, basic("gäst:grüße", "latin1"))).toBe("user gäst");
    expect(outcome(auth, basic("admin:s3cret:"))).toBe("wrong");
    expect(outcome(auth, basic("nobody:s3cret"))).toBe("wrong");
  });

  it.each<[string, string | undefined, AuthFailure]>([
    ["none", undefined, "missing"],
    ["an empty header", "", "missing"],
    ["another scheme", "Bearer abc", "missing"],
    ["cut Digest", 'Digest username="admin', "malformed"],
    ["broken Basic", "Basic *", "malformed"],
  ])("(%s) are answered with a challenge and cost nothing", (_what, value, reason) => {
    const fresh = authenticator();
    for (let i = 0; i < 5; i++) {
      const result = fresh.check(request(value));
      expect(result).toMatchObject({ ok: false, reason, delayUs: 0 });
      expect(result.ok ? [] : result.challenges).toHaveLength(2);
    }
  });

  it("of Basic are not looked at where Basic is off", () => {
    expect(outcome(authenticator({ basic: false }), basic("admin:s3cret"))).toBe("missing");
  });

  it("with the hash of an unknown user's stand-in open nothing", () => {
    const ha2 = hash("md5", `DESCRIBE:${URL_}`);
    const forged = hash("md5", `${"0".repeat(32)}:${nonce}:${ha2}`);
    const line = `Digest username="nobody", nonce="${nonce}", uri="${URL_}", response="${forged}"`;
    expect(outcome(auth, line)).toBe("wrong");
  });

  it("follow setUsers at once", () => {
    const changing = authenticator();
    changing.setUsers([userOf({ name: "admin", role: "admin", realm: REALM, password: "new" })]);
    expect(outcome(changing, basic("admin:s3cret"))).toBe("wrong");
    expect(outcome(changing, basic("admin:new"))).toBe("user admin");
  });

  it("whatever they say never throw and never open", () => {
    const piece = fc.oneof(
      fc.constantFrom("Digest ", "Basic ", ",", "=", '"', "\\", " ", "ä", "€", "username=", "admin", "YTpi"),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        expect(auth.check(request(pieces.join(""))).ok).toBe(false);
      }),
      { numRuns: 500 },
    );
  });
});

describe("the digest's own uri", () => {
  const auth = authenticator();
  const nonce = nonceOf(auth.challenges(NOW)[0]!);

  it.each([
    ["VLC's base URL with a slash on SETUP", `${URL_}/`],
    ["Grandstream's stream URL without the track", URL_],
    ["Bosch's absolute path", "/live/back"],
  ])("is what is hashed, and then shown to the caller: %s", (_client, uri) => {
    const asked: string[] = [];
    const sameTarget = (text: string): boolean => asked.push(text) > 0;
    expect(outcome(auth, vlc({ nonce, uri, method: "SETUP" }), { method: "SETUP", sameTarget })).toBe("user admin");
    expect(asked).toEqual([uri]);
  });

  it("of another stream is refused without slowing anybody", () => {
    const result = auth.check(request(vlc({ nonce, uri: "rtsp://192.0.2.7/other" }), { sameTarget: () => false }));
    expect(result).toMatchObject({ ok: false, reason: "target", delayUs: 0 });
  });

  it("is not shown to the caller when the password is wrong", () => {
    const sameTarget = (): boolean => {
      throw new Error("asked");
    };
    expect(outcome(auth, vlc({ nonce, password: "x" }), { sameTarget })).toBe("wrong");
  });
});

describe("an old nonce", () => {
  it("with the right password is answered stale=true, and the next login is good", () => {
    const auth = authenticator();
    const nonce = nonceOf(auth.challenges(NOW)[0]!);
    const later = NOW + NONCE_LIFETIME_US;
    const result = auth.check(request(ffmpeg({ nonce }), { nowUs: later }));
    if (result.ok) throw new Error("must not be good");
    expect(result).toMatchObject({ reason: "stale", delayUs: 0 });
    expect(result.challenges[0]).toContain(", stale=true,");
    expect(outcome(auth, ffmpeg({ nonce: nonceOf(result.challenges[0]!) }), { nowUs: later })).toBe("user admin");
  });

  it("with a wrong password is just wrong", () => {
    const auth = authenticator();
    const nonce = nonceOf(auth.challenges(NOW)[0]!);
    const result = auth.check(request(ffmpeg({ nonce, password: "x" }), { nowUs: NOW + NONCE_LIFETIME_US }));
    expect(result).toMatchObject({ ok: false, reason: "wrong" });
    expect(result.ok ? "" : result.challenges[0]).not.toContain("stale");
  });

  it("of before a restart, or made up by the client, is stale too", () => {
    const earlier = authenticator({ secret: new Uint8Array(32).fill(1) });
    expect(outcome(authenticator(), ffmpeg({ nonce: nonceOf(earlier.challenges(NOW)[0]!) }))).toBe("stale");
    expect(outcome(authenticator(), ffmpeg({ nonce: "abc" }))).toBe("stale");
  });
});

describe("failed logins", () => {
  it("slow their address, and no other", () => {
    const auth = authenticator();
    const delays = Array.from({ length: 5 }, () => auth.check(request(basic("admin:x"))).delayUs);
    expect(delays).toEqual([0, 0, 250, 500, 1_000].map(millis));
    expect(auth.check(request(basic("admin:x"), { peerAddress: "192.0.2.2" })).delayUs).toBe(0);
  });

  it("count for unknown users as for known ones, in Digest as in Basic", () => {
    const auth = authenticator();
    const nonce = nonceOf(auth.challenges(NOW)[0]!);
    const lines = [basic("nobody:x"), vlc({ nonce, name: "nobody" }), vlc({ nonce, password: "x" }), basic("admin:x")];
    expect(lines.map((line) => auth.check(request(line)).delayUs)).toEqual([0, 0, 250, 500].map(millis));
  });

  it("end with a success, which is held as long as a failure would have been", () => {
    const auth = authenticator();
    for (let i = 0; i < 4; i++) auth.check(request(basic("admin:x")));
    const good: { ok: boolean; user?: User; delayUs: number } = auth.check(request(basic("admin:s3cret")));
    expect(good).toEqual({ ok: true, user: ADMIN, delayUs: millis(500) });
    expect(auth.check(request(basic("admin:s3cret"))).delayUs).toBe(0);
    expect(auth.check(request(basic("admin:x"))).delayUs).toBe(0);
  });

  it("of requests without credentials are none", () => {
    const auth = authenticator();
    for (let i = 0; i < 20; i++) auth.check(request(undefined));
    expect(auth.check(request(basic("admin:x"))).delayUs).toBe(0);
  });
});
