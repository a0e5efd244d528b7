/**
 * Outlets: bounded media queues in front of one destination, and their memberships in fan-outs. Host side.
 *
 * The rules are those of "Lanes, outlets, memberships" in `bindings/contract/README.md`. An outlet decides what is queued and
 * what is dropped; when bytes leave is the destination's business (lanes.ts for connections and files, udp.ts).
 */
import type { SkippedEvent } from "../contract/events.ts";
import type { OutletSpec, OutletStats } from "../contract/host.ts";
import { nowUs } from "./clock.ts";
import type { Gathered } from "./gather.ts";
import type { Disposable } from "./handles.ts";
import type { EventQueue } from "./loop.ts";
import type { WireAgeCounter } from "./wire-ages.ts";

/** One unit of a fan-out, shared by all members that take it. */
export type Unit = {
  readonly frame: number;
  readonly timeUs: number;
  readonly key: boolean;
  readonly bytes: number;
  /** Runs the plan at the first call; afterwards the same buffer. */
  readonly gather: () => Gathered;
};

/** A unit in one outlet's queue. */
type Queued = {
  readonly membership: Membership;
  readonly unit: Unit;
  /** Bytes handed on so far; above 0 the unit has begun. */
  handed: number;
  /** Index into `packetEnds` of the packet that `handed` lies in. */
  packet: number;
};

/** Where an outlet's bytes go. */
export interface Destination {
  /** Hands on what can be handed on now. */
  pump(): void;
  /** Bytes handed on that the system has not taken yet. */
  untakenBytes(): number;
  /** The outlet ends: what has to be finished (the rest of a begun packet) is the destination's from here on. */
  outletClosed(restOfPacket: Buffer | undefined): void;
}

/** An outlet's part in one fan-out. */
export class Membership {
  readonly fanout: number;
  readonly outlet: Outlet;
  /** `overflow`: what is passed over meanwhile counts as skipped. */
  waiting: "no" | "joined" | "overflow" = "joined";
  #skipped: { first: number; last: number; frames: number; bytes: number } | undefined;

  constructor(fanout: number, outlet: Outlet) {
    this.fanout = fanout;
    this.outlet = outlet;
  }

  /** Counts a dropped unit; the report goes out with the next turn, one for all until then. */
  skip(unit: Unit, events: EventQueue): void {
    if (this.#skipped === undefined) {
      this.#skipped = { first: unit.frame, last: unit.frame, frames: 0, bytes: 0 };
      events.pushLate(this.outlet.handle, () => this.#report());
    }
    this.#skipped.last = unit.frame;
    this.#skipped.frames += 1;
    this.#skipped.bytes += unit.bytes;
  }

  #report(): SkippedEvent {
    const skipped = this.#skipped ?? { first: 0, last: 0, frames: 0, bytes: 0 };
    this.#skipped = undefined;
    return { type: "skipped", handle: this.outlet.handle, fanout: this.fanout, ...skipped };
  }
}

export class Outlet implements Disposable {
  readonly handle: number;
  readonly memberships = new Map<number, Membership>();
  readonly destination: Destination;
  readonly #spec: OutletSpec;
  readonly #events: EventQueue;
  readonly #ended: (outlet: Outlet) => void;
  readonly #ages: WireAgeCounter | undefined;
  #queue: Queued[] = [];
  #queuedBytes = 0;
  /** The unit whose bytes were handed on last, while the system has not taken all of them. */
  #leaving: Unit | undefined;
  #leavingEnds = false;
  #leavingBytes = 0;
  #lastUntaken = 0;
  #sentBytes = 0;
  #sentUnits = 0;
  #skippedUnits = 0;
  #progressUs = nowUs();
  #closed = false;

  /**
   * @param ended called once when the outlet closes, whoever closed it.
   * @param ages counts how old units are when the system has them; absent for files.
   */
  constructor(
    handle: number,
    spec: OutletSpec,
    destination: Destination,
    events: EventQueue,
    ended: (outlet: Outlet) => void,
    ages?: WireAgeCounter,
  ) {
    this.handle = handle;
    this.destination = destination;
    this.#spec = spec;
    this.#events = events;
    this.#ended = ended;
    this.#ages = ages;
  }

  /** Offers a unit to a membership of this outlet. @returns whether it was queued. Call the destination's pump afterwards. */
  offer(membership: Membership, unit: Unit): boolean {
    if (membership.waiting !== "no") {
      if (!unit.key) {
        if (membership.waiting === "overflow") this.#skip(membership, unit);
        return false;
      }
      if (membership.waiting === "overflow" && this.#spec.overflow === "skip-to-key" && !this.#hasRoom(unit)) {
        this.#skip(membership, unit);
        return false;
      }
      membership.waiting = "no";
    }
    if (this.#spec.overflow === "latest-only") {
      this.#dropUnbegun(membership, true);
    } else if (!this.#isEmpty()) {
      this.expire();
      // expire() may have set this very membership waiting, which a key unit ends at once.
      if (!this.#hasRoom(unit)) this.#overflow(membership);
      if (membership.waiting !== "no") {
        if (!unit.key || !this.#hasRoom(unit)) {
          this.#skip(membership, unit);
          return false;
        }
        membership.waiting = "no";
      }
    }
    this.#queue.push({ membership, unit, handed: 0, packet: 0 });
    this.#queuedBytes += unit.bytes;
    return true;
  }

  /** Drops what has waited for too long, and the rest of its membership's. Called when the destination takes bytes again. */
  expire(): void {
    const oldestUs = nowUs() - this.#spec.maxAgeMs * 1000;
    const late = this.#queue.filter((queued) => queued.handed === 0 && queued.unit.timeUs < oldestUs);
    for (const membership of new Set(late.map((queued) => queued.membership))) this.#overflow(membership);
  }

  /** True between the first and the last byte of a packet: nothing but {@link next} may go out now. */
  get insidePacket(): boolean {
    const head = this.#queue[0];
    if (head === undefined || head.handed === 0) return false;
    const ends = head.unit.gather().packetEnds;
    return head.handed > (head.packet === 0 ? 0 : ends[head.packet - 1]!);
  }

  /**
   * The next bytes to hand on: whole packets up to `maxBytes`, or a piece of one that is larger. They count as begun.
   * @returns undefined when nothing is queued.
   */
  next(maxBytes: number, onePacket = false): Buffer | undefined {
    const head = this.#queue[0];
    if (head === undefined) return undefined;
    const { bytes, packetEnds } = head.unit.gather();
    const start = head.handed;
    let end = packetEnds[head.packet]!;
    if (end - start > maxBytes && !onePacket) {
      end = start + maxBytes;
    } else {
      head.packet += 1;
      while (!onePacket && head.packet < packetEnds.length && packetEnds[head.packet]! - start <= maxBytes) {
        end = packetEnds[head.packet]!;
        head.packet += 1;
      }
    }
    head.handed = end;
    this.#queuedBytes -= end - start;
    this.#leaving = head.unit;
    this.#leavingEnds = end === bytes.length;
    this.#leavingBytes = end - start;
    this.#lastUntaken = end - start;
    if (this.#leavingEnds) this.#queue.shift();
    return bytes.subarray(start, end);
  }

  /** The system has taken all that {@link next} gave last, or a datagram of it was given up (`counts` false). */
  taken(bytes: number, counts = true): void {
    if (counts) {
      this.#sentBytes += bytes;
      this.#progressUs = nowUs();
    }
    if (this.#leavingEnds) {
      this.#sentUnits += 1;
      // What was given up counts as sent, but it says nothing of time.
      if (counts) this.#ages?.note(this.#progressUs - this.#leaving!.timeUs);
    }
    this.#leaving = undefined;
    this.#leavingEnds = false;
    this.#leavingBytes = 0;
    this.#lastUntaken = 0;
  }

  /** Over how long large units are spread, 0 for not at all. */
  get paceUs(): number {
    return this.#spec.paceUs ?? 0;
  }

  /** Packets of the unit that is next, all and those handed on; undefined when nothing is queued. */
  get headPackets(): { readonly all: number; readonly handed: number } | undefined {
    const head = this.#queue[0];
    return head === undefined ? undefined : { all: head.unit.gather().packetEnds.length, handed: head.packet };
  }

  /** Whether bytes are on their way that {@link taken} has not been told of. */
  get isLeaving(): boolean {
    return this.#leaving !== undefined;
  }

  /** Ends a membership: its unbegun units go, without a report. */
  removeMembership(fanout: number): void {
    const membership = this.memberships.get(fanout);
    if (membership === undefined) return;
    this.memberships.delete(fanout);
    this.#dropUnbegun(membership, false);
  }

  /** Ends the outlet as `outletClose` says: only the rest of a begun packet still leaves. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const head = this.#queue[0];
    let rest: Buffer | undefined;
    if (head !== undefined && this.insidePacket) {
      const { bytes, packetEnds } = head.unit.gather();
      rest = bytes.subarray(head.handed, packetEnds[head.packet]!);
    }
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#ended(this);
    this.destination.outletClosed(rest);
  }

  dispose(): void {
    this.close();
  }

  stats(): OutletStats {
    const untaken = this.destination.untakenBytes();
    if (this.#leaving !== undefined && untaken < this.#lastUntaken) {
      this.#lastUntaken = untaken;
      this.#progressUs = nowUs();
    }
    const oldest = this.#leaving ?? this.#queue[0]?.unit;
    return {
      queuedBytes: this.#queuedBytes + untaken,
      ageUs: oldest === undefined ? 0 : Math.max(0, nowUs() - oldest.timeUs),
      sentBytes: this.#sentBytes + (this.#leaving === undefined ? 0 : this.#leavingBytes - untaken),
      sentUnits: this.#sentUnits,
      skippedUnits: this.#skippedUnits,
      progressUs: this.#progressUs,
    };
  }

  #isEmpty(): boolean {
    return this.#queue.length === 0 && this.destination.untakenBytes() === 0;
  }

  #hasRoom(unit: Unit): boolean {
    return this.#isEmpty() || this.#queuedBytes + this.destination.untakenBytes() + unit.bytes <= this.#spec.maxBytes;
  }

  #overflow(membership: Membership): void {
    this.#dropUnbegun(membership, true);
    membership.waiting = "overflow";
  }

  #skip(membership: Membership, unit: Unit): void {
    this.#skippedUnits += 1;
    membership.skip(unit, this.#events);
  }

  #dropUnbegun(membership: Membership, report: boolean): void {
    this.#queue = this.#queue.filter((queued) => {
      if (queued.membership !== membership || queued.handed > 0) return true;
      this.#queuedBytes -= queued.unit.bytes;
      if (report) this.#skip(membership, queued.unit);
      return false;
    });
  }
}
