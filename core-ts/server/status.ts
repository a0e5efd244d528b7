/**
 * The server's state as `/api/status` shows it. Row 3.
 */
import { MICROS_PER_MILLI, MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import type { ServerContext } from "./context.ts";
import type { StreamProfile } from "./profiles.ts";

export function renderStatus(context: ServerContext, startedUs: Micros): string {
  const { runtime, cameras, profiles, viewers, admission } = context;
  const { nowUs } = runtime;
  const { loop } = context.watchdogs;
  const clock = runtime.clock();
  const timeOf = (us: Micros): string => new Date((clock.wallUs - (clock.nowUs - us)) / 1_000).toISOString();
  return JSON.stringify({
    server: {
      name: context.serverName,
      time: timeOf(nowUs),
      since: timeOf(startedUs),
      uptimeSeconds: Math.floor((nowUs - startedUs) / MICROS_PER_SECOND),
      clients: viewers.count,
      connections: admission.connections,
      connectionsRefused: admission.refused,
      eventStreams: context.eventReaders.count,
      mjpegServer: context.mjpegServer.running ? "running" : "stopped",
      rtspPort: context.config.rtsp.enabled && context.config.rtsp.plain ? context.rtspPort : null,
      rtspsPort: context.config.rtsp.enabled && context.config.rtsp.tls.enabled ? context.rtspsPort : null,
      loop: {
        ...loop.state(nowUs),
        slowTurns: loop.times.turn,
        lateTurns: loop.times.late,
        longestTurnMs: Math.round(loop.longestUs.turn / MICROS_PER_MILLI),
      },
      listeners: context.listeners,
    },
    cameras: cameras.names().map((name) => {
      const info = cameras.infoOf(name);
      return {
        name,
        ...cameras.stateOf(name),
        facing: info?.facing ?? null,
        sizes: info?.sizes ?? [],
        torch: info?.torch ?? false,
        zoom: info?.zoom ?? null,
      };
    }),
    encoders: profiles.encoders().map((encoder) => {
      const figures = encoder.figures(nowUs);
      return {
        label: encoder.label,
        camera: encoder.spec.camera,
        codec: encoder.spec.codec,
        state: encoder.state,
        reason: encoder.reason === "" ? null : encoder.reason,
        users: encoder.users,
        width: encoder.format?.width ?? null,
        height: encoder.format?.height ?? null,
        fps: figures.fps,
        bitrate: figures.bitrate,
        frames: figures.frames,
        bytes: figures.bytes,
        droppedByHost: figures.hostDropped,
        opened: figures.opened,
        leftOut: figures.leftOut,
        adaptation: profiles.adaptationOf(encoder)?.figures() ?? null,
        failed: figures.failed,
        silentTimes: encoder.silentTimes,
      };
    }),
    profiles: profiles.all().map((profile) => ({
      path: profile.path,
      camera: profile.encoder.spec.camera,
      configuredCamera: profile.settings.camera,
      codec: profile.settings.codec,
      rtsp: profile.settings.rtsp,
      encoder: profile.encoder.label,
      state: profile.encoder.state,
      reason: profile.encoder.reason === "" ? null : profile.encoder.reason,
      ...ratesOf(profile, nowUs),
      players: profile.feed.memberCount,
      packets: profile.feed.stream.packets,
    })),
    clients: viewers.list(nowUs).map(({ sinceUs, ...figures }) => ({ ...figures, since: timeOf(sinceUs) })),
    webhooks: context.webhooks.figures(),
    device: JSON.parse(runtime.host.deviceStatus()) as unknown,
  });
}

/** What is measured, and what is aimed at. */
function ratesOf({ encoder }: StreamProfile, nowUs: Micros) {
  const { fps, bitrate } = encoder.figures(nowUs);
  const { bitrate: targetBitrate = null, quality = null } = { ...encoder.spec, ...encoder.aim };
  return { fps, bitrate, targetBitrate, quality };
}
