/**
 * HTTP/1.1 requests as a server reads them (RFC 9112). Row 1.
 *
 * Every fault is fatal: the server answers it and closes. Where requests begin and end is never guessed: both
 * Transfer-Encoding and Content-Length, differing lengths, folded lines, bare CR and blanks before a colon are refused,
 * since a proxy in front might read them another way (section 11.2).
 *
 * Every byte is looked at once, however the stream is cut.
 */
import { decodeFieldText, type HeaderField, HeaderList, isToken, splitOutsideQuotes } from "../bytes/header-list.ts";
import { byteAt } from "../bytes/text.ts";
import { TextCollector } from "../bytes/text-collector.ts";
import { ProtocolFault } from "../errors.ts";
import { HEADER_NAME_MAX_BYTES, HEADER_VALUE_MAX_BYTES, HEADERS_MAX, parseHeaderLine } from "./headers.ts";
import { isHost, parseTarget } from "./target.ts";

/** Longest method in bytes. */
export const METHOD_MAX_BYTES = 64;
/** Longest request target in bytes. */
export const TARGET_MAX_BYTES = 2048;
/** Largest head in bytes, line ends included. */
export const HEAD_MAX_BYTES = 64 * 1024;
/** Largest body in bytes unless the server says less. */
export const BODY_MAX_BYTES = 1024 * 1024;
/** Longest line that opens a chunk, extensions included (section 7.1.1). */
export const CHUNK_LINE_MAX_BYTES = 256;
/** Largest trailer section in bytes (section 7.1.2). It is read and dropped. */
export const TRAILERS_MAX_BYTES = 8 * 1024;

/** Longest request line in bytes; past it no end is waited for. */
export const REQUEST_LINE_MAX_BYTES = METHOD_MAX_BYTES + TARGET_MAX_BYTES + 16;
/** Longest header line in bytes, likewise. */
export const HEADER_LINE_MAX_BYTES = HEADER_NAME_MAX_BYTES + HEADER_VALUE_MAX_BYTES + 128;
const CR = 0x0d;
const LF = 0x0a;

export type HttpRequest = {
  readonly method: string;
  /** As sent. */
  readonly target: string;
  /** Decoded once, checked for tricks; begins with `/`, or is `*`. */
  readonly path: string;
  /** Decoded; of a name given twice the first. */
  readonly query: ReadonlyMap<string, string>;
  readonly version: "1.0" | "1.1";
  readonly headers: HeaderList;
  /** From an absolute target, else from Host: with its port, without credentials. Empty or undefined in odd requests. */
  readonly host: string | undefined;
  /** Host text; chunks are joined. */
  readonly body: string;
  /** Whether the connection stays open after the answer (section 9.3). */
  readonly keepAlive: boolean;
  /** The client waited, or would have waited, for `100 Continue` before the body (RFC 9110 section 10.1.1). */
  readonly expectContinue: boolean;
};

export type HttpInput =
  | { readonly kind: "request"; readonly request: HttpRequest }
  /** A head whose body the client holds back until `100 Continue`, or until a refusal; its `body` is still empty. */
  | { readonly kind: "continue"; readonly request: HttpRequest }
  /** Answer, then close: the parser takes nothing more. */
  | { readonly kind: "fault"; readonly fault: ProtocolFault };

type State =
  | "start"
  | "request-line"
  | "header-line"
  | "body"
  | "chunk-line"
  | "chunk-data"
  | "chunk-end"
  | "trailer-line"
  | "dead";

type Head = Pick<HttpRequest, "method" | "target" | "path" | "query" | "version"> & {
  readonly authority: string | undefined;
};

export class HttpParser {
  readonly #bodyMaxBytes: number;
  #state: State = "start";
  /** The unfinished line or body. */
  readonly #pending = new TextCollector();
  /** Complete chunks of a chunked body. */
  readonly #chunks = new TextCollector();
  /** Bytes of the body, chunk or chunk end that is being read. */
  #need = 0;
  #head: Head | undefined;
  #fields: HeaderField[] = [];
  #request: HttpRequest | undefined;
  /** Bytes of the complete lines of this head, and of the trailers. */
  #headBytes = 0;
  #trailerBytes = 0;

  /** @param options.bodyMaxBytes largest body that is taken, at most {@link BODY_MAX_BYTES}; past it 413. */
  constructor(options: { readonly bodyMaxBytes?: number } = {}) {
    this.#bodyMaxBytes = Math.min(options.bodyMaxBytes ?? BODY_MAX_BYTES, BODY_MAX_BYTES);
  }

  /** Bytes of a request that has begun but is not complete. 0 between requests. */
  get pendingBytes(): number {
    return this.#headBytes + this.#pending.length + this.#chunks.length;
  }

  /** Takes what the connection received, cut anywhere, and gives what is complete now, in order. */
  feed(text: string): readonly HttpInput[] {
    const inputs: HttpInput[] = [];
    let at = 0;
    try {
      while (at < text.length && this.#state !== "dead") at = this.#step(text, at, inputs);
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error;
      this.#reset("dead");
      inputs.push({ kind: "fault", fault: error });
    }
    return inputs;
  }

  /** Consumes at least one byte or changes the state; returns where to go on. */
  #step(text: string, at: number, inputs: HttpInput[]): number {
    switch (this.#state) {
      case "start": {
        const first = byteAt(text, at);
        // Section 2.2: empty lines before a request are skipped.
        if (first === CR || first === LF) return at + 1;
        if (!isToken(text[at]!)) throw fatal("not-http", 400, "a request begins with no letter");
        this.#state = "request-line";
        return at;
      }
      case "request-line":
      case "header-line":
      case "chunk-line":
      case "trailer-line":
        return this.#takeLine(text, at, inputs);
      case "body":
      case "chunk-data":
      case "chunk-end": {
        const end = Math.min(text.length, at + this.#need - this.#pending.length);
        this.#pending.push(text.slice(at, end));
        if (this.#pending.length === this.#need) this.#endGathered(this.#pending.take(), inputs);
        return end;
      }
      case "dead":
        return text.length;
    }
  }

  #endGathered(data: string, inputs: HttpInput[]): void {
    switch (this.#state) {
      case "body":
        this.#endRequest(data, inputs);
        return;
      case "chunk-data":
        this.#chunks.push(data);
        this.#state = "chunk-end";
        this.#need = 2;
        return;
      default:
        if (data !== "\r\n") throw fatal("chunk-end", 400, "a chunk doesn't end where its size says");
        this.#state = "chunk-line";
    }
  }

  #takeLine(text: string, at: number, inputs: HttpInput[]): number {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const most = this.#lineMax();
    if (this.#pending.length + end - at > most) {
      // Only what the limit admits is looked at, so that the answer doesn't depend on how the stream was cut.
      this.#pending.push(text.slice(at, at + most - this.#pending.length));
      throw this.#overlongLine(this.#pending.take());
    }
    this.#pending.push(text.slice(at, end));
    if (newline < 0) return end;
    this.#line(this.#pending.take(), inputs);
    return end + 1;
  }

  #lineMax(): number {
    if (this.#state === "request-line") return REQUEST_LINE_MAX_BYTES;
    return this.#state === "chunk-line" ? CHUNK_LINE_MAX_BYTES : HEADER_LINE_MAX_BYTES;
  }

  #overlongLine(line: string): ProtocolFault {
    if (this.#state === "chunk-line") return fatal("chunk-line-too-long", 400, "a chunk's first line is too long");
    if (this.#state !== "request-line") {
      return fatal("header-line-too-long", 431, `a header line exceeds ${HEADER_LINE_MAX_BYTES} bytes`);
    }
    const space = line.indexOf(" ");
    return space < 0 || space > METHOD_MAX_BYTES ? methodTooLong() : targetTooLong();
  }

  /** @param rawLine without the LF. A bare LF ends a line of a head (section 2.2), but none of the chunked framing. */
  #line(rawLine: string, inputs: HttpInput[]): void {
    const line = rawLine.endsWith("\r") ? rawLine.slice(0, -1) : rawLine;
    switch (this.#state) {
      case "request-line":
        this.#headBytes = rawLine.length + 1;
        this.#head = parseRequestLine(line);
        this.#state = "header-line";
        return;
      case "header-line":
        this.#headBytes += rawLine.length + 1;
        if (this.#headBytes > HEAD_MAX_BYTES) {
          throw fatal("head-too-long", 431, `a request's headers exceed ${HEAD_MAX_BYTES} bytes`);
        }
        if (line === "") this.#endHead(inputs);
        else if (this.#fields.length === HEADERS_MAX) {
          throw fatal("too-many-headers", 431, `a request has more than ${HEADERS_MAX} headers`);
        } else this.#fields.push(parseHeaderLine(line));
        return;
      case "chunk-line":
        if (line === rawLine) throw fatal("chunk-line", 400, "a chunk's first line ends without CR");
        this.#beginChunk(line);
        return;
      default:
        // Trailers are dropped: nothing here depends on them, and merging them would let them pose as headers.
        if (line === rawLine) throw fatal("trailer-line", 400, "a trailer line ends without CR");
        this.#trailerBytes += rawLine.length + 1;
        if (this.#trailerBytes > TRAILERS_MAX_BYTES) {
          throw fatal("trailers-too-long", 431, `trailers exceed ${TRAILERS_MAX_BYTES} bytes`);
        }
        if (line === "") this.#endRequest(this.#chunks.take(), inputs);
        else parseHeaderLine(line);
    }
  }

  #endHead(inputs: HttpInput[]): void {
    const request = completeHead(this.#head!, new HeaderList(this.#fields));
    this.#request = request;
    const chunked = isChunked(request);
    const length = bodyLength(request.headers);
    if (chunked && request.headers.has("Content-Length")) {
      throw fatal("length-and-encoding", 400, "a request has both Transfer-Encoding and Content-Length");
    }
    if (length > this.#bodyMaxBytes) throw bodyTooLarge(this.#bodyMaxBytes);
    if (request.expectContinue && (chunked || length > 0)) inputs.push({ kind: "continue", request });
    if (chunked) {
      this.#state = "chunk-line";
      return;
    }
    this.#state = "body";
    this.#need = length;
    if (length === 0) this.#endRequest("", inputs);
  }

  /** Section 7.1: `chunk-size [ chunk-ext ] CRLF`. */
  #beginChunk(line: string): void {
    const match = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f\u0100]*)?$/.exec(line);
    if (match === null) throw fatal("chunk-size", 400, "a chunk's size is no hexadecimal number");
    const size = Number.parseInt(match[1]!, 16);
    if (size === 0) {
      this.#state = "trailer-line";
      return;
    }
    if (this.#chunks.length + size > this.#bodyMaxBytes) throw bodyTooLarge(this.#bodyMaxBytes);
    this.#state = "chunk-data";
    this.#need = size;
  }

  #endRequest(body: string, inputs: HttpInput[]): void {
    const request = this.#request!;
    this.#reset("start");
    inputs.push({ kind: "request", request: body === "" ? request : { ...request, body } });
  }

  #reset(state: State): void {
    this.#state = state;
    this.#head = undefined;
    this.#request = undefined;
    this.#fields = [];
    this.#headBytes = 0;
    this.#trailerBytes = 0;
    this.#pending.take();
    this.#chunks.take();
  }
}

/** Section 3: `method SP request-target SP HTTP-version`. */
function parseRequestLine(line: string): Head {
  const parts = line.split(" ");
  const [method = "", rawTarget = "", versionText = ""] = parts;
  if (method.length > METHOD_MAX_BYTES) throw methodTooLong();
  if (rawTarget.length > TARGET_MAX_BYTES) throw targetTooLong();
  if (parts.length !== 3 || !isToken(method) || rawTarget === "") {
    throw fatal("request-line", 400, "a line is no request line");
  }
  const version = /^HTTP\/(\d)\.(\d)$/.exec(versionText);
  if (version === null) {
    // RTSP sent here by mistake gets an answer that says so.
    if (versionText.startsWith("RTSP/")) throw fatal("rtsp-version", 505, "this is RTSP, not HTTP");
    throw fatal("request-line", 400, "a request line has no version");
  }
  // Also the preface of HTTP/2, `PRI * HTTP/2.0` (RFC 9113 section 3.4).
  if (version[1] !== "1") throw fatal("version", 505, "the version is not HTTP/1.x");
  const target = decodeFieldText(rawTarget);
  return { method, target, ...parseTarget(target, method), version: version[2] === "0" ? "1.0" : "1.1" };
}

function completeHead(head: Head, headers: HeaderList): HttpRequest {
  const { method, target, path, query, version, authority } = head;
  const hosts = headers.all("Host");
  // RFC 9112 section 3.2: exactly one in HTTP/1.1.
  if (hosts.length > 1 || (hosts.length === 0 && version === "1.1")) {
    throw fatal("host", 400, `a request has ${hosts.length} Host headers`);
  }
  if (hosts[0] !== undefined && !isHost(hosts[0])) throw fatal("host", 400, "the Host header holds no host");
  const connection = headers
    .all("Connection")
    .flatMap((value) => splitOutsideQuotes(value, ","))
    .map((option) => option.toLowerCase());
  const keepAlive = !connection.includes("close") && (version === "1.1" || connection.includes("keep-alive"));
  const expect = version === "1.1" ? headers.get("Expect")?.toLowerCase() : undefined;
  if (expect !== undefined && expect !== "100-continue") {
    throw fatal("expectation", 417, "a request expects something other than 100-continue");
  }
  const expectContinue = expect !== undefined;
  return {
    method,
    target,
    path,
    query,
    version,
    headers,
    host: authority ?? hosts[0],
    body: "",
    keepAlive,
    expectContinue,
  };
}

/** Section 6.1. Other codings are not implemented; HTTP/1.0 has none, so one there is suspicious. */
function isChunked(request: HttpRequest): boolean {
  const values = request.headers.all("Transfer-Encoding");
  if (values.length === 0) return false;
  if (request.version === "1.0") throw fatal("encoding-in-1.0", 400, "an HTTP/1.0 request has a Transfer-Encoding");
  if (values.length === 1 && values[0]!.toLowerCase() === "chunked") return true;
  throw fatal("transfer-encoding", 501, "a request has a Transfer-Encoding other than chunked");
}

/** Section 6.2; 0 when absent. A list of equal values is one value to some parsers, so it is refused. */
function bodyLength(headers: HeaderList): number {
  const values = headers.all("Content-Length");
  const first = values[0];
  if (first === undefined) return 0;
  if (values.some((value) => value !== first)) {
    throw fatal("content-length-conflict", 400, "Content-Length is given twice, differently");
  }
  if (!/^\d{1,15}$/.test(first)) throw fatal("content-length", 400, "Content-Length is not a number");
  return Number(first);
}

/** RFC 9110 section 9.1: a method longer than any that is known is one that is not implemented. */
function methodTooLong(): ProtocolFault {
  return fatal("method-too-long", 501, `a method exceeds ${METHOD_MAX_BYTES} bytes`);
}

function targetTooLong(): ProtocolFault {
  return fatal("target-too-long", 414, `a request target exceeds ${TARGET_MAX_BYTES} bytes`);
}

function bodyTooLarge(most: number): ProtocolFault {
  return fatal("body-too-large", 413, `a body exceeds ${most} bytes`);
}

function fatal(code: string, status: number, message: string): ProtocolFault {
  return new ProtocolFault(code, status, message, { fatal: true });
}
