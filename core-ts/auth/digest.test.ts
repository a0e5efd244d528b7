import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import {
  AUTHORIZATION_MAX_CHARS,
  DIGEST_MAX_PARAMETERS,
  type DigestCredentials,
  digestResponse,
  formatDigestChallenge,
  formatDigestCredentials,
  parseDigestCredentials,
} from "./digest.ts";
import { ha1Of } from "./users.ts";

const code = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof ProtocolFault) return `${thrown.status} ${thrown.code}`;
    throw thrown;
  }
  return "no fault";
};

const HEAD = 'Digest username="u", realm="r", nonce="n", uri="/p", ';
const RESPONSE = 'response="0123456789abcdef0123456789abcdef"';

describe("a Digest challenge", () => {
  const base = { realm: "Porthole", nonce: "abc", algorithm: "MD5", qop: false, stale: false } as const;

  it("begins with realm and nonce, as live555's scanner wants it", () => {
    expect(formatDigestChallenge(base)).toBe('Digest realm="Porthole", nonce="abc", algorithm=MD5');
  });

  it("says stale right behind the nonce, unquoted", () => {
    expect(formatDigestChallenge({ ...base, stale: true })).toBe(
      'Digest realm="Porthole", nonce="abc", stale=true, algorithm=MD5',
    );
  });

  it("offers qop to HTTP, quoted", () => {
    expect(formatDigestChallenge({ ...base, algorithm: "SHA-256", qop: true })).toBe(
      'Digest realm="Porthole", nonce="abc", algorithm=SHA-256, qop="auth"',
    );
  });
});

describe("Digest credentials", () => {
  // RFC 7616 section 3.9.1, with the line breaks of the RFC undone.
  const rfc7616 = (algorithm: string, response: string): string =>
    `Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=${algorithm}, ` +
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ' +
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, ' +
    `response="${response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;

  it.each([
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ] as const)("of RFC 7616 section 3.9.1 with %s have the RFC's response", (algorithm, response) => {
    const credentials = parseDigestCredentials(rfc7616(algorithm, response));
    expect(credentials).toMatchObject({ username: "Mufasa", uri: "/dir/index.html", algorithm, response });
    const ha1 = ha1Of("Mufasa", "http-auth@example.org", "Circle of Life", algorithm);
    expect(digestResponse(credentials, "GET", ha1)).toBe(response);
  });

  it("of RFC 2617 section 3.5 have the RFC's response", () => {
    const credentials = parseDigestCredentials(
      'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", ' +
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", ' +
        'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
    );
    const ha1 = ha1Of("Mufasa", "testrealm@host.com", "Circle Of Life", "MD5");
    expect(digestResponse(credentials, "GET", ha1)).toBe(credentials.response);
  });

  it("of RFC 2069 section 2.4 have the response that its errata give", () => {
    const credentials = {
      nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
      uri: "/dir/index.html",
      algorithm: "MD5",
    } as const;
    const ha1 = ha1Of("Mufasa", "testrealm@host.com", "CircleOfLife", "MD5");
    expect(digestResponse(credentials, "GET", ha1)).toBe("1949323746fe6a43ef61f9606e7febea");
  });

  it("hash non-ASCII names and passwords as UTF-8", () => {
    const expected = createHash("md5").update("Jürgen:Porthole:pässwörd €", "utf8").digest("hex");
    expect(ha1Of("Jürgen", "Porthole", "pässwörd €", "MD5")).toBe(expected);
  });

  it("may be unquoted, in any order, without blanks and with unknown parameters", () => {
    const read = parseDigestCredentials(
      `digest response=0123456789ABCDEF0123456789ABCDEF,URI=rtsp://h:7778/p?a=b==,x-y=1,nonce=n,realm=r,username=u`,
    );
    expect(read).toEqual({
      username: "u",
      realm: "r",
      nonce: "n",
      uri: "rtsp://h:7778/p?a=b==",
      response: "0123456789abcdef0123456789abcdef",
      algorithm: "MD5",
    });
  });

  it("may have blanks round the equals sign, tabs, doubled and trailing commas", () => {
    const read = parseDigestCredentials(
      `  Digest\tusername = "u" ,, realm= "r", nonce="n", uri="/p", ${RESPONSE}, algorithm="md5", `,
    );
    expect(read).toMatchObject({ username: "u", realm: "r", algorithm: "MD5" });
  });

  it("may hold commas, equals signs and escaped characters in quotes", () => {
    const read = parseDigestCredentials(
      `Digest username="a\\"b\\\\c, d=e", realm="", nonce="n", uri="/p", ${RESPONSE}`,
    );
    expect(read.username).toBe('a"b\\c, d=e');
    expect(read.realm).toBe("");
  });

  it.each([
    ["another scheme", "Basic dTpw", "400 authorization-scheme"],
    ["a scheme that only begins like Digest", `Digestive ${HEAD}`, "400 authorization-scheme"],
    ["nothing behind the scheme", "Digest", "400 authorization-incomplete"],
    ["no response", HEAD, "400 authorization-incomplete"],
    ["no uri", `Digest username="u", nonce="n", ${RESPONSE}`, "400 authorization-incomplete"],
    ["a parameter twice", `${HEAD}${RESPONSE}, Nonce="m"`, "400 authorization-duplicate"],
    ["a quote without an end", `${HEAD}${RESPONSE}, x="abc`, "400 authorization-syntax"],
    ["a quote that ends in an escape", `${HEAD}${RESPONSE}, x="abc\\`, "400 authorization-syntax"],
    ["a name without a value", `${HEAD}${RESPONSE}, x`, "400 authorization-syntax"],
    ["a missing comma", `${HEAD}${RESPONSE} x=y`, "400 authorization-syntax"],
    ["a value without a name", `${HEAD}${RESPONSE}, ="x"`, "400 authorization-syntax"],
    ["a short response", `${HEAD}response="0123"`, "400 authorization-response"],
    ["an MD5 response under SHA-256", `${HEAD}${RESPONSE}, algorithm=SHA-256`, "400 authorization-response"],
    ["an algorithm unknown here", `${HEAD}${RESPONSE}, algorithm=MD5-sess`, "400 authorization-algorithm"],
    ["qop=auth-int", `${HEAD}${RESPONSE}, qop=auth-int, nc=00000001, cnonce="c"`, "400 authorization-qop"],
    ["qop without nc", `${HEAD}${RESPONSE}, qop=auth, cnonce="c"`, "400 authorization-incomplete"],
    ["qop without cnonce", `${HEAD}${RESPONSE}, qop=auth, nc=00000001`, "400 authorization-incomplete"],
    ["an nc of 7 digits", `${HEAD}${RESPONSE}, qop=auth, nc=0000001, cnonce="c"`, "400 authorization-nc"],
  ])("with %s are a fault", (_what, value, expected) => {
    expect(code(() => parseDigestCredentials(value))).toBe(expected);
  });

  it("are read up to their limits and refused past them", () => {
    const whole = `${HEAD}${RESPONSE}, x="`;
    const longest = `${whole}${"y".repeat(AUTHORIZATION_MAX_CHARS - whole.length - 1)}"`;
    expect(code(() => parseDigestCredentials(longest))).toBe("no fault");
    expect(code(() => parseDigestCredentials(`${longest} `))).toBe("400 authorization-too-long");

    const many = (count: number): string =>
      HEAD + RESPONSE + Array.from({ length: count }, (_, i) => `, x${i}=1`).join("");
    expect(code(() => parseDigestCredentials(many(DIGEST_MAX_PARAMETERS - 5)))).toBe("no fault");
    expect(code(() => parseDigestCredentials(many(DIGEST_MAX_PARAMETERS - 4)))).toBe("400 authorization-parameters");
  });

  it("round-trip whatever their texts hold", () => {
    const digits = fc.stringMatching(/^[0-9a-f]{32}$/);
    const text = fc.string({ maxLength: 40 });
    const credentials: fc.Arbitrary<DigestCredentials> = fc.record(
      {
        username: text,
        realm: text,
        nonce: text,
        uri: text,
        response: digits,
        algorithm: fc.constant("MD5" as const),
        qop: fc.record({ nc: fc.stringMatching(/^[0-9a-f]{8}$/), cnonce: text }),
      },
      { requiredKeys: ["username", "realm", "nonce", "uri", "response", "algorithm"] },
    );
    fc.assert(
      fc.property(credentials, (original) => {
        expect(parseDigestCredentials(formatDigestCredentials(original))).toEqual(original);
      }),
      { numRuns: 300 },
    );
  });

  it("cut anywhere are a fault or complete, never a crash", () => {
    const whole = `${HEAD}${RESPONSE}, qop=auth, nc=00000001, cnonce="c\\"d"`;
    for (let length = 0; length <= whole.length; length++) {
      expect(code(() => parseDigestCredentials(whole.slice(0, length)))).toMatch(/^(400 authorization-|no fault)/);
    }
  });

  it("of arbitrary text are a ProtocolFault or credentials", () => {
    const piece = fc.oneof(
      fc.constantFrom("Digest ", ",", "=", '"', "\\", " ", "\t", "username", "nonce", "uri", RESPONSE, HEAD),
      fc.string({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        code(() => parseDigestCredentials(`Digest ${pieces.join("")}`));
      }),
      { numRuns: 500 },
    );
  });
});
