/**
 * One RTSP control connection: requests in, responses out, in order (RFC 2326). Row 3.
 *
 * A request is answered before the next is looked at, even when the answer takes a while (DESCRIBE waits for the encoder,
 * PLAY for a key frame, a failed login for its delay). Interleaved RTCP is handled as it comes.
 */
import type { Endpoint, HostEvent } from "../../bindings/contract/events.ts";
import { Code } from "../../bindings/contract/host.ts";
import { ProtocolFault } from "../errors.ts";
import { type RtspInput, RtspParser, type RtspRequest } from "../rtsp/request-parser.ts";
import { formatResponse } from "../rtsp/response.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, seconds } from "../time/units.ts";
import type { ServerContext } from "./context.ts";
import { type InterleavedCarrier, OUTLET_AGE_MS, type RtspSession } from "./rtsp-session.ts";
import type { HandleOwner } from "./runtime.ts";

/** Requests that may wait behind one that is being answered; past it the connection is not read. */
export const PIPELINED_REQUESTS_MAX = 16;

/** One request with its one answer. */
export class RtspExchange {
  readonly request: RtspRequest;
  readonly connection: RtspConnection;
  /** Who has logged in with this request; undefined without logins or for OPTIONS. */
  user: string | undefined;
  #cancel: (() => void) | undefined;
  #answered = false;

  constructor(connection: RtspConnection, request: RtspRequest) {
    this.connection = connection;
    this.request = request;
  }

  get answered(): boolean {
    return this.#answered;
  }

  /** What to undo when the connection goes away before the answer. */
  onAbandoned(cancel: () => void): void {
    this.#cancel = cancel;
  }

  /** Sends the answer. Nothing happens when the connection is gone or the answer was given. */
  reply(status: number, headers: readonly (readonly [string, string])[] = [], body?: string): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#cancel = undefined;
    this.connection.sendReply(this, status, headers, body);
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
      this.connection.log("info", `${this.request.method} refused code=${error.code}: ${error.message}`);
      this.reply(error.status);
      if (error.fatal) this.connection.close(true, error.code);
    }
  }

  /** The connection is gone: undoes what was begun for the answer. */
  abandon(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#cancel?.();
  }
}

export class RtspConnection implements HandleOwner, InterleavedCarrier {
  readonly handle: number;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  readonly context: ServerContext;
  /** Sessions that this connection set up and that still live. */
  readonly sessions = new Set<RtspSession>();
  readonly #parser = new RtspParser();
  readonly #waiting: RtspInput[] = [];
  readonly #answer: (exchange: RtspExchange) => void;
  readonly #onClosed: () => void;
  #current: RtspExchange | undefined;
  #pumping = false;
  #paused = false;
  #closed = false;
  #peerEnded = false;
  #outlet = 0;
  #outletUsers = 0;
  #loggedIn = false;
  readonly #openedUs: Micros;
  #lastHeardUs: Micros;
  #lifeTimer: Timer;

  constructor(
    context: ServerContext,
    handle: number,
    ends: { readonly local: Endpoint; readonly peer: Endpoint },
    answer: (exchange: RtspExchange) => void,
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

  /** The connection has proved who it is; the limit on unauthenticated time no longer holds. */
  noteLogin(): void {
    this.#loggedIn = true;
  }

  log(level: "debug" | "info" | "warn" | "error", text: string): void {
    this.context.runtime.log(level, `conn=${this.handle} rtsp ${text}`);
  }

  /** Whether a session of this connection uses an interleaved channel. */
  usesChannel(channel: number): boolean {
    for (const session of this.sessions) {
      const { transport } = session;
      if (transport.kind === "tcp" && transport.carrier === this && transport.channels.includes(channel)) return true;
    }
    return false;
  }

  onEvent(event: HostEvent): void {
    switch (event.type) {
      case "received":
        this.#lastHeardUs = this.context.runtime.nowUs;
        for (const input of this.#parser.feed(event.data)) this.#take(input);
        this.#pump();
        break;
      case "ended":
        this.#peerEnded = true;
        this.#pump();
        break;
      case "closed":
        this.log("info", `closed by the peer reason=${event.reason}`);
        this.#finish();
        break;
      case "skipped":
        for (const session of this.sessions) session.onEvent(event);
        break;
      default:
        break;
    }
  }

  /** Sends a response; closes a connection that takes none. */
  sendReply(
    exchange: RtspExchange,
    status: number,
    headers: readonly (readonly [string, string])[],
    body: string | undefined,
  ): void {
    const { request } = exchange;
    this.log(status >= 400 && status !== 401 ? "info" : "debug", `${request.method} ${status}`);
    this.#respond(status, request.headers.get("CSeq"), headers, body);
    if (this.#current === exchange) this.#current = undefined;
    this.#pump();
  }

  sendControl(bytes: Int8Array): void {
    if (this.#closed) return;
    if (this.context.runtime.host.tcpWrite(this.handle, bytes) === Code.FULL) this.close(false, "takes no answers");
  }

  acquireOutlet(maxBytes: number): number {
    if (this.#outlet === 0) {
      const { runtime } = this.context;
      const spec = { connection: this.handle, maxBytes, maxAgeMs: OUTLET_AGE_MS, overflow: "skip-to-key" };
      const outlet = runtime.host.outletOpen(JSON.stringify(spec));
      if (outlet <= 0) return 0;
      this.#outlet = outlet;
      runtime.own(outlet, this);
    }
    this.#outletUsers++;
    return this.#outlet;
  }

  releaseOutlet(): void {
    if (--this.#outletUsers > 0) return;
    this.context.runtime.disown(this.#outlet);
    this.context.runtime.host.outletClose(this.#outlet);
    this.context.runtime.metrics.forgetOutlet(this.#outlet);
    this.#outlet = 0;
  }

  onSessionEnded(afterFlush: boolean): void {
    this.close(afterFlush, "its session ended");
  }

  onBug(): void {
    this.close(true, "a bug of ours");
  }

  /** @param afterFlush true lets replies already given leave first. */
  close(afterFlush: boolean, why: string): void {
    if (this.#closed) return;
    this.log("info", `closing reason=${why}`);
    this.context.runtime.host.tcpClose(this.handle, afterFlush);
    this.#finish();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lifeTimer.cancel();
    this.context.runtime.disown(this.handle);
    this.#current?.abandon();
    this.#current = undefined;
    this.#waiting.length = 0;
    for (const session of [...this.sessions]) {
      // A UDP session outlives its control connection (RFC 2326 section 1.5), until its time-out or a refused packet.
      if (session.transport.kind === "tcp") session.end("its connection is gone", false);
    }
    this.#onClosed();
  }

  #take(input: RtspInput): void {
    if (input.kind === "interleaved") this.#onInterleaved(input.channel, input.data);
    else if (input.kind !== "response") this.#waiting.push(input);
    if (this.#waiting.length > PIPELINED_REQUESTS_MAX && !this.#paused) {
      this.#paused = true;
      this.context.runtime.host.tcpPause(this.handle);
    }
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#current === undefined && !this.#closed) {
      const input = this.#waiting.shift();
      if (input === undefined) break;
      if (input.kind === "request") this.#handle(input.request);
      else if (input.kind === "fault") this.#answerFault(input.fault, input.cseq);
    }
    this.#pumping = false;
    if (this.#closed) return;
    if (this.#paused && this.#waiting.length <= PIPELINED_REQUESTS_MAX / 2) {
      this.#paused = false;
      this.context.runtime.host.tcpResume(this.handle);
    }
    if (this.#peerEnded && this.#current === undefined) this.close(true, "the peer has ended");
  }

  #handle(request: RtspRequest): void {
    const exchange = new RtspExchange(this, request);
    this.#current = exchange;
    exchange.attempt(() => this.#answer(exchange));
  }

  /** What the parser could not make a request of. */
  #answerFault(fault: ProtocolFault, cseq: string | undefined): void {
    this.log("info", `refused code=${fault.code}: ${fault.message}`);
    this.#respond(fault.status, cseq, [], undefined);
    if (fault.fatal) this.close(true, fault.code);
  }

  #respond(
    status: number,
    cseq: string | undefined,
    headers: readonly (readonly [string, string])[],
    body: string | undefined,
  ): void {
    if (this.#closed) return;
    const all: (readonly [string, string])[] = [["Server", this.context.serverName], ...headers];
    this.sendControl(formatResponse({ status, cseq, headers: all, ...(body === undefined ? {} : { body }) }));
  }

  #onInterleaved(channel: number, data: string): void {
    for (const session of this.sessions) {
      const { transport } = session;
      // Some clients put RTCP on the RTP channel; what isn't RTCP is thrown away there.
      if (transport.kind === "tcp" && transport.carrier === this && transport.channels.includes(channel)) {
        session.onRtcp(data);
        return;
      }
    }
  }

  #checkLife(): void {
    const { runtime, config } = this.context;
    this.#lifeTimer = runtime.after(seconds(1), () => this.#checkLife());
    if (this.sessions.size > 0) return;
    const silentUs = runtime.nowUs - this.#lastHeardUs;
    if (this.#current !== undefined) return;
    // Counted from the beginning: a byte now and then must not keep a stranger's connection.
    if (!this.#loggedIn && runtime.nowUs - this.#openedUs > seconds(config.limits.unauthenticatedSeconds)) {
      this.close(true, "no login in time");
    } else if (silentUs > seconds(config.limits.idleSeconds)) this.close(true, "idle");
  }
}
