import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { textOfBytes, utf8Bytes } from "../bytes/text.ts";
import { TextCollector } from "../bytes/text-collector.ts";
import { HEADER_NAME_MAX_BYTES, HEADER_VALUE_MAX_BYTES, HEADERS_MAX } from "./headers.ts";
import {
  BODY_MAX_BYTES,
  HEAD_MAX_BYTES,
  HEADER_LINE_MAX_BYTES,
  METHOD_MAX_BYTES,
  REQUEST_LINE_MAX_BYTES,
  type RtspInput,
  RtspParser,
  URI_MAX_BYTES,
} from "./request-parser.ts";

/** An input as plain data, to compare. */
function plain(input: RtspInput) {
  switch (input.kind) {
    case "request":
      return { ...input.request, kind: "request", headers: input.request.headers.fields };
    case "fault": {
      const { code, status, fatal, message } = input.fault;
      return { kind: "fault", code, status, fatal, message, cseq: input.cseq };
    }
    default:
      return input;
  }
}

function feedAll(pieces: readonly string[]) {
  const parser = new RtspParser();
  return pieces.flatMap((piece) => parser.feed(piece)).map(plain);
}

const parse = (text: string) => feedAll([text]);

/** Asserts that the result doesn't depend on how the stream is cut, and returns it. */
function parseEveryWay(text: string) {
  const whole = parse(text);
  expect(feedAll([...text])).toEqual(whole);
  for (let i = 1; i < text.length; i++) expect(feedAll([text.slice(0, i), text.slice(i)])).toEqual(whole);
  return whole;
}

const faultOf = (text: string) => {
  const inputs = parse(text);
  expect(inputs).toHaveLength(1);
  return inputs[0];
};

const options = (cseq: number | string = 1) => `OPTIONS rtsp://h/live RTSP/1.0\r\nCSeq: ${cseq}\r\n\r\n`;
const optionsRequest = (cseq: number | string = 1) => ({
  kind: "request",
  method: "OPTIONS",
  uri: "rtsp://h/live",
  version: "RTSP/1.0",
  headers: [["CSeq", String(cseq)]],
  body: "",
});

/** `$`, channel, length, data. */
function frame(channel: number, data: readonly number[]): string {
  return textOfBytes(Uint8Array.from([0x24, channel, data.length >> 8, data.length & 0xff, ...data]));
}

/** A receiver report of one block: its bytes hold a zero, a LF, a CR and a `$`. */
const RECEIVER_REPORT = [0x81, 201, 0, 7, ...[0, 10, 13, 0x24], ...Array(24).fill(0)];

describe("requests", () => {
  it("are read whole, byte by byte and at every split", () => {
    const text =
      "SETUP rtsp://h/live/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n" +
      "User-Agent:x\r\nEmpty:\r\n\r\n";
    expect(parseEveryWay(text)).toEqual([
      {
        kind: "request",
        method: "SETUP",
        uri: "rtsp://h/live/trackID=0",
        version: "RTSP/1.0",
        headers: [
          ["CSeq", "3"],
          ["Transport", "RTP/AVP/TCP;unicast;interleaved=0-1"],
          ["User-Agent", "x"],
          ["Empty", ""],
        ],
        body: "",
      },
    ]);
  });

  it("bring their body, as long as Content-Length says", () => {
    const body = "a\r\n\r\n$\u0100OPTIONS";
    const text = `GET_PARAMETER rtsp://h/live RTSP/1.0\r\nCSeq: 4\r\nContent-Length: ${body.length}\r\n\r\n${body}${options(5)}`;
    const [first, second] = parseEveryWay(text);
    expect(first).toMatchObject({ method: "GET_PARAMETER", body });
    expect(second).toEqual(optionsRequest(5));
  });

  it("may come several at once", () => {
    expect(parseEveryWay(options(1) + options(2) + options(3))).toEqual([1, 2, 3].map(optionsRequest));
  });

  it("may come after empty lines", () => {
    expect(parseEveryWay(`\r\n\r\n\n${options()}\r\n${options(2)}\r\n`)).toEqual([1, 2].map(optionsRequest));
  });

  it("may end their lines with a bare LF", () => {
    expect(parseEveryWay("OPTIONS rtsp://h/live RTSP/1.0\nCSeq: 1\n\n")).toEqual([optionsRequest()]);
  });

  it("may fold a header", () => {
    const text = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: a\r\n \t b\r\n\tc\r\n  \r\nX:\r\n d\r\n\r\n";
    expect(parseEveryWay(text)).toMatchObject([
      {
        kind: "request",
        headers: [
          ["CSeq", "1"],
          ["User-Agent", "a b c"],
          ["X", "d"],
        ],
      },
    ]);
  });

  it("may have blanks around a header's name and value", () => {
    expect(parse("OPTIONS * RTSP/1.0\r\ncseq \t:\t 1 \t\r\n\r\n")).toMatchObject([{ headers: [["cseq", "1"]] }]);
  });

  it("may hold UTF-8 or Latin-1 in the URI and in header values", () => {
    const utf8 = textOfBytes(utf8Bytes("OPTIONS /tür RTSP/1.0\r\nCSeq: 1\r\nX: tür\r\n\r\n"));
    const latin1 = "OPTIONS /t\xfcr RTSP/1.0\r\nCSeq: 1\r\nX: t\xfcr\r\n\r\n";
    for (const text of [utf8, latin1]) {
      expect(parse(text)).toMatchObject([
        {
          uri: "/tür",
          headers: [
            ["CSeq", "1"],
            ["X", "tür"],
          ],
        },
      ]);
    }
  });

  it("may repeat Content-Length as long as the values agree", () => {
    const text = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\nab";
    expect(parse(text)).toMatchObject([{ kind: "request", body: "ab" }]);
  });

  it("are counted as pending until they are complete", () => {
    const parser = new RtspParser();
    const text = `GET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc${frame(0, [1, 2])}`;
    const counts = [...text].map((byte) => {
      parser.feed(byte);
      return parser.pendingBytes;
    });
    const body = text.indexOf("abc");
    expect(counts[10]).toBe(11);
    expect(counts[body + 1]).toBe(body + 2);
    expect(counts[body + 2]).toBe(0);
    expect(counts.at(-2)).toBeGreaterThan(0);
    expect(counts.at(-1)).toBe(0);
    expect(new RtspParser().pendingBytes).toBe(0);
  });
});

describe("what else a client sends", () => {
  it("RTCP arriving as $ frames before, between and after requests never disturbs request parsing", () => {
    const report = frame(1, RECEIVER_REPORT);
    const inputs = parseEveryWay(report + options(1) + report + report + options(2) + report);
    const interleaved = { kind: "interleaved", channel: 1, data: textOfBytes(Uint8Array.from(RECEIVER_REPORT)) };
    expect(inputs).toEqual([interleaved, optionsRequest(1), interleaved, interleaved, optionsRequest(2), interleaved]);
  });

  it("frames may be empty, and as long as their length field can say", () => {
    expect(parse(frame(0, []) + options())).toEqual([{ kind: "interleaved", channel: 0, data: "" }, optionsRequest()]);
    const data = Array(65535).fill(0x24);
    expect(parse(frame(255, data) + options())).toEqual([
      { kind: "interleaved", channel: 255, data: "$".repeat(65535) },
      optionsRequest(),
    ]);
  });

  it("answers to requests of ours are swallowed, their bodies too", () => {
    const answer = "RTSP/1.0 200 OK\r\nCSeq: 9\r\nContent-Length: 4\r\n\r\n$abc";
    expect(parseEveryWay(answer + options())).toEqual([{ kind: "response" }, optionsRequest()]);
    expect(parse(`RTSP/1.0 451\r\nno colon\r\n\r\n${options()}`)).toEqual([{ kind: "response" }, optionsRequest()]);
  });
});

describe("a fault that leaves the framing intact", () => {
  const request = (line: string, ...headers: string[]) => `${[line, "CSeq: 7", ...headers].join("\r\n")}\r\n\r\n`;
  const good = "OPTIONS rtsp://h/live RTSP/1.0";

  it.each([
    ["a header without colon", request(good, "nonsense"), 400, "header-colon"],
    ["a header without name", request(good, ": x"), 400, "header-name"],
    ["a header name with blanks", request(good, "a b: x"), 400, "header-name"],
    ["NUL in a header", request(good, "X: a\u0100b"), 400, "header-control"],
    ["a control byte in a header", request(good, "X: a\x01"), 400, "header-control"],
    ["a bare CR in a header", request(good, "X: a\rY: b"), 400, "header-control"],
    ["a control byte in a folded line", request(good, "X: a", " \x01"), 400, "header-control"],
    ["a method that is no token", request("OPT(ONS * RTSP/1.0"), 400, "method"],
    ["an empty URI", request("OPTIONS  RTSP/1.0"), 400, "request-uri"],
    ["no URI", request("OPTIONS RTSP/1.0"), 400, "request-uri"],
    ["a blank in the URI", request("OPTIONS rtsp://h/a b RTSP/1.0"), 400, "request-uri"],
    ["NUL in the URI", request("OPTIONS rtsp://h/a\u0100 RTSP/1.0"), 400, "request-uri"],
    ["RTSP/2.0", request("OPTIONS * RTSP/2.0"), 505, "version"],
    ["a version that is none", request("OPTIONS * RTSP/1.0x"), 505, "version"],
  ])("%s is answered, and the next request is served", (_, text, status, code) => {
    expect(parseEveryWay(text + options(8))).toMatchObject([
      { kind: "fault", status, code, fatal: false, cseq: "7" },
      optionsRequest(8),
    ]);
  });

  it("skips the faulty request's body", () => {
    const text = `${request("OPTIONS * RTSP/2.0", "Content-Length: 3").slice(0)}abc${options(8)}`;
    expect(parseEveryWay(text)).toMatchObject([{ kind: "fault", status: 505, cseq: "7" }, optionsRequest(8)]);
  });

  it("finds a CSeq that stands behind the fault, and names the first of two faults", () => {
    const text = "OPTIONS * RTSP/2.0\r\nnonsense\r\nCSeq: 12\r\n\r\n";
    expect(faultOf(text)).toMatchObject({ status: 505, cseq: "12" });
  });

  it("says at which byte of the connection the line stands", () => {
    const text = `${options()}OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nnonsense\r\n\r\n`;
    expect(parseEveryWay(text)[1]).toMatchObject({
      message: expect.stringContaining(`byte ${text.indexOf("nonsense")}`),
    });
  });

  it.each([
    ["no CSeq", ""],
    ["an empty CSeq", "CSeq:\r\n"],
    ["a CSeq that is no number", "CSeq: 1a\r\n"],
    ["a negative CSeq", "CSeq: -1\r\n"],
    ["an endless CSeq", `CSeq: ${"1".repeat(21)}\r\n`],
  ])("%s ends in 400", (_, header) => {
    const text = `OPTIONS * RTSP/1.0\r\n${header}\r\n${options()}`;
    expect(parse(text)).toMatchObject([{ status: 400, code: "cseq", fatal: false, cseq: undefined }, optionsRequest()]);
  });

  it("is not CSeq 0, which VLC sends", () => {
    expect(parse(options(0))).toEqual([optionsRequest(0)]);
  });
});

describe("a fault that loses the framing", () => {
  const withLength = (...values: string[]) =>
    `OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n${values.map((value) => `Content-Length: ${value}\r\n`).join("")}\r\n`;

  it.each([
    ["a TLS hello", "\x16\x03\x01\x02\u0100", 400, "not-rtsp", undefined],
    ["a NUL", "\u0100", 400, "not-rtsp", undefined],
    ["a blank before a request", " OPTIONS", 400, "not-rtsp", undefined],
    ["HTTP", "GET / HTTP/1.1\r\n", 505, "http-version", undefined],
    ["a line that is no request line", "hello\r\n", 400, "request-line", undefined],
    ["a request line without version", "OPTIONS rtsp://h/live\r\n", 400, "request-line", undefined],
    ["differing lengths", withLength("3", "4"), 400, "content-length-conflict", "7"],
    ["a length that is no number", withLength("3x"), 400, "content-length", "7"],
    ["a negative length", withLength("-3"), 400, "content-length", "7"],
    ["a signed length", withLength("+3"), 400, "content-length", "7"],
    ["a length list", withLength("3, 3"), 400, "content-length", "7"],
    ["an empty length", withLength(""), 400, "content-length", "7"],
    ["a length beyond numbers", withLength("9".repeat(16)), 400, "content-length", "7"],
    ["a length past the limit", withLength(String(BODY_MAX_BYTES + 1)), 413, "body-too-large", "7"],
  ])("%s is answered, and nothing after it is read", (_, text, status, code, cseq) => {
    expect(parseEveryWay(text + options())).toMatchObject([{ kind: "fault", status, code, fatal: true, cseq }]);
  });

  it("ends the parser for good", () => {
    const parser = new RtspParser();
    expect(parser.feed("\x16")).toHaveLength(1);
    expect(parser.feed(options())).toEqual([]);
    expect(parser.pendingBytes).toBe(0);
  });
});

describe("limits: what is just within passes, one past it fails", () => {
  const head = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n";

  it.each([
    ["method", (n: number) => `${"M".repeat(n)} * RTSP/1.0\r\nCSeq: 1\r\n\r\n`, METHOD_MAX_BYTES, 400, false],
    ["URI", (n: number) => `OPTIONS ${"/".repeat(n)} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, URI_MAX_BYTES, 414, false],
    ["header name", (n: number) => `${head}${"n".repeat(n)}: x\r\n\r\n`, HEADER_NAME_MAX_BYTES, 400, false],
    ["header value", (n: number) => `${head}X: ${"v".repeat(n)}\r\n\r\n`, HEADER_VALUE_MAX_BYTES, 400, false],
    ["folded value", (n: number) => `${head}X: v\r\n ${"v".repeat(n - 2)}\r\n\r\n`, HEADER_VALUE_MAX_BYTES, 400, false],
    ["headers", (n: number) => `${head}${"X: y\r\n".repeat(n - 1)}\r\n`, HEADERS_MAX, 400, false],
    ["body", (n: number) => `${head}Content-Length: ${n}\r\n\r\n${"b".repeat(n)}`, BODY_MAX_BYTES, 413, true],
  ] as const)("%s", (_, build, limit, status, fatal) => {
    expect(parse(build(limit))).toMatchObject([{ kind: "request" }]);
    expect(parse(build(limit + 1) + options(2))).toMatchObject([
      { kind: "fault", status, fatal },
      ...(fatal ? [] : [optionsRequest(2)]),
    ]);
  });

  it("request line: past it no end is waited for", () => {
    const method = `${"M".repeat(REQUEST_LINE_MAX_BYTES)}`;
    expect(parse(method)).toEqual([]);
    expect(faultOf(`${method}M`)).toMatchObject({ status: 400, code: "method-too-long", fatal: true });
    const uri = `OPTIONS ${"/".repeat(REQUEST_LINE_MAX_BYTES)}`;
    expect(faultOf(uri)).toMatchObject({ status: 414, code: "uri-too-long", fatal: true });
    expect(feedAll([...uri])).toEqual(parse(uri));
    expect(feedAll([uri.slice(0, 50), uri.slice(50)])).toEqual(parse(uri));
  });

  it("header line: past it no end is waited for", () => {
    const text = `${head}X: ${"v".repeat(HEADER_LINE_MAX_BYTES - 3)}`;
    expect(parse(text)).toEqual([]);
    expect(faultOf(`${text}v`)).toMatchObject({ status: 400, code: "header-line-too-long", fatal: true, cseq: "1" });
  });

  it("head", () => {
    // Lines of 2,000 bytes, and a last one that fills the head to the byte; the empty line counts as well.
    const line = `X: ${"v".repeat(1995)}\r\n`;
    const count = Math.floor((HEAD_MAX_BYTES - head.length - 100) / line.length);
    const rest = HEAD_MAX_BYTES - head.length - count * line.length - "Y: \r\n".length - 2;
    const build = (more: number) => `${head}${line.repeat(count)}Y: ${"v".repeat(rest + more)}\r\n\r\n`;
    expect(build(0)).toHaveLength(HEAD_MAX_BYTES);
    expect(parse(build(0))).toMatchObject([{ kind: "request" }]);
    expect(parse(build(1) + options(2))).toMatchObject([
      { kind: "fault", status: 400, code: "head-too-long", fatal: true, cseq: "1" },
    ]);
  });
});

describe("work", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("grows with the bytes alone when they come one at a time", () => {
    const pushed = vi.spyOn(TextCollector.prototype, "push");
    const taken = vi.spyOn(TextCollector.prototype, "take");
    const searched = vi.spyOn(String.prototype, "indexOf");
    const head = `${`OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n${`X: ${"v".repeat(2000)}\r\n`.repeat(20)}`}`;
    const text = `${head}Content-Length: ${BODY_MAX_BYTES}\r\n\r\n${"b".repeat(BODY_MAX_BYTES)}${frame(0, Array(60000).fill(7))}`;
    const parser = new RtspParser();
    let inputs = 0;
    let scanned = 0;
    for (let i = 0; i < text.length; i++) {
      inputs += parser.feed(text.charAt(i)).length;
      if (i % 4096 > 0) continue;
      scanned += searched.mock.contexts.reduce<number>((sum, context) => sum + String(context).length, 0);
      searched.mockClear();
    }
    expect(inputs).toBe(2);
    const characters = (values: readonly string[]) => values.reduce((sum, value) => sum + value.length, 0);
    expect(characters(pushed.mock.calls.map(([piece]) => piece))).toBeLessThanOrEqual(text.length);
    expect(characters(taken.mock.results.map(({ value }) => String(value)))).toBeLessThanOrEqual(text.length);
    // Each line is looked through a few times more when it is complete: for its colon, for a blank.
    expect(scanned).toBeLessThanOrEqual(6 * text.length);
  });

  it("takes thousands of requests in one text", () => {
    const inputs = new RtspParser().feed(options().repeat(5000));
    expect(inputs).toHaveLength(5000);
    expect(inputs.every((input) => input.kind === "request")).toBe(true);
  });
});

describe("properties", () => {
  const token = fc.stringMatching(/^[A-Za-z_-]{1,12}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => textOfBytes(array));
  const message = fc
    .record({ method: token, uri: value, headers: fc.array(fc.tuple(token, value), { maxLength: 5 }), body: bytes })
    .filter(
      ({ uri, headers }) => !uri.includes(" ") && !headers.some(([name]) => /^(cseq|content-length)$/i.test(name)),
    )
    .map(({ method, uri, headers, body }) => {
      const fields = [["CSeq", "1"], ...headers, ...(body === "" ? [] : [["Content-Length", String(body.length)]])];
      const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join("");
      const expected = { kind: "request", method, uri, version: "RTSP/1.0", headers: fields, body };
      return { text: `${method} ${uri} RTSP/1.0\r\n${lines}\r\n${body}`, expected };
    });
  const framed = fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 })).map(([channel, array]) => ({
    text: frame(channel, [...array]),
    expected: { kind: "interleaved", channel, data: textOfBytes(array) },
  }));
  const cuts = fc.array(fc.nat(30), { maxLength: 40 });

  function cut(text: string, lengths: readonly number[]): string[] {
    const pieces: string[] = [];
    let at = 0;
    for (const length of lengths) {
      pieces.push(text.slice(at, at + length));
      at += length;
    }
    return [...pieces, text.slice(at)];
  }

  it("requests and frames in any order come out as they went in, however they are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(message, framed), { maxLength: 5 }), cuts, (things, lengths) => {
        const text = things.map((thing) => thing.text).join("");
        expect(feedAll(cut(text, lengths))).toEqual(things.map((thing) => thing.expected));
      }),
      { numRuns: 200 },
    );
  });

  it("arbitrary bytes never throw, end in at most one fatal fault, and don't depend on the cuts", () => {
    const noise = fc.stringMatching(/^(OPTIONS |RTSP\/1\.0|\$|\r\n|CSeq: 1|Content-Length: 3|[ -~\u0100\x01]){0,12}$/);
    fc.assert(
      fc.property(fc.oneof(bytes, noise), cuts, (text, lengths) => {
        const whole = parse(text);
        expect(feedAll(cut(text, lengths))).toEqual(whole);
        const fatal = whole.findIndex((input) => input.kind === "fault" && "fatal" in input && input.fatal);
        if (fatal >= 0) expect(fatal).toBe(whole.length - 1);
      }),
      { numRuns: 500 },
    );
  });
});
