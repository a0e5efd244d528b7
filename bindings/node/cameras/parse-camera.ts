/**
 * Camera sources as the command line names them: `--camera NAME=SPEC`. They never come from a configuration or the API,
 * since they can name any file and start a program.
 */
import type { CameraSource } from "../camera-source.ts";
import { CameraFault } from "./camera-fault.ts";
import { CLIP_CAMERA_MAX_FPS, ClipCamera } from "./clip-camera.ts";
import { FfmpegCamera } from "./ffmpeg-camera.ts";
import { TestCamera } from "./test-camera.ts";

/** What a spec may look like, for usage texts. */
export const CAMERA_SPECS =
  "test:back[?padded], test:front[?padded], clip:PATH[@FPS][?exact], file:PATH, v4l2:/dev/videoN, lavfi:GRAPH";

/**
 * The camera of `--camera NAME=SPEC`. Nothing is opened yet: a missing file shows in `info()` and when an encoder opens.
 * @param name for messages only.
 * @throws CameraFault with one line for the operator when the spec makes no sense.
 */
export function createCamera(name: string, spec: string): CameraSource {
  const fault = (message: string): never => {
    throw new CameraFault(`camera ${name}: ${message}`);
  };
  const colon = spec.indexOf(":");
  const kind = spec.slice(0, Math.max(0, colon));
  const target = spec.slice(colon + 1);
  switch (kind) {
    case "test": {
      const padded = target.endsWith("?padded");
      const camera = padded ? target.slice(0, -"?padded".length) : target;
      if (camera !== "back" && camera !== "front") return fault(`test:${target} isn't one of test:back, test:front`);
      return new TestCamera({ camera, padded });
    }
    case "clip":
      return new ClipCamera(parseClipSpec(target, fault));
    case "file":
      if (target === "") return fault("file: needs a path");
      return new FfmpegCamera({ input: { kind, target } });
    case "v4l2":
      if (!target.startsWith("/dev/")) return fault("v4l2: needs a device such as v4l2:/dev/video0");
      return new FfmpegCamera({ input: { kind, target } });
    case "lavfi":
      if (target === "") return fault("lavfi: needs a filter graph such as lavfi:testsrc2");
      return new FfmpegCamera({ input: { kind, target } });
    default:
      return fault(`"${spec}" is none of ${CAMERA_SPECS}`);
  }
}

/** `PATH[@FPS][?exact]`, read from the end: the path itself may hold both signs. */
export function parseClipSpec(
  text: string,
  fault: (message: string) => never,
): { path: string; exact: boolean; fps?: number } {
  const exact = text.endsWith("?exact");
  const rest = exact ? text.slice(0, -"?exact".length) : text;
  const unknown = /\?[a-z]*$/.exec(rest);
  if (unknown !== null) return fault(`clip option "${unknown[0]}" is unknown; ?exact is the only one`);
  const rate = /@([^@/]*)$/.exec(rest);
  const path = rate === null ? rest : rest.slice(0, rate.index);
  if (path === "") return fault("clip: needs a path");
  if (rate === null) return { path, exact };
  const fps = /^[0-9]+(\.[0-9]+)?$/.test(rate[1]!) ? Number(rate[1]) : Number.NaN;
  if (!(fps > 0 && fps <= CLIP_CAMERA_MAX_FPS)) {
    return fault(`clip rate "@${rate[1]}" is no number above 0 and up to ${CLIP_CAMERA_MAX_FPS}`);
  }
  return { path, exact, fps };
}
