/**
 * The streams on offer: each profile of the configuration with its encoder and its feeds. Row 3.
 *
 * An H.264 profile has an encoder of its own. JPEG profiles of one camera and size share one, which also serves the HTTP
 * stream and the snapshots.
 */
import type { EncoderSpec } from "../../bindings/contract/host.ts";
import type { Config } from "../config/config.ts";
import type { AdaptSettings, Profile } from "../config/profiles.ts";
import { WallClockLatch } from "../stream/wall-clock-latch.ts";
import { seconds } from "../time/units.ts";
import { Adaptation } from "./adaptation.ts";
import type { Cameras } from "./cameras.ts";
import { Encoder } from "./encoder.ts";
import { MjpegFeed } from "./mjpeg-feed.ts";
import { RtpFeed } from "./rtp-feed.ts";
import type { Runtime } from "./runtime.ts";

/** A JPEG picture's expected size for bounds: bits a pixel at ordinary qualities. */
const JPEG_BITS_PER_PIXEL = 1;

export type StreamProfile = {
  readonly path: string;
  /** The path in lower case, by which requests find it. */
  readonly key: string;
  readonly settings: Profile;
  readonly encoder: Encoder;
  readonly adaptation: Adaptation;
  readonly feed: RtpFeed;
  /** Of JPEG profiles. */
  readonly mjpeg: MjpegFeed | undefined;
  readonly wallClock: WallClockLatch;
  /** Canonical name of the RTCP source (RFC 3550 section 6.5.1), the same for all streams of this run. */
  readonly cname: string;
  /** Expected bits per second, for the outlets' bounds. */
  readonly nominalBitrate: number;
  /** Everything that makes the stream what it is: a change means another stream. */
  readonly fingerprint: string;
};

type EncoderEntry = {
  readonly encoder: Encoder;
  readonly adaptation: Adaptation;
  readonly mjpeg: MjpegFeed | undefined;
};

export class StreamProfiles {
  readonly #runtime: Runtime;
  readonly #cameras: Cameras;
  readonly #cname: string;
  readonly #wallClocks = new Map<string, WallClockLatch>();
  #profiles = new Map<string, StreamProfile>();
  #encoders = new Map<string, EncoderEntry>();

  constructor(runtime: Runtime, cameras: Cameras) {
    this.#runtime = runtime;
    this.#cameras = cameras;
    this.#cname = `porthole-${runtime.randomHex(8)}`;
  }

  /**
   * Takes a configuration. Profiles that it leaves as they were go on untouched.
   * @returns the profiles that are no more; the caller ends their viewers, then hands them to {@link retire}.
   */
  apply(config: Config): StreamProfile[] {
    const before = this.#profiles;
    this.#profiles = new Map();
    for (const settings of config.profiles) {
      const profile = this.#build(settings, config, before.get(settings.path.toLowerCase()));
      this.#profiles.set(profile.key, profile);
    }
    for (const encoder of this.encoders()) {
      const camera = config.cameras[encoder.spec.camera];
      encoder.keepOpen(camera?.alwaysOn === true && camera.enabled);
    }
    return [...before.values()].filter((profile) => this.#profiles.get(profile.key) !== profile);
  }

  /** Lets go of profiles that {@link apply} has replaced, and closes the encoders that no profile uses any more. */
  retire(profiles: readonly StreamProfile[]): void {
    for (const profile of profiles) profile.encoder.removeConsumer(profile.feed);
    const used = new Set(this.all().map((profile) => profile.encoder));
    for (const [key, { encoder }] of this.#encoders) {
      if (used.has(encoder)) continue;
      this.#encoders.delete(key);
      encoder.shutDown("the profile was changed");
    }
  }

  all(): StreamProfile[] {
    return [...this.#profiles.values()];
  }

  /** Encoders in use by any profile, each once. */
  encoders(): Encoder[] {
    return [...new Set(this.all().map((profile) => profile.encoder))];
  }

  adaptationOf(encoder: Encoder): Adaptation | undefined {
    return this.all().find((profile) => profile.encoder === encoder)?.adaptation;
  }

  byKey(key: string): StreamProfile | undefined {
    return this.#profiles.get(key);
  }

  /** The JPEG profile behind an HTTP path: the profile's own, or `/<camera>` for a camera's first. */
  jpegByHttpKey(key: string): StreamProfile | undefined {
    const own = this.#profiles.get(key);
    if (own?.mjpeg !== undefined) return own;
    return this.all().find(
      (profile) => profile.mjpeg !== undefined && key === `/${profile.settings.camera.toLowerCase()}`,
    );
  }

  #build(settings: Profile, config: Config, before: StreamProfile | undefined): StreamProfile {
    const camera = config.cameras[settings.camera];
    const jpeg = settings.codec === "mjpeg";
    const spec: EncoderSpec = {
      camera: settings.camera,
      codec: jpeg ? "jpeg" : "h264",
      width: settings.width,
      height: settings.height,
      fps: jpeg ? Math.min(settings.fps, config.mjpeg.fps) : settings.fps,
      rotation: camera?.rotation ?? "auto",
      mirror: camera?.mirror ?? false,
      ...(camera?.clock === true ? { clock: true } : {}),
      ...(jpeg ? { quality: settings.quality } : { bitrate: settings.bitrate, keyIntervalMs: settings.keyIntervalMs }),
    };
    const lingerUs = seconds(camera?.linger ?? 10);
    const identity = jpeg
      ? `jpeg ${settings.camera} ${settings.width}x${settings.height}`
      : `h264 ${settings.path.toLowerCase()}`;
    // The first JPEG profile of a camera and size decides rate and quality for all that share its encoder.
    const sharedKey = [...this.#encoders.keys()].find(
      (key) => jpeg && key.startsWith(`${identity} `) && this.#isUsedBySoFar(key),
    );
    const encoderKey =
      sharedKey ?? `${identity} ${JSON.stringify({ spec, lingerUs, enabled: camera?.enabled, adapt: settings.adapt })}`;
    const fingerprint = `${encoderKey} ${config.rtsp.payloadSize} ${JSON.stringify(settings)}`;
    if (before?.fingerprint === fingerprint) return before;
    const { encoder, adaptation, mjpeg } = this.#encoderFor(encoderKey, identity, spec, lingerUs, settings.adapt);
    return {
      path: settings.path,
      key: settings.path.toLowerCase(),
      settings,
      encoder,
      adaptation,
      feed: new RtpFeed(this.#runtime, encoder, config.rtsp.payloadSize),
      mjpeg,
      wallClock: this.#wallClockOf(settings.camera),
      cname: this.#cname,
      get nominalBitrate() {
        if (jpeg) return settings.width * settings.height * JPEG_BITS_PER_PIXEL * spec.fps;
        return encoder.spec.bitrate ?? settings.bitrate;
      },
      fingerprint,
    };
  }

  #isUsedBySoFar(encoderKey: string): boolean {
    const encoder = this.#encoders.get(encoderKey)?.encoder;
    return this.all().some((profile) => profile.encoder === encoder);
  }

  #encoderFor(key: string, label: string, spec: EncoderSpec, lingerUs: number, adapt: AdaptSettings): EncoderEntry {
    let entry = this.#encoders.get(key);
    if (entry === undefined) {
      const encoder = new Encoder(this.#runtime, this.#cameras, label, spec, lingerUs);
      const adaptation = new Adaptation(this.#runtime, encoder, adapt);
      entry = { encoder, adaptation, mjpeg: spec.codec === "jpeg" ? new MjpegFeed(this.#runtime, encoder) : undefined };
      this.#encoders.set(key, entry);
    }
    return entry;
  }

  #wallClockOf(camera: string): WallClockLatch {
    let latch = this.#wallClocks.get(camera);
    if (latch === undefined) {
      latch = new WallClockLatch();
      this.#wallClocks.set(camera, latch);
    }
    return latch;
  }
}
