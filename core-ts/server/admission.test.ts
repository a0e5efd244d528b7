import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Admission } from "./admission.ts";

describe("admission", () => {
  it("lets in up to the bound of an address, then up to the bound of all, and says which was reached", () => {
    const admission = new Admission(3, 2);
    expect(["a", "a", "a", "b", "b"].map((address) => admission.enter(address))).toEqual([
      "ok",
      "ok",
      "too-many-of-address",
      "ok",
      "too-many",
    ]);
    expect([admission.connections, admission.refused]).toEqual([3, 2]);
    admission.leave("a");
    expect(admission.enter("b")).toBe("ok");
    expect(admission.enter("a")).toBe("too-many");
  });

  it("takes new bounds without putting anybody out", () => {
    const admission = new Admission(10, 10);
    for (let i = 0; i < 5; i++) admission.enter("a");
    admission.setLimits(10, 3);
    expect(admission.connections).toBe(5);
    expect(admission.enter("a")).toBe("too-many-of-address");
    for (let i = 0; i < 3; i++) admission.leave("a");
    expect(admission.enter("a")).toBe("ok");
  });

  it("never lets in more than its bounds, and is empty when all have left", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.tuple(fc.boolean(), fc.constantFrom("a", "b", "c", "d")), { maxLength: 200 }),
        (most, mostPerAddress, steps) => {
          const admission = new Admission(most, mostPerAddress);
          const inside: string[] = [];
          for (const [enters, address] of steps) {
            const of = inside.filter((each) => each === address).length;
            if (enters) {
              const verdict = admission.enter(address);
              expect(verdict === "ok").toBe(inside.length < most && of < mostPerAddress);
              if (verdict === "ok") inside.push(address);
            } else if (of > 0) {
              admission.leave(address);
              inside.splice(inside.indexOf(address), 1);
            }
            expect(admission.connections).toBe(inside.length);
          }
          for (const address of inside) admission.leave(address);
          expect(admission.connections).toBe(0);
          expect(admission.enter("a")).toBe("ok");
        },
      ),
    );
  });
});
