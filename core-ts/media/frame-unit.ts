/**
 * Where one unit of an encoded frame lies: an H.264 NAL unit, or JPEG's headers and its scan. Row 1.
 *
 * The frame's bytes stay with the host; the core sees this description and answers with a gather plan.
 */
export type MediaUnit = {
  /** First byte of the unit, counted from the frame's start. */
  readonly offset: number;
  /** Bytes of the unit, start codes not included. */
  readonly length: number;
  /** The unit's first bytes as host text; how many depends on its kind, and a scan has none. */
  readonly head: string;
};
