/**
 * One HTTP/1.1 connection: requests in, responses out, in order; or an MJPEG stream without end (RFC 9112). Row 3.
 */
import type { Endpoint, HostEvent } from "../../bindings/contract/events.ts";
import { Code, type OutletStats } from "../../bindings/contract/host.ts";
import type { Role } from "../auth/users.ts";
import { utf8Bytes } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import { streamHead } from "../http/multipart.ts";
import { type HttpInput, HttpParser, type HttpRequest } from "../http/request-parser.ts";
import { CONTINUE, formatHead, formatHttpResponse, type HttpHeaders } from "../http/response.ts";
import type { Timer } from "../time/timer-queue.ts";
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";
import { ApiFault, faultBody } from "./api/api-fault.ts";
import type { ServerContext } from "./context.ts";
import type { Way } from "./metrics.ts";
import type { Picture } from "./picture.ts";
import type { StreamProfile } from "./profiles.ts";
import type { HandleOwner } from "./runtime.ts";
import { StallWatch } from "./stall-watch.ts";
import type { Viewer, ViewerFigures } from "./viewers.ts";

/** Largest request body that any route takes. */
export const HTTP_BODY_MAX_BYTES = 256 * 1024;
/** Requests that may wait behind one that is being answered; past it the connection is not read. */
export const PIPELINED_REQUESTS_MAX = 16;
/** A picture leaves in pieces of this size, so that several fit the control lane. */
const BLOB_PIECE_BYTES = 64 * 1024;
/** An MJPEG outlet keeps the newest picture only; these bound what one may be and how old. */
const STREAM_MAX_BYTES = 16 * 1024 * 1024;
const STREAM_AGE_MS = 2000;

/** Sent with every response: nothing of ours is to be guessed at, framed elsewhere or kept. */
export const COMMON_HEADERS: HttpHeaders = [["X-Content-Type-Options", "nosniff"]];

const TOKEN_HEADERS: HttpHeaders = [["Referrer-Policy", "no-referrer"]];

/** One request with its one answer. */
export class HttpExchange {
  readonly request: HttpRequest;
  readonly connection: HttpConnection;
  /** Who has logged in with this request. */
  user: string | undefined;
  /** The stream token in place of a login, by its id; it is its user's. */
  token: string | undefined;
  /** What that login may do; everybody may everything when logins are switched off. */
  role: Role | undefined;
  #cancel: (() => void) | undefined;
  #answered = false;

  constructor(connection: HttpConnection, request: HttpRequest) {
    this.connection = connection;
    this.request = request;
  }

  get answered(): boolean {
    return this.#answered;
  }

  get isHead(): boolean {
    return this.request.method === "HEAD";
  }

  /** What to undo when the connection goes away before the answer. */
  onAbandoned(cancel: () => void): void {
    this.#cancel = cancel;
  }

  /** Sends the whole answer. Nothing happens when the connection is gone or an answer was given. */
  reply(status: number, headers: HttpHeaders = [], body: string | Int8Array = ""): void {
    if (!this.#take()) return;
    const { keepAlive } = this.request;
    this.connection.send(
      formatHttpResponse({ status, headers: this.#all(headers), keepAlive, body, head: this.isHead }),
      () => this.connection.finishExchange(this, keepAlive, status),
    );
  }

  /** Answers with a fault of the peer's, as JSON whatever was asked for. */
  replyFault(fault: ProtocolFault): void {
    this.replyJson(fault.status, faultBody(fault), fault instanceof ApiFault ? fault.headers : []);
  }

  replyJson(status: number, json: string, headers: HttpHeaders = []): void {
    this.reply(status, [["Content-Type", "application/json"], ["Cache-Control", "no-store"], ...headers], json);
  }

  /** Answers with a picture, and releases it. */
  replyPicture(picture: Picture, more: HttpHeaders = []): void {
    if (!this.#take()) {
      picture.release();
      return;
    }
    const { keepAlive } = this.request;
    const headers: HttpHeaders = [
      ["Content-Type", "image/jpeg"],
      ["Content-Length", String(picture.length)],
      ["Cache-Control", "no-store"],
      ["X-Timestamp-Us", String(picture.timeUs)],
      ["X-Width", String(picture.width)],
      ["X-Height", String(picture.height)],
      ...more,
    ];
    this.connection.send(formatHead({ status: 200, headers: this.#all(headers), keepAlive }));
    this.connection.sendPicture(picture, this.isHead ? 0 : picture.length, () =>
      this.connection.finishExchange(this, keepAlive, 200),
    );
  }

  /** Turns the connection into an endless MJPEG stream; the caller has acquired the encoder for it. */
  replyStream(profile: StreamProfile): void {
    if (!this.#take()) {
      profile.encoder.release();
      return;
    }
    this.connection.stream(this, profile, this.#all([]));
  }

  /**
   * Begins an answer without end, of text that is sent as it comes; the connection serves nothing else from here.
   * @param onEnded told once when the connection has ended. At once for HEAD.
   * @returns what sends a piece. A reader that does not keep up (its control lane is full) is dropped.
   */
  replyEndless(headers: HttpHeaders, onEnded: () => void): (text: string) => void {
    if (!this.#take()) {
      onEnded();
      return () => {};
    }
    this.connection.sendOrClose(formatHead({ status: 200, headers: this.#all(headers), keepAlive: false }));
    this.connection.sendEndlessly(this, onEnded);
    return (text) => this.connection.sendOrClose(utf8Bytes(text));
  }

  /** The connection is gone: undoes what was begun for the answer. */
  abandon(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#cancel?.();
  }

  /** Runs a step of the answer; what it throws as the peer's fault becomes the answer. */
  attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolFault)) {
        this.connection.onBug();
        throw error;
      }
      this.replyFault(error);
    }
  }

  #take(): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.#cancel = undefined;
    return true;
  }

  #all(headers: HttpHeaders): HttpHeaders {
    // A token stands in the URL, which browsers would tell the next site.
    const ofToken = this.request.query.has("token") ? TOKEN_HEADERS : [];
    return [["Server", this.connection.context.serverName], ...COMMON_HEADERS, ...ofToken, ...headers];
  }
}

/** What is on its way out as the control lane has room: bytes at once, a picture piece by piece. */
type Outgoing =
  | { readonly bytes: Int8Array; readonly done: () => void }
  | { readonly picture: Picture; readonly length: number; offset: number; readonly done: () => void };

export class HttpConnection implements HandleOwner {
  readonly handle: number;
  readonly peer: Endpoint;
  readonly local: Endpoint;
  readonly context: ServerContext;
  readonly #parser = new HttpParser({ bodyMaxBytes: HTTP_BODY_MAX_BYTES });
  readonly #waiting: HttpInput[] = [];
  readonly #answer: (exchange: HttpExchange) => void;
  readonly #onClosed: () => void;
  #current: HttpExchange | undefined;
  /** One answer at most, and the `100 Continue` before it. */
  readonly #outgoing: Outgoing[] = [];
  #stream: MjpegViewer | undefined;
  #endless: { readonly exchange: HttpExchange; readonly onEnded: () => void } | undefined;
  #pumping = false;
  #paused = false;
  #peerEnded = false;
  #closed = false;
  #loggedIn = false;
  readonly #openedUs: Micros;
  #lastHeardUs: Micros;
  #lifeTimer: Timer;

  constructor(
    context: ServerContext,
    handle: number,
    ends: { readonly local: Endpoint; readonly peer: Endpoint },
    answer: (exchange: HttpExchange) => void,
    onClosed: () => void,
  ) {
    this.#answer = answer;
    this.context = context;
    this.handle = handle;
    this.local = ends.local;
    this.peer = ends.peer;
    this.#onClosed = onClosed;
    this.#openedUs = context.runtime.nowUs;
    this.#lastHeardUs = context.runtime.nowUs;
    this.#lifeTimer = context.runtime.after(seconds(1), () => this.#checkLife());
    context.runtime.own(handle, this);
  }

  noteLogin(): void {
    this.#loggedIn = true;
  }

  log(level: "debug" | "info" | "warn" | "error", text: string): void {
    this.context.runtime.log(level, `conn=${this.handle} http ${text}`);
  }

  /** The profile that this connection streams, if any. */
  get streams(): StreamProfile | undefined {
    return this.#stream?.profile;
  }

  /** The request that an answer without end belongs to, or one that somebody logged in for and that waits for its answer. */
  get served(): HttpExchange | undefined {
    const waiting = this.#current;
    if (waiting !== undefined && !waiting.answered && waiting.user !== undefined) return waiting;
    return this.#stream?.exchange ?? this.#endless?.exchange;
  }

  /** True for an answer without end: what the peer says meanwhile is dropped, and its FIN is its leaving. */
  get isEndless(): boolean {
    return this.#stream !== undefined || this.#endless !== undefined;
  }

  onEvent(event: HostEvent): void {
    switch (event.type) {
      case "received":
        // Whoever watches a stream has nothing more to say; what comes is dropped.
        if (this.isEndless) break;
        this.#lastHeardUs = this.context.runtime.nowUs;
        for (const input of this.#parser.feed(event.data)) this.#take(input);
        this.#pump();
        break;
      case "writable":
        // Taking what it asked for is a sign of life too.
        this.#lastHeardUs = this.context.runtime.nowUs;
        this.#flush();
        break;
      case "ended":
        this.#peerEnded = true;
        if (this.isEndless) this.close(false, "the viewer has gone");
        else this.#pump();
        break;
      case "closed":
        this.log("debug", `closed by the peer reason=${event.reason}`);
        this.#finish(`the viewer has gone: ${event.reason}`);
        break;
      default:
        break;
    }
  }

  /**
   * Sends as soon as the control lane has room, in the order of the calls.
   * @param done called once the host has taken the bytes; never when the connection ends before.
   */
  send(bytes: Int8Array, done: () => void = () => {}): void {
    if (this.#closed) return;
    this.#outgoing.push({ bytes, done });
    this.#flush();
  }

  /** Sends the first `length` bytes of a picture as {@link send} does, and releases it whatever happens. */
  sendPicture(picture: Picture, length: number, done: () => void): void {
    if (this.#closed) {
      picture.release();
      return;
    }
    this.#outgoing.push({ picture, length, offset: 0, done });
    this.#flush();
  }

  /** Sends at once, or drops a peer that doesn't keep up: for answers without end, which nothing may pile up behind. */
  sendOrClose(bytes: Int8Array): void {
    if (this.#closed) return;
    if (this.context.runtime.host.tcpWrite(this.handle, bytes) === Code.FULL) this.close(false, "takes no answers");
  }

  stream(exchange: HttpExchange, profile: StreamProfile, headers: HttpHeaders): void {
    this.log("info", `stream path=${exchange.request.path} peer=${this.peer.address}`);
    this.sendOrClose(streamHead({ headers, head: exchange.isHead }));
    if (exchange.isHead || this.#closed) {
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
    if (exchange.isHead || this.#closed) {
      onEnded();
      this.finishExchange(exchange, false, 200);
      return;
    }
    this.#endless = { exchange, onEnded };
    this.#beginEndless();
  }

  /** Nothing more is served here, but the peer's leaving must be heard. */
  #beginEndless(): void {
    this.#current = undefined;
    this.#waiting.length = 0;
    // FIN before the stream means what it means in it.
    if (this.#peerEnded) this.close(false, "the viewer has gone");
    else this.#resume();
  }

  finishExchange(exchange: HttpExchange, keepAlive: boolean, status: number): void {
    this.log(status >= 500 ? "info" : "debug", `${exchange.request.method} ${exchange.request.path} ${status}`);
    if (this.#current === exchange) this.#current = undefined;
    if (!keepAlive) this.close(true, "answered");
    else this.#pump();
  }

  onBug(): void {
    this.close(true, "a bug of ours");
  }

  /** @param afterFlush true lets answers already given leave first. */
  close(afterFlush: boolean, why: string): void {
    if (this.#closed) return;
    this.log("debug", `closing reason=${why}`);
    this.context.runtime.host.tcpClose(this.handle, afterFlush);
    this.#finish(why);
  }

  #finish(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lifeTimer.cancel();
    this.context.runtime.disown(this.handle);
    this.#stream?.close(why);
    this.#stream = undefined;
    this.#endless?.onEnded();
    this.#endless = undefined;
    for (const item of this.#outgoing) if ("picture" in item) item.picture.release();
    this.#outgoing.length = 0;
    this.#current?.abandon();
    this.#current = undefined;
    this.#waiting.length = 0;
    this.#onClosed();
  }

  #take(input: HttpInput): void {
    this.#waiting.push(input);
    if (this.#waiting.length > PIPELINED_REQUESTS_MAX && !this.#paused) {
      this.#paused = true;
      this.context.runtime.host.tcpPause(this.handle);
    }
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#current === undefined && this.#outgoing.length === 0 && !this.isEndless && !this.#closed) {
      const input = this.#waiting.shift();
      if (input === undefined) break;
      if (input.kind === "continue") this.send(utf8Bytes(CONTINUE), () => this.#pump());
      else if (input.kind === "fault") this.#answerFault(input.fault);
      else {
        const exchange = new HttpExchange(this, input.request);
        this.#current = exchange;
        exchange.attempt(() => this.#answer(exchange));
      }
    }
    this.#pumping = false;
    if (this.#closed) return;
    if (this.#waiting.length <= PIPELINED_REQUESTS_MAX / 2) this.#resume();
    const answered = this.#current === undefined && this.#outgoing.length === 0;
    if (this.#peerEnded && answered) this.close(true, "the peer has ended");
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.context.runtime.host.tcpResume(this.handle);
  }

  /** What the parser could not make a request of. Its framing is lost, so the connection closes. */
  #answerFault(fault: ProtocolFault): void {
    this.log("info", `refused code=${fault.code}: ${fault.message}`);
    const headers: HttpHeaders = [
      ["Server", this.context.serverName],
      ...COMMON_HEADERS,
      ["Content-Type", "application/json"],
    ];
    this.send(formatHttpResponse({ status: fault.status, headers, keepAlive: false, body: faultBody(fault) }), () =>
      this.close(true, fault.code),
    );
  }

  /** Sends until the lane is full; then `writable` brings us back. */
  #flush(): void {
    const { host } = this.context.runtime;
    for (let item = this.#outgoing[0]; item !== undefined && !this.#closed; item = this.#outgoing[0]) {
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

  #checkLife(): void {
    const { runtime, config } = this.context;
    this.#lifeTimer = runtime.after(seconds(1), () => this.#checkLife());
    if (this.#stream !== undefined) {
      if (this.#stream.stalled) this.close(false, "the viewer takes no data");
      return;
    }
    const sending = this.#outgoing.length > 0;
    if (this.#endless !== undefined || (this.#current !== undefined && !sending)) return;
    const silentUs = runtime.nowUs - this.#lastHeardUs;
    // Counted from the beginning: a byte now and then must not keep a stranger's connection.
    if (!this.#loggedIn && runtime.nowUs - this.#openedUs > seconds(config.limits.unauthenticatedSeconds)) {
      this.close(true, "no login in time");
    } else if (silentUs > seconds(config.limits.idleSeconds)) this.close(!sending, "idle");
  }
}

/** One viewer of a multipart stream. */
class MjpegViewer implements Viewer, HandleOwner {
  readonly protocol = "http";
  readonly profile: StreamProfile;
  readonly #connection: HttpConnection;
  readonly exchange: HttpExchange;
  readonly #userAgent: string | undefined;
  readonly #path: string;
  readonly #startedUs: Micros;
  readonly #stallWatch = new StallWatch();
  #id = 0;
  #outlet = 0;
  #skipped = 0;

  constructor(connection: HttpConnection, profile: StreamProfile, exchange: HttpExchange) {
    this.#connection = connection;
    this.profile = profile;
    this.exchange = exchange;
    this.#userAgent = exchange.request.headers.get("User-Agent");
    this.#path = exchange.request.path;
    this.#startedUs = connection.context.runtime.nowUs;
  }

  /** False when the host gives no outlet; the encoder is then released. */
  open(): boolean {
    const { runtime, viewers } = this.#connection.context;
    const spec = {
      connection: this.#connection.handle,
      maxBytes: STREAM_MAX_BYTES,
      maxAgeMs: STREAM_AGE_MS,
      overflow: "latest-only",
    };
    const outlet = runtime.host.outletOpen(JSON.stringify(spec));
    if (outlet <= 0) {
      this.profile.encoder.release();
      return false;
    }
    this.#outlet = outlet;
    runtime.own(outlet, this);
    this.profile.mjpeg?.join(outlet);
    this.#id = viewers.add(this);
    runtime.events.emit("client.connected", this.#identity());
    return true;
  }

  endByServer(why: string): void {
    this.#connection.close(true, why);
  }

  close(why: string): void {
    const { runtime, viewers } = this.#connection.context;
    this.profile.mjpeg?.leave(this.#outlet);
    runtime.disown(this.#outlet);
    this.#stats();
    runtime.host.outletClose(this.#outlet);
    runtime.metrics.forgetOutlet(this.#outlet);
    viewers.remove(this.#id);
    const watched = Math.floor((runtime.nowUs - this.#startedUs) / MICROS_PER_SECOND);
    runtime.events.emit("client.left", { ...this.#identity(), reason: why, seconds: watched });
    this.profile.encoder.release();
    this.#connection.log("info", `stream ended path=${this.#path} skipped=${this.#skipped}`);
  }

  onEvent(event: HostEvent): void {
    if (event.type !== "skipped") return;
    this.#skipped += event.frames;
    this.#connection.context.runtime.metrics.noteSkipped(this.#way, event.frames);
  }

  get stalled(): boolean {
    const stats = this.#stats();
    return stats === undefined || this.#stallWatch.stalled(stats, this.#connection.context.runtime.nowUs);
  }

  figures(nowUs: Micros): ViewerFigures {
    const stats = this.#stats();
    return {
      id: this.#id,
      protocol: "http",
      path: this.#path,
      address: this.#connection.peer.address,
      user: this.exchange.user ?? null,
      userAgent: this.#userAgent ?? null,
      transport: "tcp",
      state: "playing",
      sinceUs: this.#startedUs,
      seconds: Math.floor((nowUs - this.#startedUs) / 1_000_000),
      sentBytes: stats?.sentBytes ?? 0,
      sentFrames: stats?.sentUnits ?? 0,
      skippedFrames: this.#skipped,
      loss: null,
      roundTripMs: null,
    };
  }

  #identity() {
    return {
      client: this.#id,
      path: this.#path,
      address: this.#connection.peer.address,
      user: this.exchange.user ?? null,
    };
  }

  get #way(): Way {
    return { path: this.profile.path, protocol: "http", transport: "tcp" };
  }

  #stats(): OutletStats | undefined {
    const { host, metrics } = this.#connection.context.runtime;
    const text = host.outletStats(this.#outlet);
    if (text === "") return undefined;
    const stats = JSON.parse(text) as OutletStats;
    metrics.noteOutlet(this.#outlet, this.#way, stats);
    return stats;
  }
}
