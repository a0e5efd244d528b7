/**
 * The body of an HTTP/1.1 message, from the byte behind its head (RFC 9112 sections 6 and 7). Row 1.
 *
 * Requests and responses frame it alike. Its faults carry a request's statuses; whoever reads a response puts his own.
 * Where a body ends is never guessed, and every fault is fatal. Every byte is looked at once, however the stream is cut.
 */
import type { HeaderList } from "../bytes/header-list.ts";
import { TextCollector } from "../bytes/text-collector.ts";
import { ProtocolFault } from "../errors.ts";
import { HEADER_LINE_MAX_BYTES, headerLineTooLong, parseHeaderLine } from "./headers.ts";

/** Longest line that opens a chunk, extensions included (section 7.1.1). */
export const CHUNK_LINE_MAX_BYTES = 256;
/** Largest trailer section in bytes (section 7.1.2). It is read and dropped. */
export const TRAILERS_MAX_BYTES = 8 * 1024;

/** Where a body ends: after so many bytes, with its last chunk, or with the connection (responses only). */
export type BodyEnd = { readonly bytes: number } | "chunked" | "connection";

type State = "none" | "length" | "chunk-line" | "chunk-data" | "chunk-end" | "trailer-line" | "to-end";

export class BodyReader {
  readonly #maxBytes: number;
  #state: State = "none";
  /** The unfinished line, body or chunk. */
  readonly #pending = new TextCollector();
  /** Complete chunks of a chunked body. */
  readonly #chunks = new TextCollector();
  /** Bytes of the body, chunk or chunk end that is being read. */
  #need = 0;
  #trailerBytes = 0;

  /** @param maxBytes the largest body that is taken; past it 413. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held of a body that is not complete. */
  get pendingBytes(): number {
    return this.#pending.length + this.#chunks.length;
  }

  /** Begins a body. @returns "" when it is complete at once, being empty; else {@link step} has to be fed. */
  begin(end: BodyEnd): "" | undefined {
    this.drop();
    if (end === "chunked") this.#state = "chunk-line";
    else if (end === "connection") this.#state = "to-end";
    else {
      if (end.bytes > this.#maxBytes) throw this.#tooLarge();
      if (end.bytes === 0) return "";
      this.#state = "length";
      this.#need = end.bytes;
    }
    return undefined;
  }

  /**
   * Takes at least one byte of `text` from `at`, which must lie inside.
   * @returns where to go on, and the body once it is complete: host text, chunks joined.
   */
  step(text: string, at: number): { readonly at: number; readonly body?: string } {
    switch (this.#state) {
      case "length":
      case "chunk-data":
      case "chunk-end": {
        const end = Math.min(text.length, at + this.#need - this.#pending.length);
        this.#pending.push(text.slice(at, end));
        if (this.#pending.length < this.#need) return { at: end };
        const data = this.#pending.take();
        if (this.#state !== "length") this.#endOfChunk(data);
        else return { at: end, body: this.#done(data) };
        return { at: end };
      }
      case "to-end":
        if (this.#pending.length + text.length - at > this.#maxBytes) throw this.#tooLarge();
        this.#pending.push(text.slice(at));
        return { at: text.length };
      case "none":
        throw new Error("no body has begun");
      default:
        return this.#takeLine(text, at);
    }
  }

  /** The peer has closed. @returns the body when that is its end, else undefined: it is cut short. */
  end(): string | undefined {
    return this.#state === "to-end" ? this.#done(this.#pending.take()) : undefined;
  }

  /** Forgets an unfinished body. */
  drop(): void {
    this.#state = "none";
    this.#trailerBytes = 0;
    this.#pending.take();
    this.#chunks.take();
  }

  #done(body: string): string {
    this.drop();
    return body;
  }

  #endOfChunk(data: string): void {
    if (this.#state === "chunk-data") {
      this.#chunks.push(data);
      this.#state = "chunk-end";
      this.#need = 2;
      return;
    }
    if (data !== "\r\n") throw fatal("chunk-end", 400, "a chunk doesn't end where its size says");
    this.#state = "chunk-line";
  }

  #takeLine(text: string, at: number): { readonly at: number; readonly body?: string } {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const opensChunk = this.#state === "chunk-line";
    const most = opensChunk ? CHUNK_LINE_MAX_BYTES : HEADER_LINE_MAX_BYTES;
    if (this.#pending.length + end - at > most) {
      if (!opensChunk) throw headerLineTooLong();
      throw fatal("chunk-line-too-long", 400, `a chunk's first line exceeds ${CHUNK_LINE_MAX_BYTES} bytes`);
    }
    this.#pending.push(text.slice(at, end));
    if (newline < 0) return { at: end };
    // A bare LF ends a line of a head (section 2.2), but none of the chunked framing.
    const line = this.#pending.take();
    if (!line.endsWith("\r")) {
      if (opensChunk) throw fatal("chunk-line", 400, "a chunk's first line ends without CR");
      throw fatal("trailer-line", 400, "a trailer line ends without CR");
    }
    if (opensChunk) this.#beginChunk(line.slice(0, -1));
    else if (this.#trailerEnds(line.slice(0, -1))) return { at: end + 1, body: this.#done(this.#chunks.take()) };
    return { at: end + 1 };
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
    if (this.#chunks.length + size > this.#maxBytes) throw this.#tooLarge();
    this.#state = "chunk-data";
    this.#need = size;
  }

  /** Trailers are dropped: nothing here depends on them, and merging them would let them pose as headers. */
  #trailerEnds(line: string): boolean {
    this.#trailerBytes += line.length + 2;
    if (this.#trailerBytes > TRAILERS_MAX_BYTES) {
      throw fatal("trailers-too-long", 431, `trailers exceed ${TRAILERS_MAX_BYTES} bytes`);
    }
    if (line !== "") parseHeaderLine(line);
    return line === "";
  }

  #tooLarge(): ProtocolFault {
    return fatal("body-too-large", 413, `a body exceeds ${this.#maxBytes} bytes`);
  }
}

/**
 * What Content-Length says (section 6.2); undefined when absent. A list of equal values is one value to some parsers, so it
 * is refused.
 */
export function contentLength(headers: HeaderList): number | undefined {
  const values = headers.all("Content-Length");
  const first = values[0];
  if (first === undefined) return undefined;
  if (values.some((value) => value !== first)) {
    throw fatal("content-length-conflict", 400, "Content-Length is given twice, differently");
  }
  if (!/^\d{1,15}$/.test(first)) throw fatal("content-length", 400, "Content-Length is not a number");
  return Number(first);
}

/** Whether the body comes in chunks (section 6.1). Other codings are not implemented. */
export function isChunked(headers: HeaderList): boolean {
  const values = headers.all("Transfer-Encoding");
  if (values.length === 0) return false;
  if (values.length === 1 && values[0]!.toLowerCase() === "chunked") return true;
  throw fatal("transfer-encoding", 501, "a Transfer-Encoding other than chunked");
}

/** How a message with these headers tells its body's end; undefined where neither header stands. */
export function bodyEnd(headers: HeaderList): BodyEnd | undefined {
  const chunked = isChunked(headers);
  const bytes = contentLength(headers);
  if (chunked && bytes !== undefined) {
    // Section 6.3: somebody in between may have read it the other way.
    throw fatal("length-and-encoding", 400, "a message has both Transfer-Encoding and Content-Length");
  }
  if (chunked) return "chunked";
  return bytes === undefined ? undefined : { bytes };
}

function fatal(code: string, status: number, message: string): ProtocolFault {
  return new ProtocolFault(code, status, message, { fatal: true });
}
