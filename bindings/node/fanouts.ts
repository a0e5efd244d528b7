/**
 * Fan-outs: one plan a frame for every outlet that is a member. Host side.
 */
import { Code, type FanoutForm } from "../contract/host.ts";
import { checkPlan, type Gathered, runPlan } from "./gather.ts";
import type { Disposable, Handles } from "./handles.ts";
import { Membership, type Outlet } from "./outlets.ts";

/** The frame that a plan is about. */
export type PlannedFrame = {
  /** 0 for a plan without a frame. */
  readonly number: number;
  readonly timeUs: number;
  readonly data: Buffer | undefined;
};

export class Fanout implements Disposable {
  readonly handle: number;
  readonly form: FanoutForm;
  readonly #handles: Handles;
  readonly #members = new Map<number, Membership>();

  constructor(handles: Handles, form: FanoutForm) {
    this.#handles = handles;
    this.form = form;
    this.handle = handles.next();
    handles.add(this.handle, this);
  }

  add(outlet: Outlet): void {
    const membership = this.#members.get(outlet.handle) ?? new Membership(this.handle, outlet);
    membership.waiting = "joined";
    this.#members.set(outlet.handle, membership);
    outlet.memberships.set(this.handle, membership);
  }

  remove(outlet: Outlet): void {
    outlet.removeMembership(this.handle);
    this.#members.delete(outlet.handle);
  }

  /** The outlet is closing: it drops its queue itself. */
  forget(outlet: Outlet): void {
    this.#members.delete(outlet.handle);
  }

  close(): void {
    for (const { outlet } of this.#members.values()) outlet.removeMembership(this.handle);
    this.#members.clear();
    this.#handles.remove(this.handle);
  }

  dispose(): void {
    this.close();
  }

  /** `fanoutSend` of the contract: the plan runs once, and every member that takes the unit shares the buffer. */
  send(frame: PlannedFrame, program: Int8Array, length: number, key: boolean): number {
    const plan = checkPlan(program, length, frame.data?.length ?? 0);
    if (plan === undefined) return Code.INVALID;
    if (plan.bytes === 0) return 0;
    let gathered: Gathered | undefined;
    const gather = () => {
      gathered ??= runPlan(plan, frame.data);
      return gathered;
    };
    const unit = { frame: frame.number, timeUs: frame.timeUs, key, bytes: plan.bytes, gather };
    const takers: Outlet[] = [];
    for (const membership of this.#members.values()) {
      if (membership.outlet.offer(membership, unit)) takers.push(membership.outlet);
    }
    // The plan lies in the core's buffer, so it runs before this call ends even where nothing can leave yet.
    if (takers.length > 0) gather();
    for (const outlet of takers) outlet.destination.pump();
    return takers.length;
  }
}
