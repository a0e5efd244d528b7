/**
 * Timers without a clock of their own: the turn brings the time, the queue runs what is due. Row 0.
 *
 * A binary heap; cancelled timers stay in it until they surface, or until they outnumber the live ones.
 */
import type { Micros } from "./units.ts";

export class Timer {
  readonly dueUs: Micros;
  /** Tie-breaker, so that timers due at the same time run in the order in which they were set. */
  readonly order: number;
  /** True while it stands in the heap; the queue's business. */
  queued = true;
  #run: (() => void) | undefined;
  readonly #queue: TimerQueue;

  /** Made by {@link TimerQueue.at}. */
  constructor(queue: TimerQueue, dueUs: Micros, order: number, run: () => void) {
    this.#queue = queue;
    this.dueUs = dueUs;
    this.order = order;
    this.#run = run;
  }

  /** False once it has run or was cancelled. */
  get waiting(): boolean {
    return this.#run !== undefined;
  }

  /** Forgets the timer. Harmless when it has run. */
  cancel(): void {
    if (this.#run === undefined) return;
    this.#run = undefined;
    if (this.queued) this.#queue.noteCancelled();
  }

  /** For the queue: hands out the action, once. */
  take(): (() => void) | undefined {
    const run = this.#run;
    this.#run = undefined;
    return run;
  }
}

export class TimerQueue {
  #heap: Timer[] = [];
  #cancelled = 0;
  #order = 0;

  /** Calls `run` in the first turn at or after `dueUs`. */
  at(dueUs: Micros, run: () => void): Timer {
    const timer = new Timer(this, dueUs, this.#order++, run);
    this.#heap.push(timer);
    this.#siftUp(this.#heap.length - 1);
    return timer;
  }

  /**
   * Runs everything due at `nowUs`. A timer that is set meanwhile waits for the next call, so that this ends.
   * @throws the first error that an action threw, once all have run: one timer's bug is not another's.
   */
  runDue(nowUs: Micros): void {
    const due: Timer[] = [];
    for (let top = this.#heap[0]; top !== undefined && top.dueUs <= nowUs; top = this.#heap[0]) due.push(this.#pop());
    const errors: unknown[] = [];
    for (const timer of due) {
      try {
        timer.take()?.();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** When the next timer is due, or -1 without any. */
  nextDueUs(): Micros {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.waiting) return top.dueUs;
      this.#pop();
    }
    return -1;
  }

  /** Timers that wait. */
  get size(): number {
    return this.#heap.length - this.#cancelled;
  }

  /** For {@link Timer.cancel}. */
  noteCancelled(): void {
    this.#cancelled++;
    if (this.#cancelled > 64 && this.#cancelled * 2 > this.#heap.length) this.#dropCancelled();
  }

  #dropCancelled(): void {
    const live = this.#heap.filter((timer) => timer.waiting);
    // Sorted is a heap. The dropped ones can't come back: a cancelled timer never counts twice.
    live.sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#heap = live;
    this.#cancelled = 0;
  }

  #pop(): Timer {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    top.queued = false;
    if (!top.waiting) this.#cancelled--;
    if (heap.length > 0) {
      heap[0] = last;
      this.#siftDown();
    }
    return top;
  }

  #siftUp(from: number): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[parent]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #siftDown(): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      }
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order);
}
