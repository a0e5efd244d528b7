import fc from "fast-check";
import { expect, it } from "vitest";
import { TextCollector } from "./text-collector.ts";

it("gives back what was pushed, whole, and is empty afterwards", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 600 })), (pieces) => {
      const collector = new TextCollector();
      for (const piece of pieces) collector.push(piece);
      const whole = pieces.join("");
      expect(collector.length).toBe(whole.length);
      expect(collector.take()).toBe(whole);
      expect(collector.length).toBe(0);
      expect(collector.take()).toBe("");
    }),
    { numRuns: 50 },
  );
});

it("merges single bytes", () => {
  const collector = new TextCollector();
  for (let i = 0; i < 1000; i++) collector.push(String(i % 10));
  expect(collector.take()).toBe("0123456789".repeat(100));
});
