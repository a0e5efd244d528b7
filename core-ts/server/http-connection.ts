/**
 * One HTTP/1.1 connection: requests in, responses out, in order; or an MJPEG stream without end (RFC 9112). Row 3.
 */
import { Code } from "../../bindings/contract/host.ts";
import { utf8Bytes } from "../bytes/text.ts";
import type { ProtocolFault } from "../errors.ts";
import { streamHead } from "../http/multipart.ts";
import { type HttpInput, HttpParser } from "../http/request-parser.ts";
import { CONTINUE, formatHttpResponse, type HttpHeaders } from "../http/response.ts";
import { faultBody } from "./api/api-fault.ts";
import { ClientConnection, type ConnectionEnds } from "./client-connection.ts";
import type { ServerContext } from "./context.ts";
import { COMMON_HEADERS, type HttpCarrier, HttpExchange } from "./http-exchange.ts";
import { MjpegViewer } from "./mjpeg-viewer.ts";
import type { Picture } from "./picture.ts";
import type { StreamProfile } from "./profiles.ts";

/** Largest request body that any route takes. */
export const HTTP_BODY_MAX_BYTES = 256 * 1024;
/** What a 503 of the connection's own tells the client to wait, in seconds. */
const RETRY_AFTER_S = 5;
/** A picture leaves in pieces of this size, so that several fit the control lane. */
const BLOB_PIECE_BYTES = 64 * 1024;

/** What is on its way out as the control lane has room: bytes at once, a picture piece by piece. */
type Outgoing =
  | { readonly bytes: Int8Array; readonly done: () => void }
  | { readonly picture: Picture; readonly length: number; offset: number; readonly done: () => void };

export class HttpConnection extends ClientConnection<HttpInput> implements HttpCarrier {
  override readonly protocol = "http";
  readonly #parser = new HttpParser({ bodyMaxBytes: HTTP_BODY_MAX_BYTES });
  readonly #answer: (exchange: HttpExchange) => void;
  /** One answer at most, and the `100 Continue` before it. */
  readonly #outgoing: Outgoing[] = [];
  #waitingExchange: HttpExchange | undefined;
  #stream: MjpegViewer | undefined;
  #endless: { readonly exchange: HttpExchange; readonly onEnded: () => void } | undefined;

  constructor(
    context: ServerContext,
    handle: number,
    ends: ConnectionEnds,
    answer: (exchange: HttpExchange) => void,
    onClosed: () => void,
  ) {
    super(context, handle, ends, onClosed);
    this.#answer = answer;
  }

  /** The profile that this connection streams, if any. */
  get streams(): StreamProfile | undefined {
    return this.#stream?.profile;
  }

  /** The request that an answer without end belongs to, or one that somebody logged in for and that waits for its answer. */
  get served(): HttpExchange | undefined {
    const waiting = this.#waitingExchange;
    if (waiting !== undefined && !waiting.answered && waiting.user !== undefined) return waiting;
    return this.#stream?.exchange ?? this.#endless?.exchange;
  }

  /** True for an answer without end: what the peer says meanwhile is dropped, and its FIN is its leaving. */
  override get isEndless(): boolean {
    return this.#stream !== undefined || this.#endless !== undefined;
  }

  protected override get isSending(): boolean {
    return this.#outgoing.length > 0;
  }

  protected override parse(text: string): readonly HttpInput[] {
    return this.#parser.feed(text);
  }

  protected override get pendingBytes(): number {
    return this.isEndless ? 0 : this.#parser.pendingBytes;
  }

  protected override refuse(fault: ProtocolFault): void {
    this.#answerFault(fault);
  }

  protected override onReceived(text: string): void {
    // Whoever watches a stream has nothing more to say; what comes is dropped.
    if (!this.isEndless) super.onReceived(text);
  }

  protected override onWritable(): void {
    this.#flush();
  }

  protected override onPeerEnded(): void {
    if (this.isEndless) this.close(false, "the viewer has gone");
    else super.onPeerEnded();
  }

  protected override handleInput(input: HttpInput): void {
    if (input.kind === "continue") this.send(utf8Bytes(CONTINUE), () => this.pump());
    else if (input.kind === "fault") this.#answerFault(input.fault);
    else {
      const exchange = new HttpExchange(this, input.request);
      this.#waitingExchange = exchange;
      this.begin(exchange, () => this.#answer(exchange));
    }
  }

  send(bytes: Int8Array, done: () => void = () => {}): void {
    if (this.isClosed) return;
    this.#outgoing.push({ bytes, done });
    this.#flush();
  }

  sendPicture(picture: Picture, length: number, done: () => void): void {
    if (this.isClosed) {
      picture.release();
      return;
    }
    this.#outgoing.push({ picture, length, offset: 0, done });
    this.#flush();
  }

  sendOrClose(bytes: Int8Array): void {
    if (this.isClosed) return;
    if (this.context.runtime.host.tcpWrite(this.handle, bytes) === Code.FULL) this.close(false, "takes no answers");
  }

  stream(exchange: HttpExchange, profile: StreamProfile, headers: HttpHeaders): void {
    this.log("info", `stream path=${exchange.request.path} peer=${this.peer.address}`);
    this.sendOrClose(streamHead({ headers, head: exchange.isHead }));
    if (exchange.isHead || this.isClosed) {
      profile.encoder.release();
      this.finishExchange(exchange, false, 200);
      return;
    }
    const viewer = new MjpegViewer(this, profile, exchange);
    if (!viewer.open()) {
      this.close(false, "no outlet");
      return;
    }
    this.#stream = viewer;
    this.#beginEndless();
  }

  sendEndlessly(exchange: HttpExchange, onEnded: () => void): void {
    if (exchange.isHead || this.isClosed) {
      onEnded();
      this.finishExchange(exchange, false, 200);
      return;
    }
    this.#endless = { exchange, onEnded };
    this.#beginEndless();
  }

  /** Nothing more is served here, but the peer's leaving must be heard. */
  #beginEndless(): void {
    this.#waitingExchange = undefined;
    this.dropWaiting();
    // FIN before the stream means what it means in it.
    if (this.hasPeerEnded) this.close(false, "the viewer has gone");
    else this.resumeReading();
  }

  finishExchange(exchange: HttpExchange, keepAlive: boolean, status: number): void {
    this.log(status >= 500 ? "info" : "debug", `${exchange.request.method} ${exchange.request.path} ${status}`);
    if (this.#waitingExchange === exchange) this.#waitingExchange = undefined;
    this.settle(exchange);
    if (!keepAlive) this.close(true, "answered");
    else this.pump();
  }

  protected override release(why: string): void {
    this.#stream?.close(why);
    this.#stream = undefined;
    this.#endless?.onEnded();
    this.#endless = undefined;
    for (const item of this.#outgoing) if ("picture" in item) item.picture.release();
    this.#outgoing.length = 0;
  }

  protected override checkServed(): boolean {
    if (this.#stream?.stalled === true) {
      this.#stream.tellStalled();
      this.close(false, "the viewer takes no data");
    }
    return this.isEndless;
  }

  /** What the parser could not make a request of. Its framing is lost, so the connection closes. */
  #answerFault(fault: ProtocolFault): void {
    this.noteFault(fault);
    const headers: HttpHeaders = [
      ["Server", this.context.serverName],
      ...COMMON_HEADERS,
      ["Content-Type", "application/json"],
      ...(fault.status === 503 ? ([["Retry-After", String(RETRY_AFTER_S)]] as const) : []),
    ];
    this.send(formatHttpResponse({ status: fault.status, headers, keepAlive: false, body: faultBody(fault) }), () =>
      this.close(true, fault.code),
    );
  }

  /** Sends until the lane is full; then `writable` brings us back. */
  #flush(): void {
    const { host } = this.context.runtime;
    for (let item = this.#outgoing[0]; item !== undefined && !this.isClosed; item = this.#outgoing[0]) {
      const result = "picture" in item ? this.#sendPieces(item) : host.tcpWrite(this.handle, item.bytes);
      if (result === Code.FULL) return;
      if (result < 0) return this.close(false, "the answer could not be sent");
      this.#outgoing.shift();
      if ("picture" in item) item.picture.release();
      item.done();
    }
  }

  #sendPieces(item: Extract<Outgoing, { picture: Picture }>): number {
    while (item.offset < item.length) {
      const length = Math.min(BLOB_PIECE_BYTES, item.length - item.offset);
      const result = this.context.runtime.host.tcpWriteBlob(this.handle, item.picture.blob, item.offset, length);
      if (result < 0) return result;
      item.offset += length;
    }
    return Code.OK;
  }
}
