import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SENT_FRAMES, SentFrames } from "./sent-frames.ts";

describe("how many packets frames became", () => {
  it("is summed from the first to the last, both inclusive, over frames of other encoders between them", () => {
    const sent = new SentFrames();
    for (const [frame, packets] of [
      [10, 3],
      [12, 5],
      [15, 7],
      [16, 1],
    ] as const) {
      sent.note(frame, packets);
    }
    expect(sent.packetsOf(12, 15)).toBe(12);
    expect(sent.packetsOf(11, 14)).toBe(5);
    expect(sent.packetsOf(10, 10)).toBe(3);
    expect(sent.packetsOf(1, 99)).toBe(16);
    expect(sent.packetsOf(13, 14)).toBe(0);
    expect(sent.packetsOf(17, 99)).toBe(0);
    expect(sent.packetsOf(1, 9)).toBe(0);
  });

  it("is nothing before the first frame, and frame 0 is none", () => {
    expect(new SentFrames().packetsOf(0, 0)).toBe(0);
    expect(new SentFrames().packetsOf(-1, 5)).toBe(0);
  });

  it("is remembered of the last 512 frames, and no longer", () => {
    const sent = new SentFrames();
    for (let frame = 1; frame <= 2 * SENT_FRAMES + 100; frame++) {
      sent.note(frame, 1);
      expect(sent.packetsOf(1, frame)).toBe(Math.min(frame, SENT_FRAMES));
    }
    expect(sent.packetsOf(1, SENT_FRAMES + 100)).toBe(0);
  });

  it("is what a list of the last frames says, for any frames and any span", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 30 })), { maxLength: 700 }),
        fc.nat(1_500),
        fc.nat(1_500),
        (steps, a, b) => {
          const sent = new SentFrames();
          const list: [number, number][] = [];
          let frame = 0;
          for (const [step, packets] of steps) {
            frame += step;
            sent.note(frame, packets);
            list.push([frame, packets]);
          }
          const [first, last] = [Math.min(a, b), Math.max(a, b)];
          const expected = list
            .slice(-SENT_FRAMES)
            .filter(([each]) => each >= first && each <= last)
            .reduce((sum, [, packets]) => sum + packets, 0);
          expect(sent.packetsOf(first, last)).toBe(expected);
        },
      ),
    );
  });
});

describe("what was sent up to a packet", () => {
  it("is found by its sequence number, with the time of its frame and of the next packet's", () => {
    const sent = new SentFrames();
    sent.note(1, 4, 0xffff, 4_000, 10);
    sent.note(2, 2, 1, 1_000, 50);
    sent.note(3, 1, 2, 700, 90);
    expect(sent.upTo(0xfffe)).toEqual({ packets: 3, octets: 3_000, sentUs: 10, nextUs: 10 });
    expect(sent.upTo(0xffff)).toEqual({ packets: 4, octets: 4_000, sentUs: 10, nextUs: 50 });
    expect(sent.upTo(0)).toEqual({ packets: 5, octets: 4_500, sentUs: 50, nextUs: 50 });
    expect(sent.upTo(1)).toEqual({ packets: 6, octets: 5_000, sentUs: 50, nextUs: 90 });
    expect(sent.upTo(2)).toEqual({ packets: 7, octets: 5_700, sentUs: 90, nextUs: undefined });
  });

  it("is nothing for one that is yet to come, or was never", () => {
    const sent = new SentFrames();
    expect(sent.upTo(0)).toBeUndefined();
    sent.note(1, 4, 100, 4_000, 10);
    expect(sent.upTo(101)).toBeUndefined();
    expect(sent.upTo(96)).toBeUndefined();
    expect(sent.upTo(97)).toBeDefined();
  });

  it("is nothing for one of more than 512 frames ago", () => {
    const sent = new SentFrames();
    for (let frame = 1; frame <= SENT_FRAMES + 1; frame++) sent.note(frame, 2, 2 * frame, 100, frame);
    expect(sent.upTo(2)).toBeUndefined();
    expect(sent.upTo(3)).toMatchObject({ packets: 3, sentUs: 2 });
  });
});
