/**
 * What RTSP and HTTP connections of clients have in common: requests that wait for their turn, and how long a connection may
 * live without a login, without a word, or with half a request. Row 3.
 *
 *     received ─▶ parser ─▶ waiting, bounded: past it the connection is not read ─▶ one at a time ─▶ its answer ─▶ the next
 *
 * What a request is, and how an answer leaves, is the protocol's: rtsp-connection.ts, http-connection.ts.
 */
import type { Endpoint, HostEvent } from "../../bindings/contract/events.ts";
import { ProtocolFault } from "../errors.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, seconds } from "../time/units.ts";
import type { ServerContext } from "./context.ts";
import type { Exchange, ExchangeCarrier } from "./exchange.ts";
import type { InputHolder } from "./input-memory.ts";
import { peerGroup } from "./peer-group.ts";
import { reasonOf } from "./refusals.ts";
import type { HandleOwner, LogLevel } from "./runtime.ts";

/** Requests that may wait behind one that is being answered; past it the connection is not read. */
export const PIPELINED_REQUESTS_MAX = 16;
/** Bytes of such requests, likewise. A connection holds these, one request that is incomplete, and what one turn brings. */
export const PIPELINED_BYTES_MAX = 64 * 1024;
/** How often a connection's age is looked at. */
const LIFE_CHECK_US: Micros = seconds(1);

export type ConnectionEnds = {
  readonly local: Endpoint;
  readonly peer: Endpoint;
  /** Nobody on the way can read what goes over it. */
  readonly isTls: boolean;
};

export abstract class ClientConnection<Input extends { readonly kind: string }>
  implements HandleOwner, ExchangeCarrier, InputHolder
{
  abstract readonly protocol: "rtsp" | "http";
  readonly handle: number;
  readonly local: Endpoint;
  readonly peer: Endpoint;
  readonly isTls: boolean;
  readonly peerGroup: string;
  readonly context: ServerContext;
  readonly #onClosed: () => void;
  /** Inputs with what each takes, in bytes. */
  readonly #waiting: { readonly input: Input; readonly bytes: number }[] = [];
  #waitingBytes = 0;
  /** The first that waits has its turn when this timer runs out. */
  #paceTimer: Timer | undefined;
  #isItsTurn = false;
  #current: Exchange | undefined;
  #pumping = false;
  #paused = false;
  #peerEnded = false;
  #closed = false;
  #loggedIn = false;
  readonly #openedUs: Micros;
  #lastHeardUs: Micros;
  /** When the request began that is incomplete; undefined between requests. */
  #begunUs: Micros | undefined;
  #lifeTimer: Timer;

  constructor(context: ServerContext, handle: number, ends: ConnectionEnds, onClosed: () => void) {
    this.context = context;
    this.handle = handle;
    this.local = ends.local;
    this.peer = ends.peer;
    this.isTls = ends.isTls;
    this.peerGroup = peerGroup(ends.peer.address);
    this.#onClosed = onClosed;
    this.#openedUs = context.runtime.nowUs;
    this.#lastHeardUs = context.runtime.nowUs;
    this.#lifeTimer = context.runtime.around(LIFE_CHECK_US, () => this.#checkLife());
    context.runtime.own(handle, this);
  }

  noteLogin(): void {
    this.#loggedIn = true;
  }

  get isLoggedIn(): boolean {
    return this.#loggedIn;
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
  /** Bytes of an input that has begun but isn't complete. */
  protected abstract get pendingBytes(): number;
  /** Answers with a fault that belongs to no request, and closes. */
  protected abstract refuse(fault: ProtocolFault): void;
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

  /** Handles what needs no turn. @returns true when that was it. */
  protected handleAtOnce(_input: Input): boolean {
    return false;
  }

  protected onWritable(): void {}

  protected onOwnEvent(_event: HostEvent): void {}

  protected onPeerEnded(): void {
    this.pump();
  }

  protected onReceived(text: string): void {
    const { nowUs, host } = this.context.runtime;
    this.#lastHeardUs = nowUs;
    const pendingBefore = this.pendingBytes;
    const inputs = this.parse(text);
    const waiting = inputs.filter((input) => !this.handleAtOnce(input));
    if (this.#closed) return;
    if (this.pendingBytes === 0) this.#begunUs = undefined;
    else if (inputs.length > 0) this.#begunUs = nowUs;
    else this.#begunUs ??= nowUs;
    const bytes = (pendingBefore + text.length - this.pendingBytes) / Math.max(1, waiting.length);
    for (const input of waiting) this.#waiting.push({ input, bytes });
    this.#waitingBytes += waiting.length * bytes;
    const isMuch = this.#waiting.length > PIPELINED_REQUESTS_MAX || this.#waitingBytes > PIPELINED_BYTES_MAX;
    if (isMuch && !this.#paused) {
      this.#paused = true;
      host.tcpPause(this.handle);
    }
    this.pump();
    this.#noteInput();
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
    this.#forgetWaiting();
    this.#noteInput();
  }

  /** Counts a fault of the peer's, and tells the log as far as there aren't too many. */
  protected noteFault(fault: ProtocolFault): void {
    const { runtime } = this.context;
    if (runtime.refusals.note(reasonOf(fault.code), runtime.nowUs)) {
      this.log("info", `refused peer=${this.peer.address} code=${fault.code}: ${fault.message}`);
    }
  }

  /** Answers what waits, as far as that goes now. */
  protected pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (!this.#isBusy && !this.isEndless && !this.#closed) {
      const next = this.#waiting[0];
      if (next === undefined || this.#mustWait(next.input)) break;
      this.#waiting.shift();
      this.#waitingBytes -= next.bytes;
      this.handleInput(next.input);
    }
    this.#pumping = false;
    if (this.#closed) return;
    if (this.#waiting.length <= PIPELINED_REQUESTS_MAX / 2 && this.#waitingBytes <= PIPELINED_BYTES_MAX / 2) {
      this.resumeReading();
    }
    this.#noteInput();
    if (this.#peerEnded && !this.#isBusy) this.close(true, "the peer has ended");
  }

  protected resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    // While nobody read, the peer could not go on.
    if (this.#begunUs !== undefined) this.#begunUs = this.context.runtime.nowUs;
    this.context.runtime.host.tcpResume(this.handle);
  }

  onInputMemoryFull(): void {
    this.#endFor(new ProtocolFault("input-full", 503, "too many requests wait to be answered", FATAL));
  }

  /** True when the peer asks faster than it may. */
  #mustWait(input: Input): boolean {
    if (input.kind !== "request") return false;
    if (this.#isItsTurn) {
      this.#isItsTurn = false;
      return false;
    }
    const { runtime, requestPace } = this.context;
    const waitUs = requestPace.take(this.peerGroup, runtime.nowUs);
    if (waitUs <= 0) return false;
    this.#paceTimer = runtime.after(waitUs, () => {
      this.#paceTimer = undefined;
      this.#isItsTurn = true;
      this.pump();
    });
    return true;
  }

  #forgetWaiting(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#paceTimer?.cancel();
    this.#paceTimer = undefined;
  }

  #noteInput(): void {
    if (!this.#closed) this.context.inputMemory.note(this, this.pendingBytes + Math.round(this.#waitingBytes));
  }

  /** Ends it because of a limit; told to the peer where its turn to be answered is now. */
  #endFor(fault: ProtocolFault): void {
    if (!this.#isBusy && !this.isEndless) return this.refuse(fault);
    this.noteFault(fault);
    this.close(false, fault.code);
  }

  /** HTTP connections come and go with every picture, and a port scan shall not fill the log. */
  get #endLevel(): LogLevel {
    return this.protocol === "rtsp" && this.#loggedIn ? "info" : "debug";
  }

  get #isBusy(): boolean {
    return this.#current !== undefined || this.isSending || this.#paceTimer !== undefined;
  }

  #finish(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lifeTimer.cancel();
    this.context.runtime.disown(this.handle);
    this.#current?.abandon();
    this.#current = undefined;
    this.#forgetWaiting();
    this.context.inputMemory.note(this, 0);
    this.release(why);
    this.#onClosed();
  }

  #checkLife(): void {
    const { runtime, config } = this.context;
    const { limits } = config;
    const { nowUs, refusals } = runtime;
    this.#lifeTimer = runtime.around(LIFE_CHECK_US, () => this.#checkLife());
    if (!this.#paused && this.#begunUs !== undefined && nowUs - this.#begunUs > seconds(limits.requestSeconds)) {
      const message = `a request was not complete within ${limits.requestSeconds} s`;
      return this.#endFor(new ProtocolFault("request-timeout", 408, message, FATAL));
    }
    if (this.checkServed() || this.#closed) return;
    // Counted from the beginning, whatever is asked meanwhile: neither a byte nor a wrong login now and then must keep a
    // stranger's connection.
    if (!this.#loggedIn && nowUs - this.#openedUs > seconds(limits.unauthenticatedSeconds)) {
      refusals.note("no-login", nowUs);
      return this.close(true, "no login in time");
    }
    if (this.#current !== undefined && !this.isSending) return;
    if (nowUs - this.#lastHeardUs > seconds(limits.idleSeconds)) {
      refusals.note("idle", nowUs);
      this.close(!this.isSending, "idle");
    }
  }
}

const FATAL = { fatal: true } as const;
