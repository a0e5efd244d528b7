/**
 * The listening sockets, kept in step with the configuration. Row 3.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import type { Config } from "../config/config.ts";
import { type Micros, seconds } from "../time/units.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";

export type ListenerKind = "rtsp" | "http";
type Accepted = Extract<HostEvent, { type: "accepted" }>;

/** Pause before a listener that was lost while serving, or that a reload asks for in vain, is opened again. */
export const RELISTEN_US: Micros = seconds(5);

export interface ListenersOwner {
  onAccepted(kind: ListenerKind, event: Accepted): void;
  /** Every listener is up; after the start, and again after a reload that changed them. */
  onListening(): void;
  /** A listener could not be opened at the start; one line that names the port and the cure. */
  onListenFailed(message: string): void;
}

type Wanted = { readonly kind: ListenerKind; readonly address: string; readonly port: number };

interface ListenerEvents {
  up(): void;
  lost(reason: string): void;
  accepted(event: Accepted): void;
}

class Listener implements HandleOwner {
  readonly wanted: Wanted;
  readonly #runtime: Runtime;
  readonly #notify: ListenerEvents;
  handle = 0;
  /** The port in use; 0 until it listens. */
  port = 0;

  constructor(runtime: Runtime, wanted: Wanted, notify: ListenerEvents) {
    this.#runtime = runtime;
    this.wanted = wanted;
    this.#notify = notify;
  }

  open(): void {
    const { address, port } = this.wanted;
    const handle = this.#runtime.host.tcpListen(JSON.stringify({ address, port }));
    if (handle < 0) return this.#notify.lost("refused by the host");
    this.handle = handle;
    this.#runtime.own(handle, this);
  }

  close(): void {
    if (this.handle === 0) return;
    this.#runtime.disown(this.handle);
    this.#runtime.host.listenerClose(this.handle);
    this.handle = 0;
    this.port = 0;
  }

  onEvent(event: HostEvent): void {
    if (event.type === "accepted") this.#notify.accepted(event);
    else if (event.type === "listening") {
      this.port = event.port;
      this.#notify.up();
    } else if (event.type === "closed") {
      this.#runtime.disown(this.handle);
      this.handle = 0;
      this.port = 0;
      this.#notify.lost(event.reason === "failed" ? (event.detail ?? event.reason) : event.reason);
    }
  }
}

export class Listeners {
  readonly #runtime: Runtime;
  readonly #owner: ListenersOwner;
  #listeners: Listener[] = [];
  #announced = false;
  /** Every listener was up once: from now on a port that can't be had is no reason to end what runs. */
  #started = false;

  constructor(runtime: Runtime, owner: ListenersOwner) {
    this.#runtime = runtime;
    this.#owner = owner;
  }

  /** Opens what the configuration asks for and is not open, and closes what it no longer asks for. */
  apply(config: Config): void {
    const wanted: Wanted[] = [];
    const { address } = config;
    if (config.rtsp.enabled) wanted.push({ kind: "rtsp", address, port: config.rtsp.port });
    if (config.http.enabled) {
      for (const port of [config.http.port, ...config.http.morePorts]) wanted.push({ kind: "http", address, port });
    }
    const kept = this.#listeners.filter((listener) => wanted.some((want) => isSame(want, listener.wanted)));
    for (const listener of this.#listeners) if (!kept.includes(listener)) listener.close();
    const added = wanted
      .filter((want) => !kept.some((listener) => isSame(want, listener.wanted)))
      .map((want) => this.#make(want));
    this.#listeners = [...kept, ...added];
    this.#announced &&= added.length === 0;
    for (const listener of added) listener.open();
    this.#announceWhenUp();
  }

  /** The port in use of the first listener of a kind; 0 for none. */
  portOf(kind: ListenerKind): number {
    return this.#listeners.find((listener) => listener.wanted.kind === kind)?.port ?? 0;
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#listeners = [];
  }

  #make(wanted: Wanted): Listener {
    const listener = new Listener(this.#runtime, wanted, {
      up: () => this.#announceWhenUp(),
      accepted: (event) => this.#owner.onAccepted(wanted.kind, event),
      lost: (reason) => this.#onLost(listener, reason),
    });
    return listener;
  }

  #onLost(listener: Listener, reason: string): void {
    const message = describeLoss(listener.wanted, reason);
    if (!this.#started) return this.#owner.onListenFailed(message);
    this.#runtime.log("error", message);
    this.#runtime.after(RELISTEN_US, () => {
      if (this.#listeners.includes(listener) && listener.handle === 0) listener.open();
    });
  }

  #announceWhenUp(): void {
    if (this.#announced || this.#listeners.some((listener) => listener.port === 0)) return;
    this.#announced = true;
    this.#started = true;
    this.#owner.onListening();
  }
}

function isSame(a: Wanted, b: Wanted): boolean {
  return a.kind === b.kind && a.address === b.address && a.port === b.port;
}

function describeLoss({ kind, address, port }: Wanted, reason: string): string {
  const what = `${kind.toUpperCase()} can't listen on ${address}:${port}`;
  const key = kind === "rtsp" ? "rtsp.port" : "http.port";
  if (reason === "in-use")
    return `${what}: the port is in use; stop the other program, or set ${key} (0 takes a free one)`;
  if (reason === "denied") return `${what}: the system denies it; ports below 1024 need privileges, set ${key} higher`;
  if (reason === "unreachable" || reason === "not-found") {
    return `${what}: this machine has no such address; set address to one of its own, or 0.0.0.0 for all`;
  }
  return `${what}: ${reason}`;
}
