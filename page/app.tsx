/**
 * The page's frame: its head, its views, what it says of the server as a whole, and notices.
 */
import { useEffect, useState } from "preact/hooks";
import { AccessView } from "./access.tsx";
import { CamerasView } from "./cameras.tsx";
import { ClientsView } from "./clients.tsx";
import { DialogPlace } from "./dialogs.tsx";
import { EventsView } from "./events.tsx";
import { durationText } from "./figures.ts";
import type { Login } from "./login.ts";
import { NoticePlace } from "./notices.tsx";
import { ServerMenu } from "./server-menu.tsx";
import { type Seen, type ServerState, useSeen } from "./server-state.ts";
import { SettingsView } from "./settings.tsx";

export type ViewProps = { readonly server: ServerState; readonly seen: Seen; readonly login: Login };

/** Views by the part of the address behind `#`; the first is shown where it names none. */
const VIEWS = [
  { key: "cameras", title: "Cameras", admin: false, View: CamerasView },
  { key: "clients", title: "Clients", admin: false, View: ClientsView },
  { key: "access", title: "Access", admin: true, View: AccessView },
  { key: "settings", title: "Settings", admin: true, View: SettingsView },
  { key: "events", title: "Events", admin: false, View: EventsView },
] as const;

const keyOf = (hash: string): string => hash.replace(/^#/, "");

export function App({ server, login }: { readonly server: ServerState; readonly login: Login }) {
  const seen = useSeen(server);
  const [key, setKey] = useState(keyOf(location.hash));
  useEffect(() => {
    const follow = (): void => setKey(keyOf(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const views = VIEWS.filter(({ admin }) => !admin || login.role === "admin");
  const current = views.find((view) => view.key === key) ?? views[0]!;
  useEffect(() => {
    document.title = `${current.title} · Porthole`;
  }, [current]);
  return (
    <>
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>("#main")?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <div class="brand">
          <Mark />
          <span class="name">Porthole</span>
        </div>
        <nav aria-label="Views">
          {views.map((view) => (
            <a key={view.key} href={`#${view.key}`} aria-current={view === current ? "page" : undefined}>
              {view.title}
              {view.key === "clients" && seen.status !== undefined && seen.status.clients.length > 0 ? (
                <span class="count">{seen.status.clients.length}</span>
              ) : null}
            </a>
          ))}
        </nav>
        <Who seen={seen} login={login} />
        {login.role === "admin" ? <ServerMenu server={server} seen={seen} /> : null}
      </header>
      <div role="status" class="trouble-place">
        {seen.trouble === undefined ? null : <p class="banner bad">No connection: {seen.trouble}. Trying again …</p>}
      </div>
      <main id="main" tabIndex={-1}>
        <h1 class="visually-hidden">{current.title}</h1>
        <current.View server={server} seen={seen} login={login} />
      </main>
      <footer>
        <span>{seen.status?.server.name ?? ""}</span>
        <a href="/api/status">Status as JSON</a>
        <a href="/api/openapi.json">Interface for programs</a>
      </footer>
      <NoticePlace />
      <DialogPlace />
    </>
  );
}

function Who({ seen, login }: { readonly seen: Seen; readonly login: Login }) {
  const up = seen.status === undefined ? "" : `up ${durationText(seen.status.server.uptimeSeconds)}`;
  return (
    <p class="who">
      <span>
        {login.user === null ? "no login needed" : login.user}
        {login.user === null ? null : <span class="tag">{login.role}</span>}
      </span>
      <span class="faint">{up}</span>
    </p>
  );
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <circle cx="16" cy="16" r="15" class="mark-ring" />
      <circle cx="16" cy="16" r="10" class="mark-glass" />
      <path d="M10 14a7 7 0 0 1 5-4.5" class="mark-shine" />
      {[45, 135, 225, 315].map((angle) => (
        <circle key={angle} cx="16" cy="3.4" r="1.1" class="mark-bolt" transform={`rotate(${angle} 16 16)`} />
      ))}
    </svg>
  );
}
