/**
 * Events sent to other programs by HTTP: each a POST of its own, signed, in order, tried again when it fails. Row 3.
 *
 *     event ──▶ queue (the oldest is dropped past its bound) ──▶ connect, POST, answer ──2xx──▶ next
 *                                                                        └── else: a growing pause, the same again
 *
 * A receiver may get an event twice (its answer was lost) and tells that by the delivery's id. Redirects are not followed: where
 * events go is the operator's word alone. Neither secrets nor the path, which may be one, stand in the log.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import { Code, type ConnectSpec } from "../../bindings/contract/host.ts";
import { hmacSha256Hex } from "../auth/hash.ts";
import { utf8Bytes } from "../bytes/text.ts";
import type { Config } from "../config/config.ts";
import type { EVENT_TYPES } from "../config/event-types.ts";
import { WEBHOOK_URL } from "../config/schema.ts";
import { ResponseParser } from "../http/response-parser.ts";
import type { Timer } from "../time/timer-queue.ts";
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";
import { eventJson, type ServerEvent, type ServerEventType } from "./server-events.ts";

/** Events that wait for one webhook; past it the oldest is dropped. */
export const WEBHOOK_QUEUE_MAX = 256;
/** How often one event is tried. */
export const WEBHOOK_TRIES_MAX = 10;
/** First pause after a failure; it doubles up to the greatest, and a success ends that. */
export const WEBHOOK_PAUSE_FIRST_US: Micros = seconds(1);
export const WEBHOOK_PAUSE_MAX_US: Micros = seconds(300);
/** Longest wait for the connection, in milliseconds. */
export const WEBHOOK_CONNECT_MS = 5_000;
/** Longest a try takes in all. */
export const WEBHOOK_TRY_US: Micros = seconds(15);
/** An answer's body is read and thrown away up to this size. */
export const WEBHOOK_ANSWER_MAX_BYTES = 64 * 1024;

/** Random bytes of a delivery's id. */
const DELIVERY_ID_BYTES = 16;

type WebhookConfig = Config["webhooks"][number];

/** Compiles only while the configuration knows every kind of event, and no other. */
type SameKinds = [ServerEventType] extends [(typeof EVENT_TYPES)[number]]
  ? [(typeof EVENT_TYPES)[number]] extends [ServerEventType]
    ? true
    : never
  : never;
const sameKinds: SameKinds = true;
void sameKinds;

export type WebhookFigures = {
  /** `host:port`, with a number behind it where there are several. */
  readonly hook: string;
  readonly waiting: number;
  readonly delivered: number;
  readonly failedTries: number;
  /** Events that never arrived: given up after too many tries, or dropped from a full queue. */
  readonly lost: number;
  /** `failing`: the last try was not taken, and `lastError` says why; it is null again after a success. */
  readonly state: "ok" | "failing";
  readonly lastError: string | null;
};

export class Webhooks {
  readonly #runtime: Runtime;
  readonly #userAgent: string;
  #hooks = new Map<string, Webhook>();

  constructor(runtime: Runtime, userAgent: string) {
    this.#runtime = runtime;
    this.#userAgent = userAgent;
    runtime.events.subscribe((event) => {
      for (const hook of this.#hooks.values()) hook.take(event);
    });
  }

  /** Takes a configuration. What is the same as before keeps its queue; what is gone is ended, its events with it. */
  apply(configs: readonly WebhookConfig[]): void {
    const before = this.#hooks;
    this.#hooks = new Map();
    for (const config of configs) {
      const key = JSON.stringify(config);
      this.#hooks.set(key, before.get(key) ?? new Webhook(this.#runtime, this.#userAgent, config));
    }
    for (const [key, hook] of before) if (!this.#hooks.has(key)) hook.close();
  }

  close(): void {
    this.apply([]);
  }

  figures(): WebhookFigures[] {
    const seen = new Map<string, number>();
    return [...this.#hooks.values()].map((hook) => {
      const number = (seen.get(hook.place) ?? 0) + 1;
      seen.set(hook.place, number);
      return { ...hook.figures(), hook: number === 1 ? hook.place : `${hook.place} ${number}` };
    });
  }
}

/** An event on its way. */
type Delivery = { readonly id: string; readonly type: ServerEventType; readonly body: string; tries: number };

/** One try of a delivery. */
type Try = { readonly handle: number; readonly parser: ResponseParser; readonly timer: Timer };

class Webhook implements HandleOwner {
  /** `host:port`: what of the address is told. */
  readonly place: string;
  readonly #runtime: Runtime;
  readonly #userAgent: string;
  readonly #config: WebhookConfig;
  readonly #host: string;
  readonly #port: number;
  readonly #target: string;
  readonly #isTls: boolean;
  readonly #hostHeader: string;
  readonly #key: Uint8Array | undefined;
  readonly #queue: Delivery[] = [];
  /** The first of the queue, while it is tried or waits to be. */
  #current: Delivery | undefined;
  #try: Try | undefined;
  #pauseTimer: Timer | undefined;
  #pauseUs = WEBHOOK_PAUSE_FIRST_US;
  #delivered = 0;
  #failedTries = 0;
  #lost = 0;
  #lastError: string | undefined;
  #closed = false;

  constructor(runtime: Runtime, userAgent: string, config: WebhookConfig) {
    this.#runtime = runtime;
    this.#userAgent = userAgent;
    this.#config = config;
    const match = WEBHOOK_URL.exec(config.url);
    if (match === null) throw new Error("a webhook's address was not checked");
    const [, scheme, host = "", port = scheme === "https" ? "443" : "80", target = ""] = match;
    this.#isTls = scheme === "https";
    this.#hostHeader = Number(port) === (this.#isTls ? 443 : 80) ? host : `${host}:${port}`;
    this.place = `${host}:${port}`;
    this.#host = host.startsWith("[") ? host.slice(1, -1) : host;
    this.#port = Number(port);
    this.#target = target === "" ? "/" : target;
    this.#key = config.secret === undefined ? undefined : new Uint8Array(utf8Bytes(config.secret).buffer);
  }

  figures(): Omit<WebhookFigures, "hook"> {
    const waiting = this.#queue.length + (this.#current === undefined ? 0 : 1);
    return {
      waiting,
      delivered: this.#delivered,
      failedTries: this.#failedTries,
      lost: this.#lost,
      state: this.#lastError === undefined ? "ok" : "failing",
      lastError: this.#lastError ?? null,
    };
  }

  take(event: ServerEvent): void {
    if (!this.#config.events.includes(event.type)) return;
    const id = this.#runtime.randomHex(DELIVERY_ID_BYTES);
    this.#queue.push({ id, type: event.type, body: eventJson(event), tries: 0 });
    if (this.#queue.length + (this.#current === undefined ? 0 : 1) > WEBHOOK_QUEUE_MAX) {
      if (this.#lost++ === 0) this.#log("warn", `${WEBHOOK_QUEUE_MAX} events wait: the oldest are dropped`);
      this.#queue.shift();
    }
    // In a later turn: events are told in the middle of other work.
    if (this.#current === undefined) this.#pauseTimer ??= this.#runtime.after(0, () => this.#next());
  }

  close(): void {
    this.#closed = true;
    this.#pauseTimer?.cancel();
    this.#endTry(false);
    this.#current = undefined;
    this.#queue.length = 0;
  }

  onEvent(event: HostEvent): void {
    const trial = this.#try;
    if (trial === undefined) return;
    switch (event.type) {
      case "connected":
        this.#post(trial);
        break;
      case "received": {
        const input = trial.parser.feed(event.data);
        // Once the status is there, what is wrong with the rest changes nothing.
        if (input !== undefined) this.#settle(trial.parser.status, input.kind === "fault" ? input.fault.message : "");
        break;
      }
      case "ended":
        this.#onEnded(trial, "the receiver closed without an answer");
        break;
      case "closed":
        this.#runtime.disown(trial.handle);
        this.#onEnded(trial, `no connection: ${event.reason === "tls" ? (event.detail ?? "tls") : event.reason}`);
        break;
      default:
        break;
    }
  }

  onBug(): void {
    this.#settle(undefined, "a bug of ours");
  }

  #next(): void {
    this.#pauseTimer = undefined;
    if (this.#closed) return;
    this.#current ??= this.#queue.shift();
    if (this.#current === undefined) return;
    const { host } = this.#runtime;
    const handle = host.tcpConnect(
      JSON.stringify({ host: this.#host, port: this.#port, timeoutMs: WEBHOOK_CONNECT_MS, ...this.#tls() }),
    );
    if (handle < 0) {
      return this.#fail(handle === Code.UNSUPPORTED ? "this host can't connect" : "the host refuses to connect");
    }
    this.#runtime.own(handle, this);
    const timer = this.#runtime.after(WEBHOOK_TRY_US, () =>
      this.#settle(this.#try?.parser.status, `no answer within ${WEBHOOK_TRY_US / 1_000_000} s`),
    );
    this.#try = { handle, parser: new ResponseParser({ bodyMaxBytes: WEBHOOK_ANSWER_MAX_BYTES }), timer };
  }

  #tls(): Pick<ConnectSpec, "tls"> {
    if (!this.#isTls) return {};
    const { trusted } = this.#config;
    return { tls: trusted === undefined ? {} : { trusted } };
  }

  #post({ handle }: Try): void {
    const { id, type, body } = this.#current!;
    const content = utf8Bytes(body);
    const signature = this.#key === undefined ? [] : [`X-Porthole-Signature: sha256=${hmacSha256Hex(this.#key, body)}`];
    const head = [
      `POST ${this.#target} HTTP/1.1`,
      `Host: ${this.#hostHeader}`,
      `User-Agent: ${this.#userAgent}`,
      "Content-Type: application/json",
      `Content-Length: ${content.length}`,
      `X-Porthole-Event: ${type}`,
      `X-Porthole-Delivery: ${id}`,
      ...signature,
      "Connection: close",
    ];
    const start = utf8Bytes(`${head.join("\r\n")}\r\n\r\n`);
    const bytes = new Int8Array(start.length + content.length);
    bytes.set(start);
    bytes.set(content, start.length);
    // An empty lane takes a write of any size.
    if (this.#runtime.host.tcpWrite(handle, bytes) < 0) this.#settle(undefined, "the request could not be sent");
  }

  #onEnded({ parser }: Try, why: string): void {
    const input = parser.end();
    this.#settle(parser.status, input?.kind === "fault" ? why : "");
  }

  /** The try is over. @param why it failed, where the status doesn't say it. */
  #settle(status: number | undefined, why: string): void {
    if (this.#try === undefined) return;
    this.#endTry(status !== undefined);
    if (status === undefined) return this.#fail(why);
    if (status < 200 || status > 299) return this.#fail(`the receiver answers ${status}`);
    this.#delivered++;
    this.#lastError = undefined;
    this.#log("debug", `event=${this.#current?.type} delivered`);
    this.#current = undefined;
    this.#pauseUs = WEBHOOK_PAUSE_FIRST_US;
    if (this.#queue.length > 0) this.#pauseTimer ??= this.#runtime.after(0, () => this.#next());
  }

  #fail(why: string): void {
    const delivery = this.#current!;
    this.#failedTries++;
    this.#lastError = why;
    delivery.tries++;
    const isLast = delivery.tries >= WEBHOOK_TRIES_MAX;
    const then = isLast ? "given up" : `next try in ${inSeconds(this.#pauseUs)} s`;
    this.#log("warn", `event=${delivery.type} try=${delivery.tries} failed: ${why}; ${then}`);
    if (isLast) {
      this.#lost++;
      this.#current = undefined;
    }
    // Also when it is given up: the next one would meet the same.
    this.#pauseTimer = this.#runtime.after(this.#pauseUs, () => this.#next());
    this.#pauseUs = Math.min(this.#pauseUs * 2, WEBHOOK_PAUSE_MAX_US);
  }

  #endTry(afterFlush: boolean): void {
    const trial = this.#try;
    if (trial === undefined) return;
    this.#try = undefined;
    trial.timer.cancel();
    this.#runtime.disown(trial.handle);
    // GONE when the peer has closed already, which is as good.
    this.#runtime.host.tcpClose(trial.handle, afterFlush);
  }

  #log(level: "debug" | "warn", text: string): void {
    this.#runtime.log(level, `webhook=${this.place} ${text}`);
  }
}

function inSeconds(us: Micros): number {
  return us / MICROS_PER_SECOND;
}
