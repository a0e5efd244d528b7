/**
 * One RTSP control connection: requests in, responses out, in order (RFC 2326). Row 3.
 *
 * A request is answered before the next is looked at, even when the answer takes a while (DESCRIBE waits for the encoder,
 * PLAY for a key frame, a failed login for its delay). Interleaved RTCP is handled as it comes.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import { Code } from "../../bindings/contract/host.ts";
import type { ProtocolFault } from "../errors.ts";
import { type RtspInput, RtspParser, type RtspRequest } from "../rtsp/request-parser.ts";
import { formatResponse } from "../rtsp/response.ts";
import { ClientConnection, type ConnectionEnds } from "./client-connection.ts";
import type { ServerContext } from "./context.ts";
import { Exchange } from "./exchange.ts";
import { type InterleavedCarrier, OUTLET_AGE_MS, type RtspSession } from "./rtsp-session.ts";

/** What a 453 or 503 tells the client to wait, in seconds. */
export const RETRY_AFTER_S = 5;

/** One request with its one answer. */
export class RtspExchange extends Exchange {
  readonly request: RtspRequest;
  override readonly connection: RtspConnection;

  constructor(connection: RtspConnection, request: RtspRequest) {
    super();
    this.connection = connection;
    this.request = request;
  }

  /** Sends the answer. Nothing happens when the connection is gone or the answer was given. */
  reply(status: number, headers: readonly (readonly [string, string])[] = [], body?: string): void {
    if (!this.take()) return;
    this.connection.sendReply(this, status, headers, body);
  }

  override replyFault(fault: ProtocolFault): void {
    this.connection.log("info", `${this.request.method} refused code=${fault.code}: ${fault.message}`);
    const isTransient = fault.status === 453 || fault.status === 503;
    this.reply(fault.status, isTransient ? [["Retry-After", String(RETRY_AFTER_S)]] : []);
    if (fault.fatal) this.connection.close(true, fault.code);
  }
}

export class RtspConnection extends ClientConnection<RtspInput> implements InterleavedCarrier {
  override readonly protocol = "rtsp";
  /** Sessions that this connection set up and that still live. */
  readonly sessions = new Set<RtspSession>();
  readonly #parser = new RtspParser();
  readonly #answer: (exchange: RtspExchange) => void;
  #outlet = 0;
  #outletUsers = 0;

  constructor(
    context: ServerContext,
    handle: number,
    ends: ConnectionEnds,
    answer: (exchange: RtspExchange) => void,
    onClosed: () => void,
  ) {
    super(context, handle, ends, onClosed);
    this.#answer = answer;
  }

  /** Whether a session of this connection uses an interleaved channel. */
  usesChannel(channel: number): boolean {
    for (const session of this.sessions) {
      const { transport } = session;
      if (transport.kind === "tcp" && transport.carrier === this && transport.channels.includes(channel)) return true;
    }
    return false;
  }

  protected override parse(text: string): readonly RtspInput[] {
    return this.#parser.feed(text);
  }

  protected override get pendingBytes(): number {
    return this.#parser.pendingBytes;
  }

  /** Interleaved frames are handled as they come; requests wait for their turn. */
  protected override handleAtOnce(input: RtspInput): boolean {
    if (input.kind === "interleaved") this.#onInterleaved(input.channel, input.data);
    return input.kind === "interleaved" || input.kind === "response";
  }

  protected override refuse(fault: ProtocolFault): void {
    this.#answerFault(fault, undefined);
  }

  /** Of its outlet, which interleaved sessions share. */
  protected override onOwnEvent(event: HostEvent): void {
    if (event.type === "skipped") for (const session of this.sessions) session.onEvent(event);
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
    this.settle(exchange);
    this.pump();
  }

  sendControl(bytes: Int8Array): void {
    if (this.isClosed) return;
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

  protected override release(why: string): void {
    for (const session of [...this.sessions]) {
      // A UDP session outlives its control connection (RFC 2326 section 1.5), until its time-out or a refused packet.
      if (session.transport.kind === "tcp") session.end(why, false);
    }
  }

  protected override checkServed(): boolean {
    return this.sessions.size > 0;
  }

  protected override handleInput(input: RtspInput): void {
    if (input.kind === "fault") this.#answerFault(input.fault, input.cseq);
    else if (input.kind === "request") {
      const exchange = new RtspExchange(this, input.request);
      this.begin(exchange, () => this.#answer(exchange));
    }
  }

  /** What the parser could not make a request of. */
  #answerFault(fault: ProtocolFault, cseq: string | undefined): void {
    this.noteFault(fault);
    const retry = fault.status === 503 ? ([["Retry-After", String(RETRY_AFTER_S)]] as const) : [];
    this.#respond(fault.status, cseq, retry, undefined);
    if (fault.fatal) this.close(true, fault.code);
  }

  #respond(
    status: number,
    cseq: string | undefined,
    headers: readonly (readonly [string, string])[],
    body: string | undefined,
  ): void {
    if (this.isClosed) return;
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
}
