import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { bytesOfText, textOfBytes, utf8Bytes } from "../bytes/text.ts";
import { CHUNK_LINE_MAX_BYTES, TRAILERS_MAX_BYTES } from "./body-reader.ts";
import { HEAD_MAX_BYTES, HEADER_LINE_MAX_BYTES, HEADERS_MAX } from "./headers.ts";
import { formatHttpResponse } from "./response.ts";
import {
  INTERIM_RESPONSES_MAX,
  RESPONSE_BODY_MAX_BYTES,
  type ReplyInput,
  ResponseParser,
  STATUS_LINE_MAX_BYTES,
} from "./response-parser.ts";

type Plain = { status: number; headers: unknown; body: string } | { fault: string };

function plain(input: ReplyInput): Plain {
  if (input.kind === "fault") {
    expect(input.fault).toMatchObject({ fatal: true, status: 502 });
    return { fault: input.fault.code };
  }
  const { status, headers, body } = input.response;
  return { status, headers: headers.fields, body };
}

/** What comes of pieces, with or without the peer's close after them. */
function feedAll(pieces: readonly string[], closes = false, options: { bodyMaxBytes?: number } = {}): Plain[] {
  const parser = new ResponseParser(options);
  const inputs = pieces.map((piece) => parser.feed(piece));
  if (closes) inputs.push(parser.end());
  return inputs.filter((input) => input !== undefined).map(plain);
}

/** Asserts that the result doesn't depend on how the stream is cut, and returns it. */
function everyWay(text: string, closes = false): Plain[] {
  const whole = feedAll([text], closes);
  expect(feedAll([...text], closes)).toEqual(whole);
  for (let i = 1; i < text.length; i++) expect(feedAll([text.slice(0, i), text.slice(i)], closes)).toEqual(whole);
  return whole;
}

const reply = (body: string, ...headers: string[]) => `HTTP/1.1 200 OK\r\n${headers.join("\r\n")}\r\n\r\n${body}`;
const chunked = (...chunks: string[]) => reply(chunks.join(""), "Transfer-Encoding: chunked");
const bodyOf = ([input]: Plain[]) => (input !== undefined && "body" in input ? input.body : input);

describe("a response", () => {
  it("with Content-Length is complete with its last byte", () => {
    const text = reply("hello", "Content-Type: text/plain", "content-length: 5");
    expect(everyWay(text)).toEqual([
      {
        status: 200,
        headers: [
          ["Content-Type", "text/plain"],
          ["content-length", "5"],
        ],
        body: "hello",
      },
    ]);
    expect(feedAll([text.slice(0, -1)])).toEqual([]);
  });

  it("without a length ends with the connection", () => {
    expect(everyWay(reply("all of it", "A: b"), false)).toEqual([]);
    expect(bodyOf(everyWay(reply("all of it", "A: b"), true))).toBe("all of it");
    expect(bodyOf(everyWay("HTTP/1.0 200 OK\r\n\r\n", true))).toBe("");
  });

  it("in chunks has them joined; extensions and trailers are passed over", () => {
    const text = chunked("5;a=b\r\nhello\r\n", "1\r\n \r\n", "A\r\n0123456789\r\n", "0\r\nX: y\r\n\r\n");
    expect(bodyOf(everyWay(text))).toBe("hello 0123456789");
  });

  it.each([204, 304])("%i has no body whatever it says", (status) => {
    const text = `HTTP/1.1 ${status} x\r\nContent-Length: 5\r\n\r\n`;
    expect(everyWay(text)).toMatchObject([{ status, body: "" }]);
  });

  it("may follow interim ones", () => {
    const text = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${reply("x", "Content-Length: 1")}`;
    expect(everyWay(text)).toMatchObject([{ status: 200, headers: [["Content-Length", "1"]], body: "x" }]);
  });

  it("may have no reason phrase, no blank before it, other bytes than ASCII in it, and bare LF in its head", () => {
    for (const line of ["HTTP/1.1 503 ", "HTTP/1.1 503", "HTTP/1.0 503 Nö", "HTTP/1.1 503 a b"]) {
      expect(everyWay(`${line}\nContent-Length: 0\n\n`)).toMatchObject([{ status: 503 }]);
    }
  });

  it("is the last thing that is read", () => {
    const text = reply("x", "Content-Length: 1");
    expect(feedAll([text + text, text], true)).toHaveLength(1);
  });

  it("tells its status with its head, before the body and if that is bad", () => {
    const parser = new ResponseParser();
    parser.feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r");
    expect(parser.status).toBeUndefined();
    parser.feed("\n");
    expect(parser.status).toBe(202);
    expect(parser.end()).toMatchObject({ kind: "fault" });
    expect(parser.status).toBe(202);
  });
});

describe("a fault", () => {
  test.each([
    ["RTSP/1.0 200 OK\r\n\r\n", "status-line"],
    ["HTTP/2.0 200 OK\r\n\r\n", "status-line"],
    ["HTTP/1.1 600 OK\r\n\r\n", "status-line"],
    ["HTTP/1.1 99 OK\r\n\r\n", "status-line"],
    ["HTTP/1.1  200 OK\r\n\r\n", "status-line"],
    ["\r\nHTTP/1.1 200 OK\r\n\r\n", "status-line"],
    ["HTTP/1.1 101 Switching\r\n\r\n", "unasked-upgrade"],
    [reply("", "Content-Length: -1"), "content-length"],
    [reply("", "Content-Length: 1", "Content-Length: 2"), "content-length-conflict"],
    [reply("", "Content-Length: 1", "Transfer-Encoding: chunked"), "length-and-encoding"],
    [reply("", "Transfer-Encoding: gzip, chunked"), "transfer-encoding"],
    [reply("", "A: b", " folded"), "header-fold"],
    [reply("", "A b"), "header-colon"],
    [chunked("x\r\n"), "chunk-size"],
    [chunked("1\r\nab\r\n"), "chunk-end"],
    [chunked("1\nab\r\n"), "chunk-line"],
    [chunked("0\r\nA: b\n\r\n"), "trailer-line"],
  ])("%j is %s", (text, fault) => expect(everyWay(text)).toEqual([{ fault }]));

  test("is a peer that closes too soon", () => {
    const texts = [
      "",
      "HTTP/1.1 2",
      "HTTP/1.1 200 OK\r\nA: b\r\n",
      reply("hell", "Content-Length: 5"),
      chunked("5\r\nhello\r\n"),
    ];
    for (const text of texts) expect(feedAll([text], true)).toEqual([{ fault: "cut-short" }]);
  });
});

describe("limits", () => {
  const fits = (text: string, fault: string, most: number, make: (bytes: number) => string) => {
    const [good] = feedAll([make(most)], true);
    expect(good, text).not.toEqual({ fault });
    expect(feedAll([make(most + 1)], true), text).toEqual([{ fault }]);
  };

  test("of lines", () => {
    fits("status line", "status-line-too-long", STATUS_LINE_MAX_BYTES, (bytes) => {
      const start = "HTTP/1.1 200 ";
      return `${start}${"x".repeat(bytes - start.length)}\n\n`;
    });
    fits(
      "header line",
      "header-line-too-long",
      HEADER_LINE_MAX_BYTES,
      (bytes) => `HTTP/1.1 200 OK\r\n${"x".repeat(bytes)}`,
    );
    fits("chunk line", "chunk-line-too-long", CHUNK_LINE_MAX_BYTES, (bytes) => chunked("x".repeat(bytes)));
  });

  test("of the head, its headers, trailers and interim responses", () => {
    const headers = (count: number) => reply("", ...Array.from({ length: count }, (_, i) => `H${i}: x`));
    fits("headers", "too-many-headers", HEADERS_MAX, headers);
    const long = `A: ${"x".repeat(4_000)}\r\n`;
    const count = Math.ceil(HEAD_MAX_BYTES / long.length);
    expect(feedAll([`HTTP/1.1 200 OK\r\n${long.repeat(count)}`])).toEqual([{ fault: "head-too-long" }]);
    const trailers = long.repeat(Math.ceil(TRAILERS_MAX_BYTES / long.length));
    expect(feedAll([chunked(`0\r\n${trailers}`)])).toEqual([{ fault: "trailers-too-long" }]);
    const interim = (many: number) => "HTTP/1.1 100 Continue\r\n\r\n".repeat(many) + reply("", "Content-Length: 0");
    fits("interim", "too-many-interim", INTERIM_RESPONSES_MAX, interim);
  });

  test("of the body, however it is framed", () => {
    const options = { bodyMaxBytes: 10 };
    const ways = [
      (size: number) => reply("x".repeat(size), `Content-Length: ${size}`),
      (size: number) => reply("x".repeat(size), "A: b"),
      (size: number) =>
        chunked("5\r\nhello\r\n", `${(size - 5).toString(16)}\r\n${"x".repeat(size - 5)}\r\n`, "0\r\n\r\n"),
    ];
    for (const way of ways) {
      expect(bodyOf(feedAll([way(10)], true, options))).toHaveLength(10);
      expect(feedAll([way(11)], true, options)).toEqual([{ fault: "body-too-large" }]);
    }
    const most = RESPONSE_BODY_MAX_BYTES;
    expect(feedAll([reply("", `Content-Length: ${most + 1}`)], false, { bodyMaxBytes: most * 2 })).toEqual([
      { fault: "body-too-large" },
    ]);
  });
});

describe("properties", () => {
  test("what a server formats is read back, cut anywhere", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(200, 201, 302, 404, 500),
        fc.string({ unit: "grapheme", maxLength: 60 }),
        fc.array(fc.nat({ max: 300 }), { maxLength: 6 }),
        (status, body, cuts) => {
          const text = textOfBytes(formatHttpResponse({ status, keepAlive: false, body, headers: [["A", "b"]] }));
          const at = [...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
          const pieces = at.map((end, i) => text.slice(at[i - 1] ?? 0, end));
          const [input] = feedAll(pieces);
          if (input === undefined || "fault" in input) throw new Error(JSON.stringify(input));
          expect(input.status).toBe(status);
          expect(bytesOfText(input.body)).toEqual(new Uint8Array(utf8Bytes(body)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test("rubbish is a fault or nothing, never an exception, and once at most", () => {
    const pieces = fc.constantFrom(
      "HTTP/1.1 200 OK\r\n",
      "A: b\r\n",
      "\r\n",
      "Transfer-Encoding: chunked\r\n",
      "5\r\n",
      "0",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 12 }), (texts) => {
        expect(feedAll(texts, true)).toHaveLength(1);
        expect(feedAll(texts, true)).toEqual(feedAll([...texts.join("")], true));
      }),
      { numRuns: 200 },
    );
  });
});
