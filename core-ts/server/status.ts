/**
 * The server's state as `/api/status` shows it. Row 3.
 */
import { MICROS_PER_SECOND, type Micros } from "../time/units.ts";
import type { ServerContext } from "./context.ts";

export function renderStatus(context: ServerContext, startedUs: Micros): string {
  const { runtime, cameras, profiles, viewers, admission } = context;
  const { nowUs } = runtime;
  return JSON.stringify({
    server: {
      name: context.serverName,
      uptimeSeconds: Math.floor((nowUs - startedUs) / MICROS_PER_SECOND),
      clients: viewers.count,
      connections: admission.connections,
      connectionsRefused: admission.refused,
    },
    cameras: cameras.names().map((name) => {
      const info = cameras.infoOf(name);
      return { name, ...cameras.stateOf(name), facing: info?.facing ?? null, sizes: info?.sizes ?? [] };
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
      };
    }),
    profiles: profiles.all().map((profile) => ({
      path: profile.path,
      camera: profile.settings.camera,
      codec: profile.settings.codec,
      encoder: profile.encoder.label,
      state: profile.encoder.state,
      players: profile.feed.memberCount,
      packets: profile.feed.stream.packets,
    })),
    clients: viewers.list(nowUs),
    device: JSON.parse(runtime.host.deviceStatus()) as unknown,
  });
}
