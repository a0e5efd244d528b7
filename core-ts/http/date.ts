/**
 * HTTP dates (RFC 9110 section 5.6.7), which RTSP's `Date` uses too. Row 1.
 */
import { MICROS_PER_MILLI, type WallMicros } from "../time/units.ts";

/** Such as `Sun, 06 Nov 1994 08:49:37 GMT`; seconds are cut, not rounded. */
export function httpDate(wallUs: WallMicros): string {
  return new Date(Math.floor(wallUs / MICROS_PER_MILLI)).toUTCString();
}
