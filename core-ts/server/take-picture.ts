/**
 * One picture of a camera: the next one of its MJPEG encoder where that is what is asked for, else one taken apart. Row 3.
 */
import type { Micros } from "../time/units.ts";
import type { Cameras } from "./cameras.ts";
import type { CaptureSpec, Captures, NotCaptured } from "./captures.ts";
import type { Picture } from "./picture.ts";
import type { StreamProfile } from "./profiles.ts";

/** What is asked for; absent: as the stream has it. */
export type PictureWish = {
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** 1 … 100. */
  readonly quality?: number | undefined;
  readonly rotation?: 0 | 90 | 180 | 270 | undefined;
};

type Size = { readonly width: number; readonly height: number };

/** JPEG quality of pictures of cameras without an MJPEG profile. */
const QUALITY = 80;
/** Size of theirs where the host names none. */
const SIZE: Size = { width: 1_280, height: 720 };

/**
 * Takes the picture.
 * @param o.profile an MJPEG profile of the camera, where there is one.
 * @param o.waitUs for the next picture of a stream.
 * @param o.afterUs only a picture taken later is wanted.
 * @param done told once: with a picture that the receiver releases, or why there is none.
 */
export function takePicture(
  { captures, cameras }: { readonly captures: Captures; readonly cameras: Cameras },
  camera: string,
  wish: PictureWish,
  o: { readonly profile: StreamProfile | undefined; readonly waitUs: Micros; readonly afterUs?: Micros | undefined },
  done: (outcome: Picture | NotCaptured) => void,
): { cancel(): void } {
  const { profile } = o;
  const base = baseOf(cameras, camera, profile);
  const spec = specOf(wish, base);
  const mjpeg = profile?.mjpeg;
  if (mjpeg === undefined || JSON.stringify(spec) !== JSON.stringify(base)) return captures.take(camera, spec, done);
  const { encoder } = mjpeg;
  encoder.acquire();
  let over = false;
  const finish = (): void => {
    over = true;
    encoder.release();
  };
  const wait = mjpeg.awaitPicture(
    o.waitUs,
    (outcome) => {
      finish();
      done("failed" in outcome ? { failed: outcome.failed, why: "unavailable" } : outcome);
    },
    o.afterUs,
  );
  return {
    cancel: () => {
      if (over) return;
      wait.cancel();
      finish();
    },
  };
}

function baseOf(cameras: Cameras, camera: string, profile: StreamProfile | undefined): CaptureSpec {
  if (profile === undefined) {
    const info = cameras.infoOf(camera);
    const { width, height } = info?.still ?? info?.sizes[0] ?? SIZE;
    return { width, height, quality: QUALITY, rotation: "auto" };
  }
  const { spec, format } = profile.encoder;
  const { width, height } = format ?? spec;
  return { width, height, quality: spec.quality ?? QUALITY, rotation: spec.rotation };
}

function specOf({ width, height, quality, rotation }: PictureWish, base: CaptureSpec): CaptureSpec {
  const turn = rotation ?? base.rotation;
  const size = isUpright(turn) === isUpright(base.rotation) ? base : { width: base.height, height: base.width };
  return { ...sizeOf(width, height, size), quality: quality ?? base.quality, rotation: turn };
}

/** One side alone keeps the shape; encoders like even numbers. */
function sizeOf(width: number | undefined, height: number | undefined, base: Size): Size {
  const even = (pixels: number): number => Math.max(2, Math.round(pixels / 2) * 2);
  if (width !== undefined) return { width, height: height ?? even((width * base.height) / base.width) };
  if (height !== undefined) return { width: even((height * base.width) / base.height), height };
  return { width: base.width, height: base.height };
}

function isUpright(rotation: CaptureSpec["rotation"]): boolean {
  return rotation !== 90 && rotation !== 270;
}
