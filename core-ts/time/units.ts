/**
 * Time and rate units that cross modules. Row 0.
 *
 * They are plain numbers at run time; the brand keeps microseconds from being handed to something that counts 90 kHz.
 */

declare const unit: unique symbol;
type Quantity<Name extends string> = number & { readonly [unit]?: Name };

/** Microseconds of the host's monotonic clock (`nowUs`), or a span of them. An integer below 2^53. */
export type Micros = Quantity<"microseconds">;

/** Microseconds since 1970-01-01T00:00:00Z by the host's wall clock, which may step. */
export type WallMicros = Quantity<"wall microseconds">;

/** An RTP timestamp in the stream's clock rate, modulo 2^32 (RFC 3550 section 5.1). */
export type RtpTime = Quantity<"RTP timestamp">;

/** Bits per second. */
export type BitsPerSecond = Quantity<"bits per second">;

export const MICROS_PER_SECOND = 1_000_000;
export const MICROS_PER_MILLI = 1_000;

/** A span given in milliseconds, as microseconds. */
export const millis = (ms: number): Micros => ms * MICROS_PER_MILLI;

/** A span given in seconds, as microseconds. */
export const seconds = (s: number): Micros => s * MICROS_PER_SECOND;
