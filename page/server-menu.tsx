/**
 * What concerns the server as a whole: its MJPEG half, and a new start.
 */
import { useEffect, useRef } from "preact/hooks";
import { command } from "./api.ts";
import { confirm } from "./dialogs.tsx";
import { attempt } from "./notices.tsx";
import type { Seen, ServerState } from "./server-state.ts";

export function ServerMenu({ server, seen }: { readonly server: ServerState; readonly seen: Seen }) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event): void => {
      const isOutside = !menu.current?.contains(event.target as Node);
      const isEscape = event instanceof KeyboardEvent && event.key === "Escape";
      if (menu.current !== null && (isOutside || isEscape)) menu.current.open = false;
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("keydown", close);
    };
  }, []);
  const running = seen.status?.server.mjpegServer !== "stopped";
  const toggle = async (): Promise<void> => {
    if (running && !(await confirm("End every MJPEG stream over HTTP, and refuse new ones?", "Stop MJPEG"))) return;
    await attempt(running ? "MJPEG is stopped" : "MJPEG is served again", () =>
      command(running ? "stop-mjpeg-server" : "start-mjpeg-server"),
    );
    server.refresh();
  };
  const restart = async (): Promise<void> => {
    if (!(await confirm("Restart the server? Everybody who watches is sent away.", "Restart"))) return;
    await attempt("The server starts again", () => command("restart"));
    server.refresh(1_000);
  };
  return (
    <details class="menu" ref={menu}>
      <summary>Server</summary>
      <div class="menu-items">
        <button type="button" onClick={toggle}>
          {running ? "Stop MJPEG" : "Start MJPEG"}
        </button>
        <button type="button" onClick={restart}>
          Restart
        </button>
      </div>
    </details>
  );
}
