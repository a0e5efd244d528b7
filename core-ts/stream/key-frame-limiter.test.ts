import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  KEY_REQUEST_BURST,
  KEY_REQUEST_PATIENCE_US,
  KEY_REQUEST_SPACING_US,
  KeyFrameLimiter,
} from "./key-frame-limiter.ts";

const SECOND = 1_000_000;
const START = 7_000_000_123;

/** Asks as an encoder does: at once or when told, answered by a key frame after `answerUs`. Returns the times of requests. */
function drive(wants: readonly number[], answerUs: number): number[] {
  const limiter = new KeyFrameLimiter();
  const sent: number[] = [];
  const todo = wants.map((atUs) => ({ atUs, kind: "want" }));
  while (todo.length > 0) {
    todo.sort((a, b) => a.atUs - b.atUs);
    const { atUs, kind } = todo.shift()!;
    if (kind === "key") {
      limiter.keyFrame();
      continue;
    }
    const dueUs = kind === "want" ? limiter.want(atUs) : atUs;
    if (dueUs > atUs) todo.push({ atUs: dueUs, kind: "due" });
    else if (limiter.take(atUs)) {
      sent.push(atUs);
      todo.push({ atUs: atUs + answerUs, kind: "key" });
    }
  }
  return sent;
}

describe("requests for key frames", () => {
  it("leave at once when none has for a while, and not before the first is wanted", () => {
    const limiter = new KeyFrameLimiter();
    expect(limiter.take(START)).toBe(false);
    expect(limiter.want(START)).toBe(START);
    expect(limiter.take(START)).toBe(true);
    expect(limiter.take(START + SECOND)).toBe(false);
  });

  it("coalesce: one who asks while a request is under way is served by its key frame", () => {
    const limiter = new KeyFrameLimiter();
    limiter.want(START);
    limiter.take(START);
    expect(limiter.want(START + 40_000)).toBe(START + KEY_REQUEST_PATIENCE_US);
    limiter.keyFrame();
    expect(limiter.take(START + SECOND)).toBe(false);
  });

  it("are 100 ms apart once the key frame is there, and repeated after 500 ms when none came", () => {
    const limiter = new KeyFrameLimiter();
    limiter.want(START);
    limiter.take(START);
    limiter.keyFrame();
    expect(limiter.want(START + 1)).toBe(START + KEY_REQUEST_SPACING_US);
    expect(limiter.take(START + KEY_REQUEST_SPACING_US - 1)).toBe(false);
    expect(limiter.take(START + KEY_REQUEST_SPACING_US)).toBe(true);
    const again = limiter.want(START + KEY_REQUEST_SPACING_US + 1);
    expect(again).toBe(START + KEY_REQUEST_SPACING_US + KEY_REQUEST_PATIENCE_US);
    expect(limiter.take(again)).toBe(true);
  });

  it("come in a burst of twenty, then one a second", () => {
    const wants = Array.from({ length: 400 }, (_, i) => START + i * 50_000); // 20 s of a client in a loop
    const sent = drive(wants, 10_000);
    const spacings = sent.slice(1).map((at, i) => at - sent[i]!);
    // While the twenty go, two more come: the bucket gains from the first request on.
    expect(spacings.slice(0, 20).every((us) => us <= 2 * KEY_REQUEST_SPACING_US)).toBe(true);
    expect(spacings.slice(25).every((us) => us >= SECOND - 50_000 && us <= SECOND + 50_000)).toBe(true);
    expect(sent.length).toBeGreaterThanOrEqual(KEY_REQUEST_BURST + 18);
  });

  it("keep a full bucket's clock standing, so that twenty is all that follows a quiet time", () => {
    for (const quietUs of [0, 999_999, 20 * SECOND, 20 * SECOND + 999_999, 3_600 * SECOND + 500_000]) {
      const limiter = new KeyFrameLimiter();
      limiter.want(START); // any first look at the clock
      limiter.keyFrame();
      const sent: number[] = [];
      for (let us = 0; us < 10 * SECOND; us += 1_000) {
        limiter.want(START + quietUs + us);
        if (limiter.take(START + quietUs + us)) sent.push(us);
        limiter.keyFrame();
      }
      for (const [i, us] of sent.entries()) expect(i + 1).toBeLessThanOrEqual(KEY_REQUEST_BURST + us / SECOND);
    }
  });

  it("are never two within 100 ms, nor more in any span than twenty and its seconds, and nobody waits for ever", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(5_000, 60_000, 90_000, 700_000),
        (gaps, answerUs) => {
          const wants: number[] = [];
          for (const gap of gaps) wants.push((wants.at(-1) ?? START) + gap);
          const sent = drive(wants, answerUs);
          for (let i = 1; i < sent.length; i++) {
            expect(sent[i]! - sent[i - 1]!).toBeGreaterThanOrEqual(KEY_REQUEST_SPACING_US);
          }
          for (let from = 0; from < sent.length; from++) {
            for (let to = from + KEY_REQUEST_BURST; to < sent.length; to++) {
              const spanUs = sent[to]! - sent[from]!;
              expect(to - from + 1).toBeLessThanOrEqual(KEY_REQUEST_BURST + spanUs / SECOND);
            }
          }
          // Each wish is followed by a request, or by the key frame of one before it.
          for (const want of wants) expect(sent.some((at) => at + answerUs >= want)).toBe(true);
        },
      ),
    );
  });
});
