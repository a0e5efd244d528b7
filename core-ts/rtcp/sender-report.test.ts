import { describe, expect, it } from "vitest";
import { hex } from "../bytes/text.ts";
import { encodeCompound } from "./compound.ts";
import type { SenderReport } from "./sender-report.ts";

const REPORT: SenderReport = {
  type: "sender-report",
  ssrc: 1,
  ntp: { seconds: 2, fraction: 3 },
  rtpTime: 4,
  packets: 5,
  octets: 6,
  blocks: [],
};

describe("Sender report", () => {
  it("gives wall time, stream time and the counts, in this order", () => {
    expect(hex(encodeCompound([REPORT]))).toBe("80c80006000000010000000200000003000000040000000500000006");
  });

  it("counts packets and octets modulo 2^32", () => {
    const bytes = encodeCompound([{ ...REPORT, packets: 2 ** 32 + 1, octets: 5 * 2 ** 32 + 0xffff_fffe }]);
    expect(hex(bytes.subarray(20))).toBe("00000001fffffffe");
  });
});
