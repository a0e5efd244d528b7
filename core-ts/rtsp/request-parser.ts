/**
 * What an RTSP client sends on its connection: requests (RFC 2326 section 6), interleaved frames (section 10.12) and
 * answers to requests of ours, which are swallowed. Row 1.
 *
 * The next thing is told by its first byte. A `$` opens a frame; it can stand before, between and behind requests, never
 * inside one:
 *
 *      0        1         2         3         4
 *     +--------+---------+---------+---------+ - - -
 *     |  '$'   | channel |    length (u16)   |  data
 *     +--------+---------+---------+---------+ - - -
 *
 * Every byte is looked at once, however the stream is cut: the parser keeps the unfinished line, body or frame in pieces
 * and joins them when complete.
 */
import { decodeFieldText, type HeaderField, HeaderList, hasControlBytes, isToken } from "../bytes/header-list.ts";
import { byteAt, uint16At } from "../bytes/text.ts";
import { TextCollector } from "../bytes/text-collector.ts";
import { ProtocolFault } from "../errors.ts";
import {
  HEADER_NAME_MAX_BYTES,
  HEADER_VALUE_MAX_BYTES,
  HEADERS_MAX,
  parseHeaderLine,
  type RtspHeaders,
  unfold,
} from "./headers.ts";

/** Longest method in bytes. */
export const METHOD_MAX_BYTES = 64;
/** Longest request URI in bytes. */
export const URI_MAX_BYTES = 2048;
/** Largest body in bytes. */
export const BODY_MAX_BYTES = 128 * 1024;
/** Largest head in bytes, line ends included: 255 headers may not all be of the greatest length. */
export const HEAD_MAX_BYTES = 64 * 1024;
/** Longest request line in bytes. Within it an overlong method or URI leaves the framing intact; past it nothing does. */
export const REQUEST_LINE_MAX_BYTES = METHOD_MAX_BYTES + URI_MAX_BYTES + 128;
/** Longest header line in bytes, likewise. */
export const HEADER_LINE_MAX_BYTES = HEADER_NAME_MAX_BYTES + HEADER_VALUE_MAX_BYTES + 128;

/** Length of a frame's header. */
const FRAME_HEADER_BYTES = 4;
const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;

/** A complete request. `CSeq` is there and is a number (section 12.17). */
export type RtspRequest = {
  readonly method: string;
  /** As sent, not checked beyond its length and control bytes: `parseTarget` reads it. */
  readonly uri: string;
  /** `RTSP/1.0`, always. */
  readonly version: string;
  readonly headers: RtspHeaders;
  /** Host text, at most {@link BODY_MAX_BYTES}. */
  readonly body: string;
};

export type RtspInput =
  | { readonly kind: "request"; readonly request: RtspRequest }
  /** An interleaved frame; `channel` 0 … 255, `data` host text of 0 … 65,535 bytes. */
  | { readonly kind: "interleaved"; readonly channel: number; readonly data: string }
  /** A client's answer to a request of ours. */
  | { readonly kind: "response" }
  /** A request that can't be served. After a fatal one the parser takes nothing more. */
  | { readonly kind: "fault"; readonly fault: ProtocolFault; readonly cseq: string | undefined };

/** The message whose head or body is being read. */
type Message = {
  readonly response: boolean;
  readonly method: string;
  readonly uri: string;
  readonly fields: HeaderField[];
  /** The first thing wrong with it; answered when the message's end is reached, so that the next one can be read. */
  fault: ProtocolFault | undefined;
};

type State = "start" | "request-line" | "header-line" | "body" | "frame-header" | "frame" | "dead";

export class RtspParser {
  #state: State = "start";
  /** The unfinished line, body or frame. */
  readonly #pending = new TextCollector();
  /** Bytes of the body or frame that is being read. */
  #need = 0;
  #channel = 0;
  #message: Message | undefined;
  #headers = new HeaderList();
  /** Bytes of the complete lines of this head. */
  #headBytes = 0;
  /** Bytes of the connection before the text that is being fed, and where the current line or message began. */
  #before = 0;
  #lineStart = 0;

  /** Bytes of a message or frame that has begun but is not complete. 0 between messages. */
  get pendingBytes(): number {
    return this.#headBytes + this.#pending.length;
  }

  /** Takes what the connection received, cut anywhere, and gives what is complete now, in order. */
  feed(text: string): readonly RtspInput[] {
    const inputs: RtspInput[] = [];
    let at = 0;
    while (at < text.length && this.#state !== "dead") at = this.#step(text, at, inputs);
    this.#before += text.length;
    return inputs;
  }

  /** Consumes at least one byte; returns where to go on. */
  #step(text: string, at: number, inputs: RtspInput[]): number {
    switch (this.#state) {
      case "start":
        return this.#begin(text, at, inputs);
      case "request-line":
      case "header-line":
        return this.#takeLine(text, at, inputs);
      case "frame-header": {
        const end = this.#gather(text, at, FRAME_HEADER_BYTES);
        if (this.#pending.length === FRAME_HEADER_BYTES) this.#openFrame(this.#pending.take(), inputs);
        return end;
      }
      case "frame": {
        const end = this.#gather(text, at, this.#need);
        if (this.#pending.length === this.#need) this.#endFrame(this.#pending.take(), inputs);
        return end;
      }
      case "body": {
        const end = this.#gather(text, at, this.#need);
        if (this.#pending.length === this.#need) this.#endMessage(this.#pending.take(), inputs);
        return end;
      }
      case "dead":
        return text.length;
    }
  }

  #begin(text: string, at: number, inputs: RtspInput[]): number {
    const first = byteAt(text, at);
    // Empty lines before a request are skipped (RFC 2068 section 4.1); some clients keep a connection alive with them.
    if (first === CR || first === LF) return at + 1;
    this.#lineStart = this.#before + at;
    if (first === DOLLAR) {
      this.#state = "frame-header";
      return at;
    }
    if (isToken(text[at]!)) {
      this.#state = "request-line";
      return at;
    }
    this.#die(new ProtocolFault("not-rtsp", 400, this.#where("a request begins with no letter"), FATAL), inputs);
    return text.length;
  }

  #gather(text: string, at: number, need: number): number {
    const end = Math.min(text.length, at + need - this.#pending.length);
    this.#pending.push(text.slice(at, end));
    return end;
  }

  #openFrame(header: string, inputs: RtspInput[]): void {
    this.#channel = byteAt(header, 1);
    this.#need = uint16At(header, 2);
    this.#state = "frame";
    if (this.#need === 0) this.#endFrame("", inputs);
  }

  #endFrame(data: string, inputs: RtspInput[]): void {
    inputs.push({ kind: "interleaved", channel: this.#channel, data });
    this.#state = "start";
  }

  #takeLine(text: string, at: number, inputs: RtspInput[]): number {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const first = this.#state === "request-line";
    const most = first ? REQUEST_LINE_MAX_BYTES : HEADER_LINE_MAX_BYTES;
    const length = this.#pending.length + end - at;
    if (length > most) {
      // Only what the limit admits is looked at, so that the answer doesn't depend on how the stream was cut.
      this.#pending.push(text.slice(at, at + most - this.#pending.length));
      this.#die(first ? this.#overlongRequestLine(this.#pending.take()) : this.#overlongHeaderLine(), inputs);
      return text.length;
    }
    this.#pending.push(text.slice(at, end));
    if (newline < 0) return end;
    const line = this.#pending.take();
    this.#headBytes += line.length + 1;
    this.#line(line.endsWith("\r") ? line.slice(0, -1) : line, inputs);
    this.#lineStart = this.#before + end + 1;
    return end + 1;
  }

  #overlongRequestLine(line: string): ProtocolFault {
    const space = line.indexOf(" ");
    if (space < 0 || space > METHOD_MAX_BYTES) {
      return new ProtocolFault(
        "method-too-long",
        400,
        this.#where(`a method exceeds ${METHOD_MAX_BYTES} bytes`),
        FATAL,
      );
    }
    return new ProtocolFault("uri-too-long", 414, this.#where(`a request URI exceeds ${URI_MAX_BYTES} bytes`), FATAL);
  }

  #overlongHeaderLine(): ProtocolFault {
    const message = this.#where(`a header line exceeds ${HEADER_LINE_MAX_BYTES} bytes`);
    return new ProtocolFault("header-line-too-long", 400, message, FATAL);
  }

  /** A complete line of a head, without its line end. A bare LF ends a line too: people type requests by hand. */
  #line(line: string, inputs: RtspInput[]): void {
    const message = this.#message;
    if (message === undefined) {
      this.#message = this.#parseFirstLine(line, inputs);
      return;
    }
    if (this.#headBytes > HEAD_MAX_BYTES) {
      const fault = this.#where(`a request's headers exceed ${HEAD_MAX_BYTES} bytes`);
      this.#die(new ProtocolFault("head-too-long", 400, fault, FATAL), inputs);
      return;
    }
    if (line === "") {
      this.#endHead(message, inputs);
      return;
    }
    try {
      this.#parseHeader(message, line);
    } catch (error) {
      if (!(error instanceof ProtocolFault)) throw error;
      message.fault ??= new ProtocolFault(error.code, error.status, this.#where(error.message));
    }
  }

  /** A request line (section 6.1) or a status line (section 7.1); undefined when the parser has given up. */
  #parseFirstLine(line: string, inputs: RtspInput[]): Message | undefined {
    this.#state = "header-line";
    const message = { response: false, method: "", uri: "", fields: [], fault: undefined };
    if (line.startsWith("RTSP/")) return { ...message, response: true };
    const afterMethod = line.indexOf(" ");
    const beforeVersion = line.lastIndexOf(" ");
    const method = line.slice(0, afterMethod);
    const uri = line.slice(afterMethod + 1, beforeVersion);
    const version = line.slice(beforeVersion + 1);
    if (version.startsWith("HTTP/")) {
      this.#die(new ProtocolFault("http-version", 505, this.#where("this is HTTP, not RTSP"), FATAL), inputs);
      return undefined;
    }
    if (afterMethod < 0 || !version.startsWith("RTSP/")) {
      // Without this much of a request line it is anyone's guess where the message ends.
      this.#die(new ProtocolFault("request-line", 400, this.#where("a line is no request line"), FATAL), inputs);
      return undefined;
    }
    const fault = this.#faultOfRequestLine(method, uri, version);
    return { ...message, method, uri: decodeFieldText(uri), fault };
  }

  #faultOfRequestLine(method: string, uri: string, version: string): ProtocolFault | undefined {
    if (method.length > METHOD_MAX_BYTES) {
      return new ProtocolFault(
        "method-too-long",
        400,
        this.#where(`a method has ${method.length} bytes, more than ${METHOD_MAX_BYTES}`),
      );
    }
    if (!isToken(method)) return new ProtocolFault("method", 400, this.#where("a method is not a token"));
    if (uri.length > URI_MAX_BYTES) {
      return new ProtocolFault(
        "uri-too-long",
        414,
        this.#where(`a request URI has ${uri.length} bytes, more than ${URI_MAX_BYTES}`),
      );
    }
    if (uri === "" || /[ \t]/.test(uri) || hasControlBytes(uri)) {
      return new ProtocolFault(
        "request-uri",
        400,
        this.#where("a request URI is empty or holds blanks or control bytes"),
      );
    }
    // RTSP/2.0 (RFC 7826) frames its messages the same way, so the next request can still be read.
    if (version !== "RTSP/1.0") return new ProtocolFault("version", 505, this.#where("the version is not RTSP/1.0"));
    return undefined;
  }

  #parseHeader(message: Message, line: string): void {
    const fields = message.fields;
    if (line.startsWith(" ") || line.startsWith("\t")) {
      const last = fields.at(-1);
      if (last === undefined) throw new ProtocolFault("header-fold", 400, "the first header line begins with a blank");
      fields[fields.length - 1] = [last[0], unfold(last[1], line)];
      return;
    }
    if (fields.length === HEADERS_MAX) {
      throw new ProtocolFault("too-many-headers", 400, `a request has more than ${HEADERS_MAX} headers`);
    }
    fields.push(parseHeaderLine(line));
  }

  #endHead(message: Message, inputs: RtspInput[]): void {
    this.#headers = new HeaderList(message.fields);
    const length = this.#bodyLength(this.#headers);
    if (length instanceof ProtocolFault) {
      this.#die(length, inputs);
      return;
    }
    this.#need = length;
    this.#state = "body";
    if (length === 0) this.#endMessage("", inputs);
  }

  /** Section 12.14. Absent means no body. What can't be trusted to say where the body ends is fatal. */
  #bodyLength(headers: HeaderList): number | ProtocolFault {
    const values = headers.all("Content-Length");
    const first = values[0];
    if (first === undefined) return 0;
    if (values.some((value) => value !== first)) {
      return new ProtocolFault(
        "content-length-conflict",
        400,
        this.#where("Content-Length is given twice, differently"),
        FATAL,
      );
    }
    if (!/^\d{1,15}$/.test(first)) {
      return new ProtocolFault("content-length", 400, this.#where("Content-Length is not a number"), FATAL);
    }
    const length = Number(first);
    if (length <= BODY_MAX_BYTES) return length;
    const message = this.#where(`a body of ${length} bytes exceeds ${BODY_MAX_BYTES}`);
    return new ProtocolFault("body-too-large", 413, message, FATAL);
  }

  #endMessage(body: string, inputs: RtspInput[]): void {
    const message = this.#message!;
    const headers = this.#headers;
    this.#reset("start");
    if (message.response) {
      inputs.push({ kind: "response" });
      return;
    }
    const cseq = cseqOf(headers);
    let fault = message.fault;
    if (fault === undefined && cseq === undefined) {
      fault = new ProtocolFault("cseq", 400, this.#where("a request has no CSeq, or one that is no number"));
    }
    if (fault !== undefined) {
      inputs.push({ kind: "fault", fault, cseq });
      return;
    }
    const { method, uri } = message;
    inputs.push({ kind: "request", request: { method, uri, version: "RTSP/1.0", headers, body } });
  }

  #die(fault: ProtocolFault, inputs: RtspInput[]): void {
    const cseq = cseqOf(new HeaderList(this.#message?.fields));
    this.#reset("dead");
    inputs.push({ kind: "fault", fault, cseq });
  }

  #reset(state: State): void {
    this.#state = state;
    this.#message = undefined;
    this.#headers = new HeaderList();
    this.#headBytes = 0;
    this.#pending.take();
  }

  /** The fact with the byte of the connection at which the line stands. */
  #where(fact: string): string {
    return `${fact} (line at byte ${this.#lineStart})`;
  }
}

const FATAL = { fatal: true } as const;

/** Section 12.17. Echoed as text: nothing says that it fits a number. */
function cseqOf(headers: HeaderList): string | undefined {
  const value = headers.get("CSeq");
  return value !== undefined && /^\d{1,20}$/.test(value) ? value : undefined;
}
