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
import { BodyReader, bodyEnd } from "./body-reader.ts";
import { HEAD_MAX_BYTES, HEADER_LINE_MAX_BYTES, HEADERS_MAX, headerLineTooLong, parseHeaderLine } from "./headers.ts";
import { isHost, parseTarget } from "./target.ts";

/** Longest method in bytes. */
export const METHOD_MAX_BYTES = 64;
/** Longest request target in bytes. */
export const TARGET_MAX_BYTES = 2048;
/** Largest body in bytes unless the server says less. */
export const BODY_MAX_BYTES = 1024 * 1024;
/** Longest request line in bytes; past it no end is waited for. */
export const REQUEST_LINE_MAX_BYTES = METHOD_MAX_BYTES + TARGET_MAX_BYTES + 16;
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

type State = "start" | "request-line" | "header-line" | "body" | "dead";

type Head = Pick<HttpRequest, "method" | "target" | "path" | "query" | "version"> & {
  readonly authority: string | undefined;
};

export class HttpParser {
  readonly #body: BodyReader;
  #state: State = "start";
  /** The unfinished line. */
  readonly #pending = new TextCollector();
  #head: Head | undefined;
  #fields: HeaderField[] = [];
  #request: HttpRequest | undefined;
  /** Bytes of the complete lines of this head. */
  #headBytes = 0;

  /** @param options.bodyMaxBytes largest body that is taken, at most {@link BODY_MAX_BYTES}; past it 413. */
  constructor(options: { readonly bodyMaxBytes?: number } = {}) {
    this.#body = new BodyReader(Math.min(options.bodyMaxBytes ?? BODY_MAX_BYTES, BODY_MAX_BYTES));
  }

  /** Bytes of a request that has begun but is not complete. 0 between requests. */
  get pendingBytes(): number {
    return this.#headBytes + this.#pending.length + this.#body.pendingBytes;
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
        return this.#takeLine(text, at, inputs);
      case "body": {
        const { at: end, body } = this.#body.step(text, at);
        if (body !== undefined) this.#endRequest(body, inputs);
        return end;
      }
      case "dead":
        return text.length;
    }
  }

  #takeLine(text: string, at: number, inputs: HttpInput[]): number {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const most = this.#state === "request-line" ? REQUEST_LINE_MAX_BYTES : HEADER_LINE_MAX_BYTES;
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

  #overlongLine(line: string): ProtocolFault {
    if (this.#state === "header-line") return headerLineTooLong();
    const space = line.indexOf(" ");
    return space < 0 || space > METHOD_MAX_BYTES ? methodTooLong() : targetTooLong();
  }

  /** @param rawLine without the LF. A bare LF ends a line of a head (section 2.2). */
  #line(rawLine: string, inputs: HttpInput[]): void {
    const line = rawLine.endsWith("\r") ? rawLine.slice(0, -1) : rawLine;
    this.#headBytes += rawLine.length + 1;
    if (this.#state === "request-line") {
      this.#head = parseRequestLine(line);
      this.#state = "header-line";
      return;
    }
    if (this.#headBytes > HEAD_MAX_BYTES) {
      throw fatal("head-too-long", 431, `a request's headers exceed ${HEAD_MAX_BYTES} bytes`);
    }
    if (line === "") this.#endHead(inputs);
    else if (this.#fields.length === HEADERS_MAX) {
      throw fatal("too-many-headers", 431, `a request has more than ${HEADERS_MAX} headers`);
    } else this.#fields.push(parseHeaderLine(line));
  }

  #endHead(inputs: HttpInput[]): void {
    const request = completeHead(this.#head!, new HeaderList(this.#fields));
    this.#request = request;
    // There is none in HTTP/1.0, so one there is suspicious (section 6.1).
    if (request.version === "1.0" && request.headers.has("Transfer-Encoding")) {
      throw fatal("encoding-in-1.0", 400, "an HTTP/1.0 request has a Transfer-Encoding");
    }
    const body = this.#body.begin(bodyEnd(request.headers) ?? { bytes: 0 });
    if (body !== undefined) return this.#endRequest(body, inputs);
    if (request.expectContinue) inputs.push({ kind: "continue", request });
    this.#state = "body";
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
    this.#pending.take();
    this.#body.drop();
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

/** RFC 9110 section 9.1: a method longer than any that is known is one that is not implemented. */
function methodTooLong(): ProtocolFault {
  return fatal("method-too-long", 501, `a method exceeds ${METHOD_MAX_BYTES} bytes`);
}

function targetTooLong(): ProtocolFault {
  return fatal("target-too-long", 414, `a request target exceeds ${TARGET_MAX_BYTES} bytes`);
}

function fatal(code: string, status: number, message: string): ProtocolFault {
  return new ProtocolFault(code, status, message, { fatal: true });
}
