/** One-shot timers as the cameras use them; tests hand in a clock that is moved by hand. */
export type Timers = {
  /** Calls back once after at least `delayMs`. @returns a function that calls it off. */
  after(delayMs: number, callback: () => void): () => void;
};

export const systemTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
