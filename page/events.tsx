/**
 * What has happened: the server's events, newest first.
 */
import { useState } from "preact/hooks";
import type { ViewProps } from "./app.tsx";
import { dateText, timeText } from "./figures.ts";
import type { ServerEvent } from "./server-state.ts";

const KINDS = [
  { key: "", title: "Everything" },
  { key: "camera", title: "Cameras" },
  { key: "client", title: "Clients" },
  { key: "stream", title: "Streams" },
  { key: "encoder", title: "Encoders" },
  { key: "login", title: "Logins" },
  { key: "user", title: "Users" },
  { key: "token", title: "Stream tokens" },
  { key: "config", title: "Configuration" },
  { key: "network", title: "Network" },
] as const;

export function EventsView({ seen }: ViewProps) {
  const [kind, setKind] = useState("");
  const events = seen.events.filter(({ type }) => type.startsWith(kind));
  return (
    <section class="panel">
      <div class="panel-head">
        <h2>Events</h2>
        <label class="inline">
          Show
          <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
            {KINDS.map(({ key, title }) => (
              <option key={key} value={key}>
                {title}
              </option>
            ))}
          </select>
        </label>
      </div>
      {events.length === 0 ? <p class="empty">Nothing yet.</p> : null}
      <ol class="events" aria-live="polite" aria-relevant="additions">
        {events.map((event) => (
          <li key={event.id} class={isBad(event) ? "bad" : undefined}>
            <time dateTime={event.time} title={dateText(event.time)}>
              {timeText(event.time)}
            </time>
            <span class="event-type">{event.type}</span>
            <span class="event-text">{textOf(event)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** Kinds that always mean trouble. */
const BAD: readonly string[] = [
  "login.failed",
  "config.refused",
  "server.slow",
  "client.stalled",
  "encoder.silent",
  "listener.lost",
];

function isBad({ type, data }: ServerEvent): boolean {
  return BAD.includes(type) || (type === "camera.state" && data.state !== "ok");
}

/** An event in a line for people; of a kind that is not known here, its fields. */
function textOf({ type, data }: ServerEvent): string {
  const said = (key: string): string => (data[key] === null || data[key] === undefined ? "" : String(data[key]));
  const by = said("user") === "" ? "" : ` (${said("user")})`;
  switch (type) {
    case "client.connected":
      return `${said("address")}${by} watches ${said("path")}`;
    case "client.left":
      return `${said("address")}${by} left ${said("path")} after ${said("seconds")} s: ${said("reason")}`;
    case "client.stalled":
      return `${said("address")}${by} takes nothing of ${said("path")} for ${said("seconds")} s`;
    case "encoder.silent":
      return `${said("encoder")} of ${said("camera")} gives no picture for ${said("seconds")} s`;
    case "server.slow":
      return `${data.kind === "turn" ? "a turn took" : "a turn came late by"} ${said("milliseconds")} ms`;
    case "network.changed":
      return [
        ...(data.added as string[]).map((each) => `+ ${each}`),
        ...(data.removed as string[]).map((each) => `− ${each}`),
      ].join(", ");
    case "listener.lost":
    case "listener.up":
      return [`${said("protocol").toUpperCase()} on ${said("address")} port ${said("port")}`, said("reason")]
        .filter(Boolean)
        .join(": ");
    case "user.added":
    case "user.changed":
    case "user.removed":
      return [`${said("name")}, ${said("role")}`, ...((data.changed as string[] | undefined) ?? [])].join(", ");
    case "token.added":
    case "token.removed":
      return `${said("token")} of ${said("user")} for ${said("stream")}`;
    case "camera.state":
      return [`${said("camera")}: ${said("state")}`, said("reason"), said("fix")].filter(Boolean).join(" · ");
    case "stream.started":
      return `${said("encoder")} of ${said("camera")} runs`;
    case "stream.stopped":
      return `${said("encoder")} of ${said("camera")}: ${said("reason")}`;
    case "login.failed":
      return `${said("address")} over ${said("protocol")}: ${said("reason")}`;
    case "config.changed":
      return `by ${said("by")}`;
    case "config.refused":
      return (data.issues as readonly { path: string; message: string }[])
        .map(({ path, message }) => `${path} ${message}`)
        .join("; ");
    case "snapshot.taken":
      return `${said("path")}, ${said("width")} × ${said("height")}`;
    default:
      return Object.entries(data)
        .map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : value}`)
        .join(", ");
  }
}
