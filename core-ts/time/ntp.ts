/**
 * NTP timestamps as RTCP carries them (RFC 3550 section 4, RFC 5905 section 6). Row 0.
 */
import { MICROS_PER_SECOND, type WallMicros } from "./units.ts";

/** Seconds between the NTP epoch (1900) and the Unix epoch (1970). */
const NTP_UNIX_OFFSET_S = 2_208_988_800;
const TWO_POW_32 = 0x1_0000_0000;

/** A 64-bit NTP timestamp in two halves, each 0 … 2^32-1. */
export type NtpTime = { readonly seconds: number; readonly fraction: number };

/** Wall-clock time as an NTP timestamp; seconds are modulo 2^32 (era 1 begins in 2036). */
export function ntpFromWall(wallUs: WallMicros): NtpTime {
  const wholeSeconds = Math.floor(wallUs / MICROS_PER_SECOND);
  const restUs = wallUs - wholeSeconds * MICROS_PER_SECOND;
  return {
    seconds: (wholeSeconds + NTP_UNIX_OFFSET_S) % TWO_POW_32,
    fraction: Math.floor((restUs * TWO_POW_32) / MICROS_PER_SECOND),
  };
}

/** The middle 32 bits, which receiver reports echo as LSR (RFC 3550 section 6.4.1). */
export function ntpMiddle(time: NtpTime): number {
  return (((time.seconds & 0xffff) << 16) | (time.fraction >>> 16)) >>> 0;
}
