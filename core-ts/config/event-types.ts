/**
 * Every kind of event by name: what event streams send, webhooks ask for and the page listens to. Row 1, and free of
 * imports, so that the page can have it. What each kind carries stands in `server/server-events.ts`.
 */
export const EVENT_TYPES = [
  "server.started",
  "server.slow",
  "client.connected",
  "client.left",
  "client.stalled",
  "stream.started",
  "stream.stopped",
  "stream.adapted",
  "encoder.silent",
  "camera.state",
  "network.changed",
  "listener.lost",
  "listener.up",
  "config.changed",
  "config.refused",
  "login.failed",
  "user.added",
  "user.changed",
  "user.removed",
  "token.added",
  "token.removed",
  "snapshot.taken",
] as const;
