/**
 * What happens in the server, told to whoever listens: the event stream, webhooks, and programs that embed the server. Row 3.
 */
import type { WallMicros } from "../time/units.ts";

/** Events kept for readers that reconnect with the last id they saw. */
export const EVENTS_KEPT = 512;

/** Every kind of event with its data. Names and fields are API: they only grow. */
export type ServerEventData = {
  readonly "server.started": { readonly name: string };
  /** The loop was held up: `turn` is work that took too long, `late` a turn that the host or the system began too late. */
  readonly "server.slow": {
    readonly kind: "turn" | "late";
    readonly milliseconds: number;
    /** How often that happened since the last such event, this time included. */
    readonly times: number;
  };
  readonly "client.connected": ClientIdentity;
  readonly "client.left": ClientIdentity & { readonly reason: string; readonly seconds: number };
  /** Its socket has taken nothing for so many seconds while media waited; the client is closed. */
  readonly "client.stalled": ClientIdentity & { readonly seconds: number };
  readonly "stream.started": { readonly encoder: string; readonly camera: string };
  readonly "stream.stopped": { readonly encoder: string; readonly camera: string; readonly reason: string };
  /** It should run and gave no picture for so long; it is closed and opened again after `retrySeconds`, null without users. */
  readonly "encoder.silent": {
    readonly encoder: string;
    readonly camera: string;
    readonly seconds: number;
    /** How often in a row, no picture between. */
    readonly times: number;
    readonly retrySeconds: number | null;
  };
  readonly "camera.state": {
    readonly camera: string;
    readonly state: string;
    readonly reason: string | null;
    readonly fix: string | null;
  };
  /** Addresses of this device that came and went. */
  readonly "network.changed": { readonly added: readonly string[]; readonly removed: readonly string[] };
  /** A port that was served is not any more; it is tried again after `retrySeconds`, and when the network changes. */
  readonly "listener.lost": ListenerIdentity & { readonly reason: string; readonly retrySeconds: number };
  /** It is served again. */
  readonly "listener.up": ListenerIdentity;
  readonly "config.changed": { readonly by: "file" | "api" };
  readonly "config.refused": { readonly issues: readonly { readonly path: string; readonly message: string }[] };
  readonly "login.failed": { readonly protocol: "rtsp" | "http"; readonly address: string; readonly reason: string };
  readonly "user.added": UserIdentity;
  /** `changed` has `password`, `role` or both. */
  readonly "user.changed": UserIdentity & { readonly changed: readonly ("password" | "role")[] };
  readonly "user.removed": UserIdentity;
  readonly "token.added": TokenIdentity;
  /** Revoked, or gone with its user. */
  readonly "token.removed": TokenIdentity;
  readonly "snapshot.taken": {
    readonly camera: string;
    /** Where it is found over HTTP until the next one. */
    readonly path: string;
    readonly width: number;
    readonly height: number;
    /** Capture time on the device's monotonic clock. */
    readonly timestampUs: number;
  };
  /** The stream is made smaller for a viewer's network, or larger again. Only of great changes, and not often. */
  readonly "stream.adapted": {
    readonly encoder: string;
    /** Bits a second that are aimed at; what they are at their best. */
    readonly bitrate: number;
    readonly full: number;
    /** Of MJPEG. */
    readonly quality: number | null;
    readonly fps: number | null;
    /** The viewer that it is for. */
    readonly client: number | null;
    readonly reason: string | null;
  };
};

type ClientIdentity = {
  readonly client: number;
  readonly path: string;
  readonly address: string;
  readonly user: string | null;
};

type ListenerIdentity = { readonly protocol: "rtsp" | "http"; readonly address: string; readonly port: number };

type UserIdentity = {
  readonly name: string;
  readonly role: "admin" | "viewer";
  readonly origin: "config" | "api" | "generated";
};

/** `token` is its id in `/api/tokens`, by which nothing opens. */
type TokenIdentity = { readonly token: string; readonly user: string; readonly stream: string };

export type ServerEventType = keyof ServerEventData;

export type ServerEvent = {
  /** Rises by one, and from run to run as far as the wall clock is right. */
  readonly id: number;
  readonly type: ServerEventType;
  readonly timeUs: WallMicros;
  readonly data: ServerEventData[ServerEventType];
};

export class ServerEvents {
  readonly #wallClock: () => WallMicros;
  readonly #kept: ServerEvent[] = [];
  readonly #listeners = new Set<(event: ServerEvent) => void>();
  /** Begins with the wall clock, so that ids go on rising when the server starts again. */
  #lastId: number | undefined;

  constructor(wallClock: () => WallMicros) {
    this.#wallClock = wallClock;
  }

  get lastId(): number {
    this.#lastId ??= Math.floor(this.#wallClock() / 1_000);
    return this.#lastId;
  }

  emit<Type extends ServerEventType>(type: Type, data: ServerEventData[Type]): void {
    this.#lastId = this.lastId + 1;
    const event: ServerEvent = { id: this.#lastId, type, timeUs: this.#wallClock(), data };
    this.#kept.push(event);
    if (this.#kept.length > EVENTS_KEPT) this.#kept.shift();
    for (const listener of [...this.#listeners]) listener(event);
  }

  /** Kept events after `id`, oldest first; all of them for an id that never was, which is of a run with another clock. */
  since(id: number): readonly ServerEvent[] {
    if (id > this.lastId) return [...this.#kept];
    return this.#kept.filter((event) => event.id > id);
  }

  /** Who listens; for the tests that count leaks. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** @returns what ends the subscription. */
  subscribe(listener: (event: ServerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** An event as programs get it, in one line: `{"id", "type", "time", "data"}`; `time` as RFC 3339 has it. */
export function eventJson({ id, type, timeUs, data }: ServerEvent): string {
  return JSON.stringify({ id, type, time: new Date(timeUs / 1_000).toISOString(), data });
}
