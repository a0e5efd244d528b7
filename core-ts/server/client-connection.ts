/**
 * What RTSP and HTTP connections of clients have in common: requests that wait for their turn, and how long a connection may
 * live without a login, without a word, or with half a request. Row 3.
 *
 *     received ─▶ parser ─▶ waiting, bounded: past it the connection is not read ─▶ one at a time ─▶ its answer ─▶ the next
 *
 * What a request is, and how an answer leaves, is the protocol's: rtsp-connection.ts, http-connection.ts.
 */
import type { Endpoint, HostEvent } from "../../bindings/contract/events.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, seconds } from "../time/units.ts";
import type { ServerContext } from "./context.ts";
import type { Exchange, ExchangeCarrier } from "./exchange.ts";
import type { HandleOwner, LogLevel } from "./runtime.ts";

/** Requests that may wait behind one that is being answered; past it the connection is not read. */
export const PIPELINED_REQUESTS_MAX = 16;
/** How often a connection's age is looked at. */
const LIFE_CHECK_US: Micros = seconds(1);

export type ConnectionEnds = { readonly local: Endpoint; readonly peer: Endpoint };

export abstract class ClientConnection<Input> implements HandleOwner, ExchangeCarrier {
  abstract readonly protocol: "rtsp" | "http";
  readonly handle: number;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  readonly context: ServerContext;
  readonly #onClosed: () => void;
  readonly #waiting: Input[] = [];
  #current: Exchange | undefined;
  #pumping = false;
  #paused = false;
  #peerEnded = false;
  #closed = false;
  #loggedIn = false;
  readonly #openedUs: Micros;
  #lastHeardUs: Micros;
  #lifeTimer: Timer;

  constructor(context: ServerContext, handle: number, ends: ConnectionEnds, onClosed: () => void) {
    this.context = context;
    this.handle = handle;
    this.local = ends.local;
    this.peer = ends.peer;
    this.#onClosed = onClosed;
    this.#openedUs = context.runtime.nowUs;
    this.#lastHeardUs = context.runtime.nowUs;
    this.#lifeTimer = context.runtime.after(LIFE_CHECK_US, () => this.#checkLife());
    context.runtime.own(handle, this);
  }

  noteLogin(): void {
    this.#loggedIn = true;
  }

  log(level: LogLevel, text: string): void {
    this.context.runtime.log(level, `conn=${this.handle} ${this.protocol} ${text}`);
  }

  onEvent(event: HostEvent): void {
    switch (event.type) {
      case "received":
        this.onReceived(event.data);
        break;
      case "writable":
        // Taking what it asked for is a sign of life too.
        this.#lastHeardUs = this.context.runtime.nowUs;
        this.onWritable();
        break;
      case "ended":
        this.#peerEnded = true;
        this.onPeerEnded();
        break;
      case "closed":
        this.log(this.#endLevel, `closed by the peer reason=${event.reason}`);
        this.#finish(`the viewer has gone: ${event.reason}`);
        break;
      default:
        this.onOwnEvent(event);
        break;
    }
  }

  onBug(): void {
    this.close(true, "a bug of ours");
  }

  /** @param afterFlush true lets answers already given leave first. */
  close(afterFlush: boolean, why: string): void {
    if (this.#closed) return;
    this.log(this.#endLevel, `closing reason=${why}`);
    this.context.runtime.host.tcpClose(this.handle, afterFlush);
    this.#finish(why);
  }

  // ── What a protocol adds ───────────────────────────────────────────────────────────────────────────────────────────

  /** Reads what was received into whole inputs. */
  protected abstract parse(text: string): readonly Input[];
  /** Begins to answer an input. */
  protected abstract handleInput(input: Input): void;
  /** Releases what the connection holds. Called once, when it has ended. */
  protected abstract release(why: string): void;
  /** Looks after what the connection serves. @returns true while it serves something: then its silence means nothing. */
  protected abstract checkServed(): boolean;

  /** True while answers are on their way out: the next request has to wait. */
  protected get isSending(): boolean {
    return false;
  }

  /** True when nothing more is answered here: an answer without end. */
  protected get isEndless(): boolean {
    return false;
  }

  protected onWritable(): void {}

  protected onOwnEvent(_event: HostEvent): void {}

  protected onPeerEnded(): void {
    this.pump();
  }

  protected onReceived(text: string): void {
    this.#lastHeardUs = this.context.runtime.nowUs;
    for (const input of this.parse(text)) this.#waiting.push(input);
    if (this.#waiting.length > PIPELINED_REQUESTS_MAX && !this.#paused) {
      this.#paused = true;
      this.context.runtime.host.tcpPause(this.handle);
    }
    this.pump();
  }

  // ── For the protocols ──────────────────────────────────────────────────────────────────────────────────────────────

  protected get isClosed(): boolean {
    return this.#closed;
  }

  protected get hasPeerEnded(): boolean {
    return this.#peerEnded;
  }

  /** The exchange that is being answered. */
  protected get current(): Exchange | undefined {
    return this.#current;
  }

  protected begin(exchange: Exchange, answer: () => void): void {
    this.#current = exchange;
    exchange.attempt(answer);
  }

  /** The exchange has its answer; the next request may have its turn. */
  protected settle(exchange: Exchange): void {
    if (this.#current === exchange) this.#current = undefined;
  }

  /** Nothing more is answered here. */
  protected dropWaiting(): void {
    this.#current = undefined;
    this.#waiting.length = 0;
  }

  /** Answers what waits, as far as that goes now. */
  protected pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#isBusy && !this.isEndless && !this.#closed) {
      const input = this.#waiting.shift();
      if (input === undefined) break;
      this.handleInput(input);
    }
    this.#pumping = false;
    if (this.#closed) return;
    if (this.#waiting.length <= PIPELINED_REQUESTS_MAX / 2) this.resumeReading();
    if (this.#peerEnded && !this.#isBusy) this.close(true, "the peer has ended");
  }

  protected resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.context.runtime.host.tcpResume(this.handle);
  }

  /** HTTP connections come and go with every picture, and a port scan shall not fill the log. */
  get #endLevel(): LogLevel {
    return this.protocol === "rtsp" && this.#loggedIn ? "info" : "debug";
  }

  get #isBusy(): boolean {
    return this.#current !== undefined || this.isSending;
  }

  #finish(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lifeTimer.cancel();
    this.context.runtime.disown(this.handle);
    this.#current?.abandon();
    this.#current = undefined;
    this.#waiting.length = 0;
    this.release(why);
    this.#onClosed();
  }

  #checkLife(): void {
    const { runtime, config } = this.context;
    this.#lifeTimer = runtime.after(LIFE_CHECK_US, () => this.#checkLife());
    if (this.checkServed() || this.#closed) return;
    if (this.#current !== undefined && !this.isSending) return;
    const silentUs = runtime.nowUs - this.#lastHeardUs;
    // Counted from the beginning: a byte now and then must not keep a stranger's connection.
    if (!this.#loggedIn && runtime.nowUs - this.#openedUs > seconds(config.limits.unauthenticatedSeconds)) {
      this.close(true, "no login in time");
    } else if (silentUs > seconds(config.limits.idleSeconds)) this.close(!this.isSending, "idle");
  }
}
