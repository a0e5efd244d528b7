/**
 * What happens, as it happens: Server-Sent Events (HTML standard, section 9.2). Row 3.
 */
import { type Micros, seconds } from "../../time/units.ts";
import { eventJson, type ServerEvent } from "../server-events.ts";
import { ApiFault } from "./api-fault.ts";
import { EVENT_READERS_MAX } from "./event-readers.ts";
import { type Call, type Route, route } from "./route.ts";
import { integer } from "./schema.ts";
import { RETRY_AFTER_S } from "./stream-routes.ts";

/** A comment in this rhythm shows both ends that the other is there. */
export const HEARTBEAT_US: Micros = seconds(15);
/** How long a browser waits before it connects again. */
export const RECONNECT_MS = 2_000;
/** Most text of missed events that a reader is given at once, half of its control lane; the newest are kept. */
export const REPLAY_MAX_CHARS = 128 * 1024;

export const eventRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/events",
    tag: "state",
    role: "viewer",
    changes: false,
    summary: "What happens, as Server-Sent Events",
    description:
      "Each event has `id`, `event` (its type) and `data` (JSON: `id`, `type`, `time`, `data`). Without Last-Event-ID and " +
      "`since` it begins with the next event; with one of them it first gives the kept events after that one. A comment " +
      "comes every 15 s. A reader that does not keep up is dropped.",
    query: {
      since: integer({ minimum: 0, description: "Id of the last event that is known; Last-Event-ID goes before it." }),
    },
    answers: { 200: { description: "Events, without end", contentType: "text/event-stream" } },
    errors: { 503: `${EVENT_READERS_MAX} event streams are open already` },
    endless: true,
    answer: answerEvents,
  }),
];

function answerEvents({ exchange, context, query }: Call<unknown, { readonly since?: number }>): void {
  const { runtime, eventReaders } = context;
  const { events } = runtime;
  if (eventReaders.full) {
    throw new ApiFault("too-many-readers", 503, `${EVENT_READERS_MAX} event streams are open already`, {
      headers: [["Retry-After", String(RETRY_AFTER_S)]],
    });
  }
  const seen = lastSeen(exchange.request.headers.get("Last-Event-ID")) ?? query.since;
  const missed = seen === undefined ? [] : events.since(seen);
  eventReaders.add();
  let unsubscribe = (): void => {};
  let heartbeat = runtime.after(HEARTBEAT_US, beat);
  let ended = false;
  const send = exchange.replyEndless(
    [
      ["Content-Type", "text/event-stream"],
      ["Cache-Control", "no-store"],
    ],
    () => {
      ended = true;
      eventReaders.remove();
      heartbeat.cancel();
      unsubscribe();
    },
  );
  function beat(): void {
    send(":\n\n");
    if (!ended) heartbeat = runtime.after(HEARTBEAT_US, beat);
  }
  if (ended) return;
  send(`retry: ${RECONNECT_MS}\n\n${newest(missed.map(sseText))}`);
  if (!ended) unsubscribe = events.subscribe((event) => send(sseText(event)));
}

/** Browsers send back what they were given; anything else is as good as nothing. */
function lastSeen(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

/** JSON has no line ends, so it is one line of data. */
function sseText(event: ServerEvent): string {
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${eventJson(event)}\n\n`;
}

function newest(texts: readonly string[]): string {
  let kept = "";
  for (const text of [...texts].reverse()) {
    if (kept.length + text.length > REPLAY_MAX_CHARS) break;
    kept = text + kept;
  }
  return kept;
}
