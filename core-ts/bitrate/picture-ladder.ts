/**
 * How a JPEG stream is made smaller: quality first, then the frame rate. Row 2.
 *
 * Steps from the best to the least, each with the share of the best one's bits that it takes. How many bits a quality takes
 * depends on the picture; the table is the mean of what ordinary pictures take, and only differences of it are used.
 */

export type PictureStep = {
  /** 1 … 100. */
  readonly quality: number;
  /** Frames a second. */
  readonly fps: number;
  /** Bits it takes, as a share of the first step's. */
  readonly share: number;
};

const QUALITY_STEP = 10;
const FPS_STEP = 0.75;

/** Bytes of a picture by quality, relative to quality 80; between the entries it goes straight. */
const BYTES_BY_QUALITY: readonly (readonly [quality: number, bytes: number])[] = [
  [1, 0.3],
  [20, 0.48],
  [40, 0.62],
  [60, 0.74],
  [80, 1],
  [90, 1.5],
  [100, 3.2],
];

function bytesOf(quality: number): number {
  let [fromQuality, fromBytes] = BYTES_BY_QUALITY[0]!;
  for (const [toQuality, toBytes] of BYTES_BY_QUALITY) {
    if (quality <= toQuality) {
      const part = toQuality === fromQuality ? 1 : (quality - fromQuality) / (toQuality - fromQuality);
      return fromBytes + part * (toBytes - fromBytes);
    }
    [fromQuality, fromBytes] = [toQuality, toBytes];
  }
  return fromBytes;
}

/** The steps, at least one. Least values above the best ones count as these. */
export function pictureSteps(
  best: { readonly quality: number; readonly fps: number },
  least: { readonly quality: number; readonly fps: number },
): PictureStep[] {
  const step = (quality: number, fps: number): PictureStep => ({
    quality,
    fps,
    share: (bytesOf(quality) * fps) / (bytesOf(best.quality) * best.fps),
  });
  const steps = [step(best.quality, best.fps)];
  let { quality, fps } = best;
  while (quality > least.quality) {
    quality = Math.max(least.quality, quality - QUALITY_STEP);
    steps.push(step(quality, fps));
  }
  while (fps > least.fps) {
    fps = Math.max(least.fps, Math.round(fps * FPS_STEP * 10) / 10);
    steps.push(step(quality, fps));
  }
  return steps;
}

/** A better step is taken only when it fits with so much to spare. */
const SPARE = 1.1;

/**
 * The best step that fits.
 * @param share of the first step's bits.
 * @param now the index of the step in use.
 */
export function chooseStep(steps: readonly PictureStep[], share: number, now: number): number {
  if (share >= 1) return 0;
  for (const [index, step] of steps.entries()) if (step.share * (index < now ? SPARE : 1) <= share) return index;
  return steps.length - 1;
}
