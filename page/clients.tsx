/**
 * Who watches: over which way, and how well it goes.
 */
import { ask } from "./api.ts";
import type { ViewProps } from "./app.tsx";
import { confirm } from "./dialogs.tsx";
import { bytesText, durationText } from "./figures.ts";
import { attempt } from "./notices.tsx";
import type { Client } from "./server-state.ts";

export function ClientsView({ server, seen, login }: ViewProps) {
  const clients = seen.status?.clients ?? [];
  const end = async ({ id, address, path }: Client): Promise<void> => {
    if (!(await confirm(`End what ${address} watches (${path})?`, "End"))) return;
    await attempt("Ended", () => ask("DELETE", `/api/clients/${id}`));
    server.refresh();
  };
  return (
    <section class="panel">
      <div class="panel-head">
        <h2>Clients</h2>
        <span class="faint">{clients.length === 1 ? "1 is watching" : `${clients.length} are watching`}</span>
      </div>
      {clients.length === 0 ? <p class="empty">Nobody watches now.</p> : null}
      {clients.length === 0 ? null : (
        <table class="stacking">
          <thead>
            <tr>
              <th scope="col">Who</th>
              <th scope="col">Stream</th>
              <th scope="col">Way</th>
              <th scope="col">Since</th>
              <th scope="col">Sent</th>
              <th scope="col">Left out</th>
              <th scope="col">Loss</th>
              {login.role === "admin" ? (
                <th scope="col">
                  <span class="visually-hidden">Actions</span>
                </th>
              ) : null}
            </tr>
          </thead>
          <tbody>
            {clients.map((client) => (
              <tr key={client.id}>
                <td data-label="Who">
                  <strong>{client.address}</strong>
                  {client.user === null ? null : <span class="tag">{client.user}</span>}
                  {client.userAgent === null ? null : (
                    <span class="faint agent" title={client.userAgent}>
                      {client.userAgent}
                    </span>
                  )}
                </td>
                <td data-label="Stream">
                  <code>{client.path}</code>
                </td>
                <td data-label="Way">
                  {client.protocol.toUpperCase()} · {client.transport.toUpperCase()}
                  {client.state === "playing" ? null : <span class="tag">{client.state}</span>}
                </td>
                <td data-label="Since">{durationText(client.seconds)}</td>
                <td data-label="Sent">
                  {bytesText(client.sentBytes)}
                  <span class="faint"> · {client.sentFrames} frames</span>
                </td>
                <td data-label="Left out">{client.skippedFrames}</td>
                <td data-label="Loss">{lossText(client)}</td>
                {login.role === "admin" ? (
                  <td class="actions">
                    <button type="button" aria-label={`End client ${client.id}`} onClick={() => end(client)}>
                      End
                    </button>
                  </td>
                ) : null}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function lossText({ loss }: Client): string {
  if (loss === null) return "–";
  return `${(loss.fraction * 100).toFixed(1)} % · jitter ${loss.jitterMs.toFixed(1)} ms`;
}
