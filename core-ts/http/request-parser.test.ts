import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { textOfBytes, utf8Bytes } from "../bytes/text.ts";
import { TextCollector } from "../bytes/text-collector.ts";
import { CHUNK_LINE_MAX_BYTES, TRAILERS_MAX_BYTES } from "./body-reader.ts";
import {
  HEAD_MAX_BYTES,
  HEADER_LINE_MAX_BYTES,
  HEADER_NAME_MAX_BYTES,
  HEADER_VALUE_MAX_BYTES,
  HEADERS_MAX,
} from "./headers.ts";
import {
  BODY_MAX_BYTES,
  type HttpInput,
  HttpParser,
  METHOD_MAX_BYTES,
  REQUEST_LINE_MAX_BYTES,
  TARGET_MAX_BYTES,
} from "./request-parser.ts";

/** An input as plain data, to compare. */
function plain(input: HttpInput) {
  if (input.kind === "fault") {
    const { code, status, fatal } = input.fault;
    return { kind: "fault", code, status, fatal };
  }
  const { headers, query, ...rest } = input.request;
  return { kind: input.kind, ...rest, headers: headers.fields, query: Object.fromEntries(query) };
}

function feedAll(pieces: readonly string[], options: { bodyMaxBytes?: number } = {}) {
  const parser = new HttpParser(options);
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

const get = (target = "/") => `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
const getRequest = (path = "/") => ({
  kind: "request",
  method: "GET",
  target: path,
  path,
  query: {},
  version: "1.1",
  headers: [["Host", "h"]],
  host: "h",
  body: "",
  keepAlive: true,
  expectContinue: false,
});
const withHeaders = (...headers: string[]) => `POST / HTTP/1.1\r\n${["Host: h", ...headers].join("\r\n")}\r\n\r\n`;
const chunked = (...chunks: string[]) => `${withHeaders("Transfer-Encoding: chunked")}${chunks.join("")}`;

describe("requests", () => {
  it("are read whole, byte by byte and at every split", () => {
    const text =
      "PUT /api/config?dry=1&x=a+b%26 HTTP/1.1\r\nhost: h:80\r\nContent-Length: 5\r\nX:\t y \r\n\r\na\r\n\u0100b";
    expect(parseEveryWay(text + get())).toEqual([
      {
        kind: "request",
        method: "PUT",
        target: "/api/config?dry=1&x=a+b%26",
        path: "/api/config",
        query: { dry: "1", x: "a b&" },
        version: "1.1",
        headers: [
          ["host", "h:80"],
          ["Content-Length", "5"],
          ["X", "y"],
        ],
        host: "h:80",
        body: "a\r\n\u0100b",
        keepAlive: true,
        expectContinue: false,
      },
      getRequest(),
    ]);
  });

  it("that come several at once are read in order", () => {
    expect(parseEveryWay(get("/a") + get("/b") + get("/c"))).toEqual(["/a", "/b", "/c"].map(getRequest));
  });

  it("may come after empty lines and end their lines with a bare LF", () => {
    expect(parseEveryWay("\r\n\nGET / HTTP/1.1\nHost: h\n\n")).toEqual([getRequest()]);
  });

  it.each([
    ["HTTP/1.1", "", true],
    ["HTTP/1.1", "Connection: close\r\n", false],
    ["HTTP/1.1", "Connection: x, CLOSE\r\n", false],
    ["HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false],
    ["HTTP/1.0", "", false],
    ["HTTP/1.0", "Connection: Keep-Alive\r\n", true],
    ["HTTP/1.2", "", true],
  ])("of %s with %j: the connection stays open: %s", (version, header, keepAlive) => {
    expect(parse(`GET / ${version}\r\nHost: h\r\n${header}\r\n`)).toMatchObject([{ keepAlive }]);
  });

  it("of HTTP/1.0 need no Host", () => {
    expect(parse("GET / HTTP/1.0\r\n\r\n")).toMatchObject([{ kind: "request", version: "1.0", host: undefined }]);
  });

  it("may name the host in the target, which then counts", () => {
    const inputs = parse("GET http://phone:8080/a?b=c HTTP/1.1\r\nHost: other\r\n\r\n");
    expect(inputs).toMatchObject([{ path: "/a", query: { b: "c" }, host: "phone:8080" }]);
  });

  it("are counted as pending until they are complete", () => {
    const parser = new HttpParser();
    const text = chunked("3\r\nabc\r\n", "0\r\n", "\r\n");
    const counts = [...text].map((byte) => {
      parser.feed(byte);
      return parser.pendingBytes;
    });
    expect(counts.slice(0, -1).every((count) => count > 0)).toBe(true);
    expect(counts.at(-1)).toBe(0);
  });
});

describe("chunked bodies", () => {
  it("are joined, and their extensions and trailers dropped", () => {
    const text = chunked("3\r\nabc\r\n", '09;ext="1"\r\n0123\r\n\u010089\r\n', "000\r\nHost: evil\r\n\r\n");
    const inputs = parseEveryWay(text + get());
    expect(inputs).toMatchObject([{ kind: "request", body: "abc0123\r\n\u010089", host: "h" }, getRequest()]);
    expect(inputs[0]).not.toMatchObject({ headers: expect.arrayContaining([["Host", "evil"]]) });
  });

  it("may be empty, and named in any case", () => {
    const text = `${withHeaders("transfer-encoding: CHUNKED")}0\r\n\r\n`;
    expect(parseEveryWay(text)).toMatchObject([{ kind: "request", body: "" }]);
  });

  it("have a limit of trailers each", () => {
    const text = chunked(`0\r\n${`X: ${"x".repeat(4000)}\r\n`.repeat(2)}\r\n`);
    expect(parse(text + text)).toMatchObject([{ kind: "request" }, { kind: "request" }]);
  });

  it.each([
    ["a size that is no number", chunked("x\r\n"), 400, "chunk-size"],
    ["an empty size", chunked("\r\n"), 400, "chunk-size"],
    ["a signed size", chunked("+3\r\nabc\r\n"), 400, "chunk-size"],
    ["a size in C's spelling", chunked("0x3\r\nabc\r\n"), 400, "chunk-size"],
    ["a blank before the size", chunked(" 3\r\nabc\r\n"), 400, "chunk-size"],
    ["an endless size", chunked("000000003\r\nabc\r\n"), 400, "chunk-size"],
    ["a control byte in an extension", chunked("3;\u0100\r\nabc\r\n"), 400, "chunk-size"],
    ["a size line that ends in a bare LF", chunked("3\nabc\r\n"), 400, "chunk-line"],
    ["data longer than the size", chunked("3\r\nabcd\r\n"), 400, "chunk-end"],
    ["data that ends in a bare LF", chunked("3\r\nabc\n0\r\n\r\n"), 400, "chunk-end"],
    ["a trailer that ends in a bare LF", chunked("0\r\nX: y\n\r\n"), 400, "trailer-line"],
    ["an end that is a bare LF", chunked("0\r\n\n"), 400, "trailer-line"],
    ["a trailer that is no header", chunked("0\r\nnonsense\r\n\r\n"), 400, "header-colon"],
    ["a size past the limit", chunked("100001\r\n"), 413, "body-too-large"],
    ["a size past all limits", chunked("ffffffff\r\n"), 413, "body-too-large"],
  ])("%s ends in a fault", (_, text, status, code) => {
    expect(parseEveryWay(text + get())).toEqual([{ kind: "fault", status, code, fatal: true }]);
  });
});

describe("Expect: 100-continue", () => {
  it("shows the head before the body has come, so that the server can ask for it or refuse it", () => {
    const parser = new HttpParser();
    const head = withHeaders("Content-Length: 3", "Expect: 100-Continue", "Authorization: Basic eDp5");
    expect(parser.feed(head).map(plain)).toMatchObject([{ kind: "continue", body: "", expectContinue: true }]);
    expect(parser.feed("ab")).toEqual([]);
    expect(parser.feed("c").map(plain)).toMatchObject([{ kind: "request", body: "abc", expectContinue: true }]);
  });

  it("comes with chunked bodies too", () => {
    const head = withHeaders("Transfer-Encoding: chunked", "Expect: 100-continue");
    expect(parseEveryWay(`${head}1\r\na\r\n0\r\n\r\n`)).toMatchObject([
      { kind: "continue" },
      { kind: "request", body: "a" },
    ]);
  });

  it("is nothing to wait for without a body, nor in HTTP/1.0", () => {
    expect(parse(withHeaders("Expect: 100-continue"))).toMatchObject([{ kind: "request" }]);
    const old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na";
    expect(parse(old)).toMatchObject([{ kind: "request", expectContinue: false }]);
  });

  it("is the only expectation that can be met", () => {
    expect(parse(withHeaders("Expect: tea"))).toMatchObject([{ kind: "fault", status: 417 }]);
  });
});

describe("what two parsers could read in two ways is refused", () => {
  it.each([
    [
      "both Transfer-Encoding and Content-Length",
      withHeaders("Transfer-Encoding: chunked", "Content-Length: 3"),
      400,
      "length-and-encoding",
    ],
    [
      "both, the other way round",
      withHeaders("Content-Length: 3", "Transfer-Encoding: chunked"),
      400,
      "length-and-encoding",
    ],
    ["differing lengths", withHeaders("Content-Length: 3", "Content-Length: 4"), 400, "content-length-conflict"],
    ["a list of lengths", withHeaders("Content-Length: 3, 3"), 400, "content-length"],
    ["a signed length", withHeaders("Content-Length: +3"), 400, "content-length"],
    ["a negative length", withHeaders("Content-Length: -3"), 400, "content-length"],
    ["an empty length", withHeaders("Content-Length:"), 400, "content-length"],
    ["a hexadecimal length", withHeaders("Content-Length: 0x3"), 400, "content-length"],
    ["a length beyond numbers", withHeaders(`Content-Length: ${"9".repeat(16)}`), 400, "content-length"],
    ["two codings", withHeaders("Transfer-Encoding: gzip, chunked"), 501, "transfer-encoding"],
    [
      "chunked twice",
      withHeaders("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
      501,
      "transfer-encoding",
    ],
    ["an unknown coding", withHeaders("Transfer-Encoding: xchunked"), 501, "transfer-encoding"],
    ["identity", withHeaders("Transfer-Encoding: identity"), 501, "transfer-encoding"],
    ["a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "encoding-in-1.0"],
    ["a folded header", withHeaders("X: a", " b"), 400, "header-fold"],
    ["a blank before the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "header-fold"],
    ["a blank before the colon", withHeaders("Content-Length : 3"), 400, "header-name"],
    ["a tab before the colon", withHeaders("Content-Length\t: 3"), 400, "header-name"],
    ["a bare CR in a value", withHeaders("X: a\rContent-Length: 3"), 400, "header-control"],
    ["a CR before the line end", withHeaders("X: a\r"), 400, "header-control"],
    ["NUL in a value", withHeaders("X: a\u0100"), 400, "header-control"],
    ["NUL in a name", withHeaders("X\u0100: a"), 400, "header-control"],
    ["a header without colon", withHeaders("nonsense"), 400, "header-colon"],
    ["a header without name", withHeaders(": x"), 400, "header-name"],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", 400, "host"],
    ["two Hosts", withHeaders("Host: h"), 400, "host"],
    ["a Host that is none", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host"],
    ["a Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "host"],
    ["credentials in Host", "GET / HTTP/1.1\r\nHost: x@h\r\n\r\n", 400, "host"],
  ])("%s", (_, text, status, code) => {
    expect(parseEveryWay(text + get())).toEqual([{ kind: "fault", status, code, fatal: true }]);
  });

  it("equal lengths are one", () => {
    const text = `${withHeaders("Content-Length: 3", "content-length: 3")}abc`;
    expect(parse(text)).toMatchObject([{ kind: "request", body: "abc" }]);
  });
});

describe("what is no HTTP/1 request", () => {
  it.each([
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version"],
    ["HTTP/0.9 with a version", "GET / HTTP/0.9\r\n", 505, "version"],
    ["RTSP", "OPTIONS rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n", 505, "rtsp-version"],
    ["a TLS hello", "\x16\x03\x01\u0100", 400, "not-http"],
    ["a blank before a request", " GET / HTTP/1.1\r\n", 400, "not-http"],
    ["a simple request", "GET /\r\n", 400, "request-line"],
    ["a second blank", "GET  / HTTP/1.1\r\n", 400, "request-line"],
    ["a blank in the target", "GET /a b HTTP/1.1\r\n", 400, "request-line"],
    ["a blank at the end", "GET / HTTP/1.1 \r\n", 400, "request-line"],
    ["a lower-case version", "GET / http/1.1\r\n", 400, "request-line"],
    ["a version with more digits", "GET / HTTP/1.10\r\n", 400, "request-line"],
    ["a method that is no token", "GE(T / HTTP/1.1\r\n", 400, "request-line"],
  ])("%s", (_, text, status, code) => {
    expect(parseEveryWay(text + get())).toEqual([{ kind: "fault", status, code, fatal: true }]);
  });

  it("ends the parser for good", () => {
    const parser = new HttpParser();
    expect(parser.feed("\x16")).toHaveLength(1);
    expect(parser.feed(get())).toEqual([]);
    expect(parser.pendingBytes).toBe(0);
  });
});

describe("limits: what is just within passes, one past it fails", () => {
  it.each([
    ["method", (n: number) => `${"M".repeat(n)} / HTTP/1.1\r\nHost: h\r\n\r\n`, METHOD_MAX_BYTES, 501],
    ["target", (n: number) => get(`/${"a".repeat(n - 1)}`), TARGET_MAX_BYTES, 414],
    ["header name", (n: number) => withHeaders(`${"n".repeat(n)}: x`), HEADER_NAME_MAX_BYTES, 431],
    ["header value", (n: number) => withHeaders(`X: ${"v".repeat(n)}`), HEADER_VALUE_MAX_BYTES, 431],
    ["headers", (n: number) => withHeaders(...Array(n - 1).fill("X: y")), HEADERS_MAX, 431],
    ["body", (n: number) => `${withHeaders(`Content-Length: ${n}`)}${"b".repeat(n)}`, BODY_MAX_BYTES, 413],
    [
      "chunked body",
      (n: number) => chunked(`1\r\na\r\n${(n - 1).toString(16)}\r\n${"b".repeat(n - 1)}\r\n0\r\n\r\n`),
      BODY_MAX_BYTES,
      413,
    ],
    ["chunk line", (n: number) => chunked(`1;${"x".repeat(n - 3)}\r\na\r\n0\r\n\r\n`), CHUNK_LINE_MAX_BYTES, 400],
    [
      "trailers",
      (n: number) => chunked(`0\r\n${`X: ${"x".repeat(4000)}\r\n`.repeat(2)}X: ${"x".repeat(n - 8017)}\r\n\r\n`),
      TRAILERS_MAX_BYTES,
      431,
    ],
  ] as const)("%s", (_, build, limit, status) => {
    expect(parse(build(limit))).toMatchObject([{ kind: "request" }]);
    expect(parse(build(limit + 1) + get())).toMatchObject([{ kind: "fault", status, fatal: true }]);
  });

  it("request line: past it no end is waited for", () => {
    const method = "M".repeat(REQUEST_LINE_MAX_BYTES);
    expect(parse(method)).toEqual([]);
    expect(parse(`${method}M`)).toMatchObject([{ status: 501, code: "method-too-long" }]);
    const target = `GET /${"a".repeat(REQUEST_LINE_MAX_BYTES)}`;
    expect(parse(target)).toMatchObject([{ status: 414, code: "target-too-long" }]);
    expect(feedAll([...target])).toEqual(parse(target));
  });

  it("header line: past it no end is waited for", () => {
    const text = `GET / HTTP/1.1\r\nX: ${"v".repeat(HEADER_LINE_MAX_BYTES - 3)}`;
    expect(parse(text)).toEqual([]);
    expect(parse(`${text}v`)).toMatchObject([{ status: 431, code: "header-line-too-long" }]);
  });

  it("head", () => {
    const start = "GET / HTTP/1.1\r\nHost: h\r\n";
    const line = `X: ${"v".repeat(1995)}\r\n`;
    const count = Math.floor((HEAD_MAX_BYTES - start.length - 100) / line.length);
    const rest = HEAD_MAX_BYTES - start.length - count * line.length - "Y: \r\n".length - 2;
    const build = (more: number) => `${start}${line.repeat(count)}Y: ${"v".repeat(rest + more)}\r\n\r\n`;
    expect(build(0)).toHaveLength(HEAD_MAX_BYTES);
    expect(parse(build(0))).toMatchObject([{ kind: "request" }]);
    expect(parse(build(1))).toMatchObject([{ kind: "fault", status: 431, code: "head-too-long" }]);
  });

  it("body, where the server allows less", () => {
    const text = (n: number) => `${withHeaders(`Content-Length: ${n}`)}${"b".repeat(n)}`;
    expect(feedAll([text(10)], { bodyMaxBytes: 10 })).toMatchObject([{ kind: "request" }]);
    expect(feedAll([text(11)], { bodyMaxBytes: 10 })).toMatchObject([{ kind: "fault", status: 413 }]);
    expect(feedAll([chunked("b\r\n")], { bodyMaxBytes: 10 })).toMatchObject([{ kind: "fault", status: 413 }]);
    expect(feedAll([text(BODY_MAX_BYTES + 1)], { bodyMaxBytes: 2 * BODY_MAX_BYTES })).toMatchObject([{ status: 413 }]);
  });
});

describe("work", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("grows with the bytes alone when they come one at a time", () => {
    const pushed = vi.spyOn(TextCollector.prototype, "push");
    const taken = vi.spyOn(TextCollector.prototype, "take");
    const data = "b".repeat(64 * 1024);
    const text = `${withHeaders(...Array(10).fill(`X: ${"v".repeat(2000)}`), `Content-Length: ${data.length}`)}${data}${chunked(`10000\r\n${data}\r\n0\r\n\r\n`)}`;
    const parser = new HttpParser();
    let inputs = 0;
    for (let i = 0; i < text.length; i++) inputs += parser.feed(text.charAt(i)).length;
    expect(inputs).toBe(2);
    const characters = (values: readonly string[]) => values.reduce((sum, value) => sum + value.length, 0);
    // A chunk is gathered once by itself and once with the others.
    const most = text.length + data.length;
    expect(characters(pushed.mock.calls.map(([piece]) => piece))).toBeLessThanOrEqual(most);
    expect(characters(taken.mock.results.map(({ value }) => String(value)))).toBeLessThanOrEqual(most);
  });

  it("takes thousands of requests, and of chunks, in one text", () => {
    expect(new HttpParser().feed(get().repeat(5000))).toHaveLength(5000);
    const inputs = new HttpParser().feed(chunked("1\r\na\r\n".repeat(5000), "0\r\n\r\n")).map(plain);
    expect(inputs).toMatchObject([{ kind: "request", body: "a".repeat(5000) }]);
  });
});

describe("properties", () => {
  const token = fc.stringMatching(/^[A-Za-z_-]{1,12}$/);
  const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/);
  const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => textOfBytes(array));
  const special = /^(host|content-length|transfer-encoding|connection|expect)$/i;
  const message = fc
    .record({
      method: token,
      path: fc.stringMatching(/^(\/[a-z0-9_~-]{1,6}){1,3}\/?$/),
      headers: fc
        .array(fc.tuple(token, value), { maxLength: 5 })
        .filter((all) => !all.some(([name]) => special.test(name))),
      chunks: fc.array(bytes, { maxLength: 3 }),
      inChunks: fc.boolean(),
    })
    .map(({ method, path, headers, chunks, inChunks }) => {
      const body = chunks.join("");
      const framing = inChunks ? ["Transfer-Encoding", "chunked"] : ["Content-Length", String(body.length)];
      const fields = [["Host", "h"], ...headers, framing];
      const lines = fields.map(([name, text]) => `${name}: ${text}\r\n`).join("");
      const pieces = chunks.filter((chunk) => chunk !== "");
      const sent = pieces.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
      return {
        text: `${method} ${path} HTTP/1.1\r\n${lines}\r\n${inChunks ? `${sent}0\r\n\r\n` : body}`,
        expected: { ...getRequest(path), method, headers: fields, body },
      };
    });
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

  it("requests come out as they went in, in order, however they are cut", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), cuts, (things, lengths) => {
        const text = things.map((thing) => thing.text).join("");
        expect(feedAll(cut(text, lengths))).toEqual(things.map((thing) => thing.expected));
      }),
      { numRuns: 200 },
    );
  });

  it("arbitrary bytes never throw, end in at most one fault, and don't depend on the cuts", () => {
    const noise = fc.stringMatching(
      /^(GET \/ HTTP\/1\.1|\r\n|Host: h|Content-Length: 3|Transfer-Encoding: chunked|[ -~\u0100\x01]){0,12}$/,
    );
    fc.assert(
      fc.property(fc.oneof(bytes, noise), cuts, (text, lengths) => {
        const whole = parse(text);
        expect(feedAll(cut(text, lengths))).toEqual(whole);
        const fault = whole.findIndex((input) => input.kind === "fault");
        if (fault >= 0) expect(fault).toBe(whole.length - 1);
      }),
      { numRuns: 500 },
    );
  });

  it("reads UTF-8 in targets, escaped or not, as the same path", () => {
    const raw = textOfBytes(utf8Bytes("/tür"));
    expect(parse(get(raw))).toMatchObject([{ path: "/tür" }]);
    expect(parse(get("/t%C3%BCr"))).toMatchObject([{ path: "/tür" }]);
  });
});
