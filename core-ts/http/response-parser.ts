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
import { BodyReader, bodyEnd } from "./body-reader.ts";
import { HEAD_MAX_BYTES, HEADER_LINE_MAX_BYTES, HEADERS_MAX, headerLineTooLong, parseHeaderLine } from "./headers.ts";

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

type State = "status-line" | "header-line" | "body" | "done";

export class ResponseParser {
  readonly #body: BodyReader;
  #state: State = "status-line";
  /** The unfinished line. */
  readonly #pending = new TextCollector();
  #status = 0;
  #fields: HeaderField[] = [];
  #headers: HeaderList | undefined;
  #headBytes = 0;
  #interim = 0;
  /** Complete, and not yet given. */
  #response: HttpReply | undefined;

  constructor(options: { readonly bodyMaxBytes?: number } = {}) {
    this.#body = new BodyReader(Math.min(options.bodyMaxBytes ?? RESPONSE_BODY_MAX_BYTES, RESPONSE_BODY_MAX_BYTES));
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
      const body = this.#state === "body" ? this.#body.end() : undefined;
      if (body === undefined) throw fault("cut-short", "the peer closed before the response was complete");
      this.#finish(body);
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
      this.#body.drop();
      return { kind: "fault", fault: fault(error.code, error.message) };
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
    if (this.#state !== "body") return this.#takeLine(text, at);
    const { at: end, body } = this.#body.step(text, at);
    if (body !== undefined) this.#finish(body);
    return end;
  }

  #takeLine(text: string, at: number): number {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const first = this.#state === "status-line";
    if (this.#pending.length + end - at > (first ? STATUS_LINE_MAX_BYTES : HEADER_LINE_MAX_BYTES)) {
      throw first
        ? fault("status-line-too-long", `a status line exceeds ${STATUS_LINE_MAX_BYTES} bytes`)
        : headerLineTooLong();
    }
    this.#pending.push(text.slice(at, end));
    if (newline < 0) return end;
    this.#line(this.#pending.take());
    return end + 1;
  }

  /** @param rawLine without the LF. A bare LF ends a line of a head (section 2.2). */
  #line(rawLine: string): void {
    const line = rawLine.endsWith("\r") ? rawLine.slice(0, -1) : rawLine;
    if (this.#state === "status-line") {
      this.#headBytes = rawLine.length + 1;
      this.#status = parseStatusLine(line);
      this.#state = "header-line";
      return;
    }
    this.#headBytes += rawLine.length + 1;
    if (this.#headBytes > HEAD_MAX_BYTES) throw fault("head-too-long", `headers exceed ${HEAD_MAX_BYTES} bytes`);
    if (line === "") this.#endHead();
    else if (this.#fields.length === HEADERS_MAX) {
      throw fault("too-many-headers", `a response has more than ${HEADERS_MAX} headers`);
    } else this.#fields.push(parseHeaderLine(line));
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
    const body = this.#body.begin(bodyEnd(headers) ?? "connection");
    if (body !== undefined) this.#finish(body);
    else this.#state = "body";
  }
}

/** Section 4: `HTTP-version SP status-code SP [ reason-phrase ]`; servers that leave out the second blank are common. */
function parseStatusLine(line: string): number {
  const match = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f\u0100]*)?$/.exec(line);
  if (match === null) throw fault("status-line", "a response does not begin with HTTP/1.x and a status");
  return Number(match[1]);
}

/** The status is what a proxy would answer, whatever a request would get for the same. */
function fault(code: string, message: string): ProtocolFault {
  return new ProtocolFault(code, 502, message, { fatal: true });
}
