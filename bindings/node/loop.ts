/**
 * The events that wait for the core, with the bounds of the contract's host.ts. Host side.
 *
 * Received bytes are not queued here: a connection puts one entry in line and is asked for its bytes when the turn takes
 * them, so what nobody takes stays in the kernel. Frames and skip reports are made when they are taken, too.
 */
import type { HostEvent } from "../contract/events.ts";
import { EVENTS_MAX_BYTES, EVENTS_MAX_BYTES_PER_CONNECTION } from "../contract/host.ts";

/** A connection with unread bytes. */
export interface Receiver {
  readonly handle: number;
  /** At most `maxBytes` of the unread bytes as host text; "" when there are none (any more). */
  pull(maxBytes: number): string;
  /** Whether {@link pull} would give more. When not, the receiver puts itself in line again as bytes come. */
  unread(): boolean;
}

type Entry =
  | { readonly handle: number; readonly make: () => HostEvent }
  | { readonly handle: number; readonly receiver: Receiver }
  | { readonly handle: number; readonly datagram: HostEvent; readonly bytes: number; readonly taken: () => void };

export class EventQueue {
  /** Called when the queue stops being empty. Set by whoever drives the turns. */
  onWake: (() => void) | undefined;
  #entries: Entry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** An event without a handle of its own, such as `stop`, has handle 0. */
  push(handle: number, event: HostEvent): void {
    this.#add({ handle, make: () => event });
  }

  /** An event whose content is settled only when it is taken. */
  pushLate(handle: number, make: () => HostEvent): void {
    this.#add({ handle, make });
  }

  pushReceiver(receiver: Receiver): void {
    this.#add({ handle: receiver.handle, receiver });
  }

  pushDatagram(handle: number, datagram: HostEvent, bytes: number, taken: () => void): void {
    this.#add({ handle, datagram, bytes, taken });
  }

  /** Throws away what waits of a handle, because the core has closed it. */
  drop(handle: number): void {
    this.#entries = this.#entries.filter((entry) => entry.handle !== handle);
  }

  clear(): void {
    this.#entries = [];
  }

  /** `takeEvents()` of the contract. What its bounds leave behind keeps its place and its order within a handle. */
  take(): HostEvent[] {
    const entries = this.#entries;
    this.#entries = [];
    const events: HostEvent[] = [];
    const stuck = new Set<number>();
    let bytesLeft = EVENTS_MAX_BYTES;
    for (const entry of entries) {
      if (stuck.has(entry.handle)) {
        this.#entries.push(entry);
      } else if ("make" in entry) {
        events.push(entry.make());
      } else if ("receiver" in entry) {
        const data = entry.receiver.pull(Math.min(bytesLeft, EVENTS_MAX_BYTES_PER_CONNECTION));
        bytesLeft -= data.length;
        if (data !== "") events.push({ type: "received", handle: entry.handle, data });
        if (entry.receiver.unread()) {
          stuck.add(entry.handle);
          this.#entries.push(entry);
        }
      } else if (entry.bytes > bytesLeft) {
        stuck.add(entry.handle);
        this.#entries.push(entry);
      } else {
        bytesLeft -= entry.bytes;
        entry.taken();
        events.push(entry.datagram);
      }
    }
    return events;
  }

  #add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length === 1) this.onWake?.();
  }
}
