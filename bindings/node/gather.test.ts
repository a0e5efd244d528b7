import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatherPlan } from "../../core-ts/bytes/gather-plan.ts";
import { PLAN_MAX_BYTES } from "../contract/host.ts";
import { checkPlan, runPlan } from "./gather.ts";

const program = (text: string) => Int8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

describe("a gather plan", () => {
  it("yields its literals and slices in order, and where packets end", () => {
    const frame = Buffer.from("0123456789");
    const plan = program("01 0002 4142  02 00000003 00000004  03  03  01 0001 43  02 00000000 00000001");
    const checked = checkPlan(plan, plan.length, frame.length)!;
    expect(checked.packetEnds).toEqual([6, 8]);
    expect(runPlan(checked, frame).bytes.toString()).toBe("AB3456C0");
  });

  it("is read up to its length only", () => {
    const plan = program("01 0001 41 03 99 99");
    expect(checkPlan(plan, 5, 0)?.packetEnds).toEqual([1]);
    expect(checkPlan(plan, 6, 0)).toBeUndefined();
    expect(checkPlan(plan, 8, 0)).toBeUndefined();
    expect(checkPlan(plan, -1, 0)).toBeUndefined();
    expect(checkPlan(plan, 4.5, 0)).toBeUndefined();
  });

  it("may be up to 1 MiB long", () => {
    const plan = new Int8Array(PLAN_MAX_BYTES + 1).fill(3);
    expect(checkPlan(plan, PLAN_MAX_BYTES, 0)?.bytes).toBe(0);
    expect(checkPlan(plan, PLAN_MAX_BYTES + 1, 0)).toBeUndefined();
  });

  it.each([
    "04",
    "00",
    "01",
    "01 00",
    "01 0002 41",
    "02 00000000 0000000b",
    "02 0000000a 00000001",
    "02 00000000 000000",
  ])("is refused as %s on a frame of 10 bytes", (text) => {
    const plan = program(text);
    expect(checkPlan(plan, plan.length, 10)).toBeUndefined();
  });

  it("yields what the core's own writer meant, for any plan", () => {
    const frame = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const part = fc.oneof(
      fc.record({ literal: fc.uint8Array({ maxLength: 20 }) }),
      fc.tuple(fc.nat(256), fc.nat(256)).map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) })),
      fc.constant("boundary" as const),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 30 }), (parts) => {
        const writer = new GatherPlan();
        writer.reset();
        let packets: Buffer[] = [Buffer.alloc(0)];
        const append = (bytes: Uint8Array) => packets.push(Buffer.concat([packets.pop()!, bytes]));
        for (const each of parts) {
          if (each === "boundary") {
            writer.boundary();
            packets.push(Buffer.alloc(0));
          } else if ("literal" in each) {
            writer.literalBytes(each.literal);
            append(each.literal);
          } else {
            writer.slice(each.from, each.to - each.from);
            append(frame.subarray(each.from, each.to));
          }
        }
        packets = packets.filter((packet) => packet.length > 0);
        const checked = checkPlan(writer.bytes, writer.length, frame.length)!;
        const { bytes, packetEnds } = runPlan(checked, frame);
        expect(packetEnds.map((end, i) => bytes.subarray(i === 0 ? 0 : packetEnds[i - 1]!, end))).toEqual(packets);
        expect(bytes).toEqual(Buffer.concat(packets));
      }),
    );
  });
});
