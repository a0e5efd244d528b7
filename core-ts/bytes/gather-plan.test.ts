import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatherPlan } from "./gather-plan.ts";
import { hex } from "./text.ts";

const written = (plan: GatherPlan): string => hex(plan.bytes.subarray(0, plan.length));

describe("Gather plan", () => {
  it("is a byte program of literals, slices and boundaries, big-endian", () => {
    const plan = new GatherPlan();
    plan.literal(7);
    plan.u8(0x80);
    plan.u16(0xfedc);
    plan.u32(0x89abcdef);
    plan.slice(0x01020304, 0x8000_0001);
    plan.boundary();
    plan.literalBytes([0, 255]);
    // biome-ignore format: one op a line
    expect(written(plan)).toBe([
      "01" + "0007" + "80" + "fedc" + "89abcdef",
      "02" + "01020304" + "80000001",
      "03",
      "01" + "0002" + "00ff",
    ].join(""));
  });

  it("holds literals of up to 65,535 bytes", () => {
    const plan = new GatherPlan();
    const source = new Uint8Array(65_535).fill(7);
    plan.literalBytes(source);
    expect(plan.length).toBe(3 + 65_535);
    expect(hex(plan.bytes.subarray(0, 4))).toBe("01ffff07");
    expect(hex(plan.bytes.subarray(plan.length - 1, plan.length))).toBe("07");
  });

  it("begins anew with reset", () => {
    const plan = new GatherPlan();
    plan.boundary();
    plan.reset();
    expect(plan.length).toBe(0);
    plan.slice(1, 2);
    expect(written(plan)).toBe("020000000100000002");
  });

  it("takes the smallest power of two that was asked for, and the same buffer again for the same size", () => {
    const plan = new GatherPlan();
    expect(plan.bytes.length).toBe(512);
    const small = plan.bytes;
    plan.reset(513);
    const large = plan.bytes;
    expect(large.length).toBe(1024);
    plan.reset(512);
    expect(plan.bytes).toBe(small);
    plan.reset(700);
    expect(plan.bytes).toBe(large);
    expect(large.byteOffset).toBe(0);
    expect(large.buffer.byteLength).toBe(1024);
  });

  it("grows without losing what it holds, however little was asked for", () => {
    const plan = new GatherPlan();
    let expected = "";
    for (let i = 0; i < 1000; i++) {
      plan.slice(i, 1);
      plan.literalBytes([i]);
      expected += `02${i.toString(16).padStart(8, "0")}00000001` + `010001${(i & 0xff).toString(16).padStart(2, "0")}`;
    }
    expect(plan.bytes.length).toBe(16_384);
    expect(written(plan)).toBe(expected);
  });

  it("holds any mix of ops, in whatever buffer it began", () => {
    const op = fc.oneof(
      fc.record({ kind: fc.constant("literal" as const), bytes: fc.uint8Array({ maxLength: 700 }) }),
      fc.record({ kind: fc.constant("slice" as const), offset: fc.nat(), length: fc.nat() }),
      fc.record({ kind: fc.constant("boundary" as const) }),
    );
    const plan = new GatherPlan();
    fc.assert(
      fc.property(fc.array(op, { maxLength: 40 }), fc.nat(3000), (ops, asked) => {
        plan.reset(asked);
        let expected = "";
        for (const each of ops) {
          if (each.kind === "literal") {
            plan.literalBytes(each.bytes);
            expected += `01${each.bytes.length.toString(16).padStart(4, "0")}${hex(each.bytes)}`;
          } else if (each.kind === "slice") {
            plan.slice(each.offset, each.length);
            expected += `02${each.offset.toString(16).padStart(8, "0")}${each.length.toString(16).padStart(8, "0")}`;
          } else {
            plan.boundary();
            expected += "03";
          }
        }
        expect(written(plan)).toBe(expected);
      }),
    );
  });
});
