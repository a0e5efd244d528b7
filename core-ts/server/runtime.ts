/**
 * What every part of the server needs of its surroundings: the host, the time of this turn, timers, and who owns which
 * handle. Row 3.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import type { Host } from "../../bindings/contract/host.ts";
import { bytesOfText, hex } from "../bytes/text.ts";
import { Timers } from "../time/timers.ts";
import type { Micros, WallMicros } from "../time/units.ts";
import { Metrics } from "./metrics.ts";
import { Refusals } from "./refusals.ts";
import { ServerEvents } from "./server-events.ts";

/** Whoever opened a handle hears its events. */
export interface HandleOwner {
  onEvent(event: HostEvent): void;
  /** Handling an event ran into a bug of ours: what stands half done is to be ended, not left hanging. */
  onBug?(): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];

export class Runtime {
  readonly host: Host;
  readonly timers = new Timers();
  /** What happens here, for event streams and webhooks. */
  readonly events = new ServerEvents(() => this.clock().wallUs);
  readonly metrics = new Metrics();
  readonly refusals = new Refusals((line) => this.log("warn", line));
  /** Time at which this turn began. */
  nowUs: Micros = 0;
  readonly #owners = new Map<number, HandleOwner>();
  #leastLevel = 1;

  constructor(host: Host) {
    this.host = host;
    this.events.subscribe((event) => this.metrics.onEvent(event));
  }

  /** Calls `run` once, in the first turn that begins `delayUs` or more from now. */
  after(delayUs: Micros, run: () => void): ReturnType<Timers["at"]> {
    return this.timers.at(this.nowUs + delayUs, run);
  }

  /** As {@link after}, but up to `PATIENCE_US` later, in a turn that comes anyway; for what is looked at again and again. */
  around(delayUs: Micros, run: () => void): ReturnType<Timers["around"]> {
    return this.timers.around(this.nowUs + delayUs, run);
  }

  own(handle: number, owner: HandleOwner): void {
    this.#owners.set(handle, owner);
  }

  disown(handle: number): void {
    this.#owners.delete(handle);
  }

  ownerOf(handle: number): HandleOwner | undefined {
    return this.#owners.get(handle);
  }

  /** Handles that somebody owns; for the tests that count leaks. */
  get ownedHandles(): number {
    return this.#owners.size;
  }

  /** The host's two clocks, sampled together. */
  clock(): { readonly nowUs: Micros; readonly wallUs: WallMicros } {
    const [nowUs, wallUs] = JSON.parse(this.host.clock()) as [number, number];
    return { nowUs, wallUs };
  }

  randomBytes(count: number): Uint8Array {
    return bytesOfText(this.host.random(count));
  }

  randomHex(bytes: number): string {
    return hex(this.randomBytes(bytes));
  }

  /** A random unsigned integer of `bytes` bytes, 1 … 4. */
  randomUint(bytes: number): number {
    let value = 0;
    for (const byte of this.randomBytes(bytes)) value = value * 256 + byte;
    return value;
  }

  setLogLevel(level: LogLevel): void {
    this.#leastLevel = LEVELS.indexOf(level);
  }

  /** One line, the connection or thing it is about first: `conn=12 rtsp session started path=/live/back`. */
  log(level: LogLevel, line: string): void {
    if (LEVELS.indexOf(level) >= this.#leastLevel) this.host.log(level, line);
  }
}
