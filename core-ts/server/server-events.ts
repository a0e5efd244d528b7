/**
 * What happens in the server, told to whoever listens: the event stream, webhooks, and programs that embed the server. Row 3.
 */
import type { WallMicros } from "../time/units.ts";

/** Events kept for readers that reconnect with the last id they saw. */
export const EVENTS_KEPT = 512;

/** Every kind of event with its data. Names and fields are API: they only grow. */
export type ServerEventData = {
  readonly "server.started": { readonly name: string };
  readonly "client.connected": {
    readonly client: number;
    readonly path: string;
    readonly address: string;
    readonly user: string | null;
  };
  readonly "client.left": {
    readonly client: number;
    readonly path: string;
    readonly address: string;
    readonly user: string | null;
    readonly reason: string;
    readonly seconds: number;
  };
  readonly "stream.started": { readonly encoder: string; readonly camera: string };
  readonly "stream.stopped": { readonly encoder: string; readonly camera: string; readonly reason: string };
  readonly "camera.state": {
    readonly camera: string;
    readonly state: string;
    readonly reason: string | null;
    readonly fix: string | null;
  };
  readonly "config.changed": { readonly by: "file" | "api" };
  readonly "config.refused": { readonly issues: readonly { readonly path: string; readonly message: string }[] };
  readonly "login.failed": { readonly protocol: "rtsp" | "http"; readonly address: string; readonly reason: string };
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
