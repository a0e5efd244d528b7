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
  { key: "login", title: "Logins" },
  { key: "config", title: "Configuration" },
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

function isBad({ type, data }: ServerEvent): boolean {
  return type === "login.failed" || type === "config.refused" || (type === "camera.state" && data.state !== "ok");
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
