/**
 * The whole core behind its sockets: a client that says anything at all, on a host in memory. Afterwards nothing is left of
 * it, no bug was met, and the next client is served.
 */
import { HTTP_PORT, HttpClient, RTSP_PORT, RtspClient, startServer } from "../../core-ts/server/testing.ts";

/** Ends a piece of what the client sends; time passes behind it. */
export const PIECE_END = "\x1e\x1e";
const SECOND = 1_000_000;
const PIECE_US = 60_000;
/** Pieces that are played; a flood of them shows nothing that these don't. */
const PIECES_MAX = 40;

const profiles = [
  { path: "/live/back", camera: "back", fps: 5 },
  { path: "/live/back/mjpeg", camera: "back", codec: "mjpeg", fps: 5 },
];

/** @param input `r` or `h` for the port (capitals: logins are asked for), then pieces. @throws what is a finding. */
export function driveCore(input: string): void {
  const kind = input.charCodeAt(0) || 0;
  const isRtsp = (kind & 0x1f) !== ("h".charCodeAt(0) & 0x1f);
  const hasLogins = (kind & 0x20) === 0;
  const users = hasLogins ? { auth: { enabled: true }, users: [{ name: "viewer", password: "look-in-7" }] } : {};
  const world = startServer({ profiles, cameras: { back: { linger: 0 } }, ...users });
  const { host, server, core } = world;
  const atRest = { handles: server.runtime.ownedHandles, timers: server.runtime.timers.size };
  const peer = host.connect(isRtsp ? RTSP_PORT : HTTP_PORT, { address: "203.0.113.1" });
  host.settle(core);
  let session = "";
  for (const piece of input.slice(1).split(PIECE_END).slice(0, PIECES_MAX)) {
    if (peer.state !== "open") break;
    peer.send(piece.replaceAll("{session}", session));
    host.advance(core, PIECE_US);
    session ||= /^Session: ([0-9a-f]+)/m.exec(peer.text())?.[1] ?? "";
  }
  // Another client is served meanwhile, and sees its own pictures.
  const good = hasLogins ? { Authorization: `Basic ${btoa("viewer:look-in-7")}` } : {};
  const other = new HttpClient(world, "203.0.113.2");
  const status = other.get("/api/status", good).status;
  if (status !== 200) throw new Error(`another client got ${status}`);
  const rtsp = new RtspClient(world, "203.0.113.3");
  if (rtsp.request("OPTIONS", "*").status !== 200) throw new Error("another client got no answer to OPTIONS");
  for (const each of [peer, other.peer, rtsp.peer]) each.drop();
  host.advance(core, 75 * SECOND);
  const bug = host.logs.find(({ line }) => line.includes("bug while handling"));
  if (bug !== undefined) throw new Error(bug.line);
  if (host.exited !== undefined) {
    // An administrator may ask for that.
    if (host.exited.code === 3) return;
    throw new Error(`the core ended: ${host.exited.message}`);
  }
  const left = {
    handles: server.runtime.ownedHandles - atRest.handles,
    admitted: server.admission.connections,
    viewers: server.viewers.count,
    sessions: server.sessions.size,
    input: server.inputMemory.bytes,
    blobs: host.blobCount,
    ...host.openHandles,
  };
  // What an administrator's request changed may listen elsewhere and keep pictures; strangers can't.
  if (hasLogins && !input.includes("bG9vay1pbi03") && Object.values(left).some((count) => count !== 0)) {
    throw new Error(`left behind: ${JSON.stringify(left)}`);
  }
  if (left.admitted + left.viewers + left.sessions + left.input !== 0) {
    throw new Error(`left behind: ${JSON.stringify(left)}`);
  }
}
