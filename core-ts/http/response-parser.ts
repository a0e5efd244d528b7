/**
 * One HTTP/1.1 response as a client reads it (RFC 9112). Row 1.
 *
 * For a client that asks once on a connection (`Connection: close`) with a method other than HEAD and CONNECT. Interim
 * responses (1xx) are passed over. As with requests, where a body ends is never guessed, and every fault is fatal.
 *
 * Every byte is looked at once, however the stream is cut.
 */
import { type HeaderField, HeaderList } from "../bytes/header-list.ts";
import { TextCollector } from "../bytes/text-collector.ts";
import { ProtocolFault } from "../errors.ts";
import { HEADERS_MAX, parseHeaderLine } from "./headers.ts";
import { CHUNK_LINE_MAX_BYTES, HEAD_MAX_BYTES, HEADER_LINE_MAX_BYTES, TRAILERS_MAX_BYTES } from "./request-parser.ts";

/** Longest status line in bytes; the reason phrase may be any text. */
export const STATUS_LINE_MAX_BYTES = 1024;
/** Largest body in bytes unless the client says less. */
export const RESPONSE_BODY_MAX_BYTES = 1024 * 1024;
/** Interim responses before the final one. */
export const INTERIM_RESPONSES_MAX = 8;

export type HttpReply = {
  /** 200 … 599. */
  readonly status: number;
  readonly headers: HeaderList;
  /** Host text; chunks are joined. */
  readonly body: string;
};

export type ReplyInput =
  | { readonly kind: "response"; readonly response: HttpReply }
  /** The parser takes nothing more. Its `status` is what a proxy would answer: 502. */
  | { readonly kind: "fault"; readonly fault: ProtocolFault };

type State =
  | "status-line"
  | "header-line"
  | "body"
  | "body-to-end"
  | "chunk-line"
  | "chunk-data"
  | "chunk-end"
  | "trailer-line"
  | "done";

export class ResponseParser {
  readonly #bodyMaxBytes: number;
  #state: State = "status-line";
  /** The unfinished line, body or chunk. */
  readonly #pending = new TextCollector();
  readonly #chunks = new TextCollector();
  /** Bytes of the body, chunk or chunk end that is being read. */
  #need = 0;
  #status = 0;
  #fields: HeaderField[] = [];
  #headers: HeaderList | undefined;
  #headBytes = 0;
  #trailerBytes = 0;
  #interim = 0;
  /** Complete, and not yet given. */
  #response: HttpReply | undefined;

  constructor(options: { readonly bodyMaxBytes?: number } = {}) {
    this.#bodyMaxBytes = Math.min(options.bodyMaxBytes ?? RESPONSE_BODY_MAX_BYTES, RESPONSE_BODY_MAX_BYTES);
  }

  /** The final response's status once its head is there, whatever becomes of its body. */
  get status(): number | undefined {
    return this.#headers === undefined ? undefined : this.#status;
  }

  /** Takes what the connection received, cut anywhere. @returns the response or a fault, once; before and after, undefined. */
  feed(text: string): ReplyInput | undefined {
    return this.#guard(() => {
      let at = 0;
      while (at < text.length) {
        if (this.#state === "done") return undefined;
        const before = at;
        at = this.#step(text, at);
        const done = this.#finished();
        if (done !== undefined) return done;
        if (at === before) throw new Error("the response parser stands still");
      }
      return undefined;
    });
  }

  /** The peer has closed: ends a body that has no length, and cuts any other. @returns as {@link feed}. */
  end(): ReplyInput | undefined {
    return this.#guard(() => {
      if (this.#state === "done") return undefined;
      if (this.#state !== "body-to-end") throw fault("cut-short", "the peer closed before the response was complete");
      this.#finish(this.#pending.take());
      return this.#finished();
    });
  }

  #guard(run: () => ReplyInput | undefined): ReplyInput | undefined {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error;
      this.#state = "done";
      this.#pending.take();
      this.#chunks.take();
      return { kind: "fault", fault: error };
    }
  }

  #finish(body: string): void {
    this.#response = { status: this.#status, headers: this.#headers!, body };
    this.#state = "done";
  }

  #finished(): ReplyInput | undefined {
    const response = this.#response;
    if (response === undefined) return undefined;
    this.#response = undefined;
    return { kind: "response", response };
  }

  /** Consumes at least one byte; returns where to go on. */
  #step(text: string, at: number): number {
    switch (this.#state) {
      case "body":
      case "chunk-data":
      case "chunk-end": {
        const end = Math.min(text.length, at + this.#need - this.#pending.length);
        this.#pending.push(text.slice(at, end));
        if (this.#pending.length === this.#need) this.#endGathered(this.#pending.take());
        return end;
      }
      case "body-to-end":
        if (this.#pending.length + text.length - at > this.#bodyMaxBytes) throw bodyTooLarge(this.#bodyMaxBytes);
        this.#pending.push(text.slice(at));
        return text.length;
      default:
        return this.#takeLine(text, at);
    }
  }

  #endGathered(data: string): void {
    switch (this.#state) {
      case "body":
        this.#finish(data);
        return;
      case "chunk-data":
        this.#chunks.push(data);
        this.#state = "chunk-end";
        this.#need = 2;
        return;
      default:
        if (data !== "\r\n") throw fault("chunk-end", "a chunk doesn't end where its size says");
        this.#state = "chunk-line";
    }
  }

  #takeLine(text: string, at: number): number {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const most = this.#lineMax();
    if (this.#pending.length + end - at > most) throw fault("line-too-long", `a line exceeds ${most} bytes`);
    this.#pending.push(text.slice(at, end));
    if (newline < 0) return end;
    this.#line(this.#pending.take());
    return end + 1;
  }

  #lineMax(): number {
    if (this.#state === "status-line") return STATUS_LINE_MAX_BYTES;
    return this.#state === "chunk-line" ? CHUNK_LINE_MAX_BYTES : HEADER_LINE_MAX_BYTES;
  }

  /** @param rawLine without the LF. A bare LF ends a line of a head (section 2.2), but none of the chunked framing. */
  #line(rawLine: string): void {
    const line = rawLine.endsWith("\r") ? rawLine.slice(0, -1) : rawLine;
    switch (this.#state) {
      case "status-line":
        this.#headBytes = rawLine.length + 1;
        this.#status = parseStatusLine(line);
        this.#state = "header-line";
        return;
      case "header-line":
        this.#headBytes += rawLine.length + 1;
        if (this.#headBytes > HEAD_MAX_BYTES) throw fault("head-too-long", `headers exceed ${HEAD_MAX_BYTES} bytes`);
        if (line === "") this.#endHead();
        else if (this.#fields.length === HEADERS_MAX) {
          throw fault("too-many-headers", `a response has more than ${HEADERS_MAX} headers`);
        } else this.#fields.push(parseHeaderLine(line));
        return;
      case "chunk-line":
        if (line === rawLine) throw fault("chunk-line", "a chunk's first line ends without CR");
        this.#beginChunk(line);
        return;
      default:
        if (line === rawLine) throw fault("trailer-line", "a trailer line ends without CR");
        this.#trailerBytes += rawLine.length + 1;
        if (this.#trailerBytes > TRAILERS_MAX_BYTES) {
          throw fault("trailers-too-long", `trailers exceed ${TRAILERS_MAX_BYTES} bytes`);
        }
        if (line === "") this.#finish(this.#chunks.take());
        else parseHeaderLine(line);
    }
  }

  /** Section 6.3, for the cases that there are here. */
  #endHead(): void {
    const headers = new HeaderList(this.#fields);
    this.#fields = [];
    const status = this.#status;
    if (status < 200) {
      // RFC 9110 section 15.2.2: 101 would only follow an Upgrade that was asked for.
      if (status === 101) throw fault("unasked-upgrade", "the peer switches to a protocol that nobody asked for");
      if (++this.#interim > INTERIM_RESPONSES_MAX) {
        throw fault("too-many-interim", `more than ${INTERIM_RESPONSES_MAX} interim responses`);
      }
      this.#state = "status-line";
      return;
    }
    this.#headers = headers;
    if (status === 204 || status === 304) return this.#finish("");
    const length = bodyLength(headers);
    if (isChunked(headers)) {
      if (length !== undefined) throw fault("length-and-encoding", "both Transfer-Encoding and Content-Length");
      this.#state = "chunk-line";
    } else if (length === undefined) this.#state = "body-to-end";
    else if (length > this.#bodyMaxBytes) throw bodyTooLarge(this.#bodyMaxBytes);
    else if (length === 0) this.#finish("");
    else {
      this.#state = "body";
      this.#need = length;
    }
  }

  /** Section 7.1: `chunk-size [ chunk-ext ] CRLF`. */
  #beginChunk(line: string): void {
    const match = /^([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f\u0100]*)?$/.exec(line);
    if (match === null) throw fault("chunk-size", "a chunk's size is no hexadecimal number");
    const size = Number.parseInt(match[1]!, 16);
    if (size === 0) {
      this.#state = "trailer-line";
      return;
    }
    if (this.#chunks.length + size > this.#bodyMaxBytes) throw bodyTooLarge(this.#bodyMaxBytes);
    this.#state = "chunk-data";
    this.#need = size;
  }
}

/** Section 4: `HTTP-version SP status-code SP [ reason-phrase ]`; servers that leave out the second blank are common. */
function parseStatusLine(line: string): number {
  const match = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f\u0100]*)?$/.exec(line);
  if (match === null) throw fault("status-line", "a response does not begin with HTTP/1.x and a status");
  return Number(match[1]);
}

/** Section 6.1. */
function isChunked(headers: HeaderList): boolean {
  const values = headers.all("Transfer-Encoding");
  if (values.length === 0) return false;
  if (values.length === 1 && values[0]!.toLowerCase() === "chunked") return true;
  throw fault("transfer-encoding", "a Transfer-Encoding other than chunked");
}

/** Section 6.2; undefined when absent. */
function bodyLength(headers: HeaderList): number | undefined {
  const values = headers.all("Content-Length");
  const first = values[0];
  if (first === undefined) return undefined;
  if (values.some((value) => value !== first)) throw fault("content-length-conflict", "two differing Content-Length");
  if (!/^\d{1,15}$/.test(first)) throw fault("content-length", "Content-Length is not a number");
  return Number(first);
}

function bodyTooLarge(most: number): ProtocolFault {
  return fault("body-too-large", `a body exceeds ${most} bytes`);
}

function fault(code: string, message: string): ProtocolFault {
  return new ProtocolFault(code, 502, message, { fatal: true });
}
