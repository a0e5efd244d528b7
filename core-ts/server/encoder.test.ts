import { describe, expect, it } from "vitest";
import type { Core } from "../../bindings/contract/core.ts";
import type { FrameEvent, HostEvent } from "../../bindings/contract/events.ts";
import type { EncoderSpec } from "../../bindings/contract/host.ts";
import { FakeHost, PPS, SPS } from "../../test/fakes/fake-host.ts";
import { parseConfig } from "../config/config.ts";
import { Cameras } from "./cameras.ts";
import { Encoder, type EncoderFormat, type Failure, type FrameConsumer, REOPEN_MAX_US } from "./encoder.ts";
import { Runtime } from "./runtime.ts";

const SECOND = 1_000_000;
const LINGER = 10 * SECOND;
const SPEC: EncoderSpec = {
  camera: "back",
  codec: "h264",
  width: 1280,
  height: 720,
  fps: 25,
  bitrate: 2_000_000,
  keyIntervalMs: 60_000,
  rotation: "auto",
  mirror: false,
};

/** An encoder with the loop that it needs, and what its one consumer hears. */
function bench(options: { config?: unknown; encoding?: boolean } = {}) {
  const host = new FakeHost();
  host.encoding = options.encoding ?? true;
  const runtime = new Runtime(host);
  runtime.nowUs = host.nowUs;
  const cameras = new Cameras(runtime, parseConfig(undefined, options.config).cameras);
  const encoder = new Encoder(runtime, cameras, "h264 /live/back", SPEC, LINGER);
  const heard: string[] = [];
  const frames: FrameEvent[] = [];
  const consumer: FrameConsumer = {
    onFormat: ({ width, height }) => heard.push(`format ${width}x${height}`),
    onFrame: (frame) => frames.push(frame),
    onFailed: (reason) => heard.push(`failed: ${reason}`),
  };
  encoder.addConsumer(consumer);
  const core: Core = {
    contractVersion: 1,
    start: () => undefined,
    turn(nowUs) {
      runtime.nowUs = nowUs;
      for (const event of JSON.parse(host.takeEvents()) as HostEvent[]) {
        if ("handle" in event) runtime.ownerOf(event.handle)?.onEvent(event);
      }
      runtime.timers.runDue(nowUs);
      return runtime.timers.nextDueUs();
    },
  };
  const run = (us: number): void => host.advance(core, us);
  const open = () => host.encodersOf("back");
  const fail = (reason = "another app has it"): void => {
    host.push({ type: "encoder", handle: open()[0]!.handle, state: "failed", reason });
    host.settle(core);
  };
  return { host, runtime, cameras, encoder, consumer, heard, frames, core, run, open, fail };
}

describe("an encoder on demand", () => {
  it("opens with its first user, and is one however many there are", () => {
    const { encoder, open, run, host } = bench();
    expect(encoder.state).toBe("idle");
    for (let i = 0; i < 5; i++) encoder.acquire();
    expect(encoder.state).toBe("starting");
    run(SECOND);
    expect(encoder.state).toBe("running");
    expect(open()).toHaveLength(1);
    expect(JSON.parse(host.called("encoderOpen")[0]!.args[0] as string)).toEqual(SPEC);
  });

  it("closes a linger after its last user, and is found warm by one who comes before", () => {
    const { encoder, open, run, host } = bench();
    encoder.acquire();
    encoder.acquire();
    run(SECOND);
    encoder.release();
    run(LINGER + SECOND);
    expect(open()).toHaveLength(1);
    encoder.release();
    run(LINGER - 1);
    expect(open()).toHaveLength(1);
    encoder.acquire();
    run(LINGER + SECOND);
    expect(encoder.state).toBe("running");
    expect(host.called("encoderOpen")).toHaveLength(1);
    encoder.release();
    run(LINGER);
    expect(open()).toHaveLength(0);
    expect(encoder.state).toBe("idle");
    expect(encoder.format).toBeUndefined();
  });

  it("leaves neither handle nor timer when it is idle", () => {
    const { encoder, runtime, run, fail } = bench();
    for (const end of [() => {}, () => fail()]) {
      encoder.acquire();
      encoder.requestKeyFrame();
      run(300_000);
      encoder.requestKeyFrame();
      encoder.requestKeyFrame();
      end();
      encoder.release();
      run(LINGER);
      expect(encoder.state).toBe("idle");
      expect([runtime.ownedHandles, runtime.timers.size]).toEqual([0, 0]);
    }
  });

  it("stays open without users while the camera is always on, and lingers when that ends", () => {
    const { encoder, open, run } = bench();
    encoder.keepOpen(true);
    encoder.keepOpen(true);
    encoder.acquire();
    run(SECOND);
    encoder.release();
    run(2 * LINGER);
    expect(open()).toHaveLength(1);
    encoder.keepOpen(false);
    run(LINGER - 1);
    expect(open()).toHaveLength(1);
    run(1);
    expect(open()).toHaveLength(0);
  });

  it("gives every consumer each format and frame, and none to one that has left", () => {
    const { encoder, consumer, heard, frames, run } = bench();
    encoder.acquire();
    run(SECOND);
    expect(heard).toEqual(["format 1280x720"]);
    expect(frames.length).toBe(25);
    expect(frames[0]!.key).toBe(true);
    encoder.removeConsumer(consumer);
    encoder.removeConsumer(consumer);
    run(SECOND);
    expect(frames.length).toBe(25);
  });

  it("tells its figures: rate, bytes, what the host dropped, and how often it was opened", () => {
    const { encoder, host, core, run, fail, open } = bench();
    encoder.acquire();
    run(3 * SECOND);
    const figures = encoder.figures(host.nowUs);
    expect(figures.fps).toBeCloseTo(25, 0);
    expect(figures).toMatchObject({ frames: 75, opened: 1, hostDropped: 0 });
    expect(figures.bytes).toBeGreaterThan(75 * 4_000);
    fail();
    run(2 * SECOND);
    const { handle } = open()[0]!;
    host.push({
      type: "frame",
      handle,
      frame: 999_999,
      timeUs: host.nowUs,
      key: true,
      length: 5,
      units: [],
      dropped: 7,
    });
    host.settle(core);
    expect(encoder.figures(host.nowUs)).toMatchObject({ opened: 2, hostDropped: 7 });
  });
});

describe("an encoder that fails", () => {
  /** Seconds between the openings while each fails at once. */
  function pauses(b: ReturnType<typeof bench>, failures: number): number[] {
    let at = b.host.nowUs;
    return Array.from({ length: failures }, () => {
      const before = b.host.called("encoderOpen").length;
      b.fail();
      while (b.host.called("encoderOpen").length === before) b.run(100_000);
      const pause = (b.host.nowUs - at) / SECOND;
      at = b.host.nowUs;
      return Math.round(pause * 10) / 10;
    });
  }

  it("is opened again after 1, 2, 4, 8, 16, 30, 30 … seconds while somebody waits", () => {
    const b = bench({ encoding: false });
    b.encoder.acquire();
    expect(pauses(b, 8)).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  it("grows its pause just as much when the host refuses to open it at all", () => {
    const b = bench();
    b.host.fail("encoderOpen", -6, 100);
    const from = b.host.nowUs;
    b.encoder.acquire();
    const at: number[] = [];
    for (let us = 0; us < 150 * SECOND; us += 500_000) {
      while (at.length < b.host.called("encoderOpen").length) at.push((b.host.nowUs - from) / SECOND);
      b.run(500_000);
    }
    expect(at.slice(1).map((each, i) => Math.round(each - at[i]!))).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    expect(b.encoder.reason).toContain("refused");
  });

  it("begins with a second again after half a minute of pictures, not after half a minute of starting", () => {
    const b = bench();
    b.encoder.acquire();
    b.run(100_000);
    pauses(b, 3);
    b.run(31 * SECOND);
    expect(pauses(b, 1)).toEqual([1]);
    b.host.encoding = false;
    pauses(b, 3);
    b.run(31 * SECOND);
    expect(pauses(b, 1)[0]).toBeGreaterThanOrEqual(8);
    expect(REOPEN_MAX_US).toBe(30 * SECOND);
  });

  it("is told to consumers and shown, with the host's reason, until it runs again", () => {
    const { encoder, fail, heard, run, open } = bench();
    encoder.acquire();
    run(SECOND);
    fail("the camera was evicted");
    expect([encoder.state, encoder.reason]).toEqual(["failed", "the camera was evicted"]);
    expect(heard.at(-1)).toBe("failed: the camera was evicted");
    expect(open()).toHaveLength(0);
    run(2 * SECOND);
    expect([encoder.state, encoder.reason]).toEqual(["running", ""]);
  });

  it("while it lingers is simply closed, and nobody reopens it", () => {
    const { encoder, fail, run, host, runtime } = bench();
    encoder.acquire();
    run(SECOND);
    encoder.release();
    fail();
    expect([encoder.state, encoder.reason]).toEqual(["idle", ""]);
    run(60 * SECOND);
    expect(host.called("encoderOpen")).toHaveLength(1);
    expect(runtime.timers.size).toBe(0);
  });

  it("is not reopened when its last user leaves meanwhile, in the very moment included", () => {
    for (const when of ["on failure", "later"]) {
      const { encoder, fail, run, host, runtime } = bench();
      encoder.acquire();
      if (when === "on failure") encoder.addConsumer({ onFrame: () => {}, onFailed: () => encoder.release() });
      run(SECOND);
      fail();
      if (when === "later") encoder.release();
      expect(encoder.state).toBe("idle");
      run(60 * SECOND);
      expect(host.called("encoderOpen")).toHaveLength(1);
      expect(runtime.timers.size).toBe(0);
    }
  });

  it("lets whoever hears of it begin anew at once", () => {
    const { encoder, fail, run, host, runtime } = bench();
    encoder.acquire();
    let again = true;
    encoder.addConsumer({
      onFrame: () => {},
      onFailed() {
        encoder.release();
        if (again) encoder.acquire();
        again = false;
      },
    });
    run(SECOND);
    fail();
    expect(encoder.state).toBe("starting");
    expect(runtime.timers.size).toBe(0); // the old pause is not waited for as well
    run(5 * SECOND);
    expect(encoder.state).toBe("running");
    expect(host.called("encoderOpen")).toHaveLength(2);
    encoder.release();
    run(LINGER);
    expect([runtime.ownedHandles, runtime.timers.size]).toEqual([0, 0]);
  });

  it("is tried at once when the camera is said to be free, but only then and with users", () => {
    const { encoder, fail, run, host } = bench();
    encoder.acquire();
    run(SECOND);
    encoder.retryNow();
    fail();
    encoder.retryNow();
    expect(encoder.state).toBe("starting");
    run(5 * SECOND);
    // The pause that was under way does not open it a third time.
    expect(host.called("encoderOpen")).toHaveLength(2);
    encoder.release();
    run(LINGER);
    encoder.retryNow();
    expect(host.called("encoderOpen")).toHaveLength(2);
  });

  it("is not even opened for a camera that is switched off", () => {
    const { encoder, host } = bench({ config: { cameras: { back: { enabled: false } } } });
    encoder.acquire();
    expect(encoder.state).toBe("failed");
    expect(encoder.reason).toContain("disabled");
    expect(host.called("encoderOpen")).toHaveLength(0);
  });

  it("of a camera that the host does not have says so", () => {
    const { encoder, host } = bench();
    host.fail("encoderOpen", -5);
    encoder.acquire();
    expect(encoder.reason).toContain("no such camera");
  });
});

describe("waiting for the format", () => {
  type Outcome = EncoderFormat | Failure;

  it("ends with the format, at once when it is known", () => {
    const { encoder, run } = bench();
    const outcomes: Outcome[] = [];
    encoder.acquire();
    encoder.whenFormatted(3 * SECOND, (outcome) => outcomes.push(outcome));
    expect(outcomes).toHaveLength(0);
    run(10_000);
    expect(outcomes).toMatchObject([{ codec: "h264", parameterSets: [expect.any(String), expect.any(String)] }]);
    encoder.whenFormatted(3 * SECOND, (outcome) => outcomes.push(outcome));
    expect(outcomes).toHaveLength(2);
  });

  it("ends after its time, once, though the format comes later", () => {
    const { encoder, run, host, core, open } = bench({ encoding: false });
    const outcomes: Outcome[] = [];
    encoder.acquire();
    encoder.whenFormatted(3 * SECOND, (outcome) => outcomes.push(outcome));
    run(3 * SECOND - 1);
    expect(outcomes).toHaveLength(0);
    run(1);
    expect(outcomes).toEqual([{ failed: expect.stringContaining("3 s") }]);
    host.push(host.formatOf(open()[0]!.handle));
    host.settle(core);
    expect(outcomes).toHaveLength(1);
  });

  it("ends with the failure, also that of the end of the encoder", () => {
    for (const end of ["fail", "shutDown"] as const) {
      const b = bench({ encoding: false });
      const outcomes: Outcome[] = [];
      b.encoder.acquire();
      b.encoder.whenFormatted(3 * SECOND, (outcome) => outcomes.push(outcome));
      if (end === "fail") b.fail("no luck");
      else b.encoder.shutDown("no luck");
      expect(outcomes).toEqual([{ failed: "no luck" }]);
      b.encoder.release();
      expect(b.runtime.timers.size).toBe(0);
    }
  });

  it("can be given up: nothing is told, and no timer stays", () => {
    const { encoder, run, runtime, host, core, open } = bench({ encoding: false });
    const outcomes: Outcome[] = [];
    encoder.acquire();
    const wait = encoder.whenFormatted(3 * SECOND, (outcome) => outcomes.push(outcome));
    wait.cancel();
    wait.cancel();
    expect(runtime.timers.size).toBe(0);
    host.push(host.formatOf(open()[0]!.handle));
    host.settle(core);
    run(4 * SECOND);
    expect(outcomes).toHaveLength(0);
  });
});

describe("key frames on request", () => {
  const requests = (b: ReturnType<typeof bench>): number => b.host.called("encoderRequestKeyFrame").length;

  it("are asked for once for all who ask at a time, and again 100 ms after", () => {
    const b = bench();
    b.encoder.acquire();
    b.run(SECOND);
    for (let i = 0; i < 30; i++) b.encoder.requestKeyFrame();
    expect(requests(b)).toBe(1);
    expect(b.runtime.timers.size).toBe(1);
    b.run(45_000);
    expect(b.frames.at(-1)!.key).toBe(true);
    b.encoder.requestKeyFrame();
    expect(requests(b)).toBe(1);
    b.run(60_000);
    expect(requests(b)).toBe(2);
  });

  it("are not asked for any more once one has come by itself", () => {
    const b = bench({ encoding: false });
    b.encoder.acquire();
    const { handle } = b.open()[0]!;
    const key = (): void => {
      b.host.h264Frame(handle, [SPS, PPS, Uint8Array.of(0x65, 0x88)]);
      b.host.settle(b.core);
    };
    key();
    b.encoder.requestKeyFrame();
    b.encoder.requestKeyFrame(); // to be repeated after 500 ms
    key();
    b.run(SECOND);
    expect(requests(b)).toBe(1);
    // While one is late, the asking is repeated.
    b.encoder.requestKeyFrame();
    b.encoder.requestKeyFrame();
    b.run(499_000);
    expect(requests(b)).toBe(2);
    b.run(2_000);
    expect(requests(b)).toBe(3);
  });

  it("are asked of no encoder that is not open", () => {
    const b = bench({ encoding: false });
    b.encoder.requestKeyFrame();
    b.encoder.acquire();
    b.encoder.requestKeyFrame();
    b.encoder.requestKeyFrame();
    b.fail();
    b.encoder.requestKeyFrame();
    b.run(900_000);
    expect(requests(b)).toBe(1);
  });
});
