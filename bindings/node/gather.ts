/**
 * Runs gather plans: the byte programs with which the core says what to send of a frame. Host side.
 *
 * The program is defined in `bindings/contract/README.md`; numbers are big-endian.
 *
 *     literal   01 | length u16 | bytes
 *     slice     02 | offset u32 | length u32
 *     boundary  03
 */
import { PLAN_MAX_BYTES } from "../contract/host.ts";

const LITERAL = 1;
const SLICE = 2;
const BOUNDARY = 3;
const LITERAL_HEADER_BYTES = 3;
const SLICE_BYTES = 9;

/** What a plan yields: one buffer that all members share, and where its packets end. */
export type Gathered = {
  readonly bytes: Buffer;
  /** Ends of the packets, rising; the last is the buffer's length. */
  readonly packetEnds: readonly number[];
};

/** A plan that was found well-formed, and what it will yield. */
export type CheckedPlan = { readonly plan: Buffer; readonly bytes: number; readonly packetEnds: readonly number[] };

/**
 * Checks a plan against the length of its frame, without copying anything.
 * @param frameBytes 0 for a plan without a frame, in which no slice of even one byte fits.
 * @returns undefined when the plan is ill-formed or leaves the frame.
 */
export function checkPlan(program: Int8Array, length: number, frameBytes: number): CheckedPlan | undefined {
  if (!Number.isInteger(length) || length < 0 || length > program.byteLength || length > PLAN_MAX_BYTES)
    return undefined;
  const plan = Buffer.from(program.buffer, program.byteOffset, length);
  const packetEnds: number[] = [];
  let bytes = 0;
  let packetStart = 0;
  let at = 0;
  while (at < length) {
    switch (plan[at]) {
      case LITERAL: {
        if (at + LITERAL_HEADER_BYTES > length) return undefined;
        const literalBytes = plan.readUInt16BE(at + 1);
        at += LITERAL_HEADER_BYTES + literalBytes;
        if (at > length) return undefined;
        bytes += literalBytes;
        break;
      }
      case SLICE: {
        if (at + SLICE_BYTES > length) return undefined;
        const sliceBytes = plan.readUInt32BE(at + 5);
        if (plan.readUInt32BE(at + 1) + sliceBytes > frameBytes) return undefined;
        at += SLICE_BYTES;
        bytes += sliceBytes;
        break;
      }
      case BOUNDARY:
        at += 1;
        if (bytes > packetStart) packetEnds.push(bytes);
        packetStart = bytes;
        break;
      default:
        return undefined;
    }
  }
  if (bytes > packetStart) packetEnds.push(bytes);
  return { plan, bytes, packetEnds };
}

/** Runs a checked plan over the frame it was checked against. */
export function runPlan(checked: CheckedPlan, frame: Buffer | undefined): Gathered {
  const { plan } = checked;
  const bytes = Buffer.allocUnsafeSlow(checked.bytes);
  let to = 0;
  let at = 0;
  while (at < plan.length) {
    if (plan[at] === LITERAL) {
      const start = at + LITERAL_HEADER_BYTES;
      at = start + plan.readUInt16BE(at + 1);
      to += plan.copy(bytes, to, start, at);
    } else if (plan[at] === SLICE) {
      const offset = plan.readUInt32BE(at + 1);
      to += frame?.copy(bytes, to, offset, offset + plan.readUInt32BE(at + 5)) ?? 0;
      at += SLICE_BYTES;
    } else {
      at += 1;
    }
  }
  return { bytes, packetEnds: checked.packetEnds };
}
