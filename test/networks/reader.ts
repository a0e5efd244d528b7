/**
 * A reader at the far end of a link, as a program of its own (pass.ts bundles and starts it): it plays one stream, sends a
 * receiver report every second over UDP, and keeps every picture with the wall-clock times of its capture and its arrival.
 *
 *     node reader.mjs '{"host":…, "port":…, "path":…, "transport":"udp"|"tcp"}'
 *
 * It prints `{"playing":true}` with the first picture and, when standard input closes, one line of {@link ReaderRecord}.
 *
 * Capture times come from the server's sender reports, which pair the wall clock with RTP time (RFC 3550 section 6.4.1);
 * server and reader run on one machine, so both mean the same clock.
 */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect } from "node:net";
import { field, RtspClient } from "../interop/rtsp-client.ts";
import { VIEWER } from "../interop/server.ts";
import { bounded } from "../interop/wait.ts";
import { ReceiverStatistics } from "./receiver-statistics.ts";

const CONNECT_MS = 10_000;
const FIRST_PICTURE_MS = 20_000;
const REPORT_INTERVAL_MS = 1_000;
const RTP_HZ = 90_000;
/** Seconds between the NTP epoch and the Unix epoch. */
const NTP_UNIX_OFFSET_S = 2_208_988_800;
const OWN_SSRC = 0x5265_6164;
const RECEIVE_BYTES = 4 << 20;
const IDR_SLICE = 5;

export type ReaderOptions = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly transport: "udp" | "tcp";
};

export type ReceivedPicture = {
  /** Wall clock in ms, of the capture and of the last packet's arrival. */
  readonly capturedMs: number;
  readonly arrivedMs: number;
  /** RTP payload that arrived. */
  readonly bytes: number;
  readonly key: boolean;
  /** No packet of it was lost. */
  readonly whole: boolean;
};

export type SentReport = { readonly atMs: number; readonly fractionLost: number };

export type ReaderRecord = {
  readonly pictures: readonly ReceivedPicture[];
  readonly reports: readonly SentReport[];
  readonly lostPackets: number;
  /** False: the server ended the connection. */
  readonly stayed: boolean;
};

/** A picture whose capture time waits for a sender report. */
type Arrival = Omit<ReceivedPicture, "capturedMs"> & { readonly rtpTime: number };

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const wallMs = (): number => performance.timeOrigin + performance.now();

const arrivals: Arrival[] = [];
const reports: SentReport[] = [];
let statistics: ReceiverStatistics | undefined;
let clock: { readonly wallMs: number; readonly rtpTime: number } | undefined;
let onPicture: () => void = () => {};

/** The picture whose packets are coming. */
let bytes = 0;
let key = false;
let whole = true;
let expected = -1;

function onRtp(packet: Buffer): void {
  if (packet.length < 13 || packet[0]! >> 6 !== 2) return;
  const atMs = wallMs();
  const sequence = packet.readUInt16BE(2);
  const rtpTime = packet.readUInt32BE(4);
  statistics ??= new ReceiverStatistics(packet.readUInt32BE(8));
  statistics.packet(sequence, rtpTime, atMs);
  if (expected >= 0 && sequence !== expected) whole = false;
  expected = (sequence + 1) & 0xffff;
  bytes += packet.length - 12;
  const type = packet[12]! & 31;
  // Single NAL unit packets, STAP-A of the parameter sets, and FU-A (RFC 6184 sections 5.6 to 5.8).
  if (type === IDR_SLICE || type === 24 || (type === 28 && (packet[13]! & 31) === IDR_SLICE)) key = true;
  if ((packet[1]! & 0x80) === 0) return;
  arrivals.push({ rtpTime, arrivedMs: atMs, bytes, key, whole });
  bytes = 0;
  key = false;
  whole = true;
  onPicture();
}

function onRtcp(packet: Buffer): void {
  // A sender report stands first (RFC 3550 section 6.1).
  if (packet.length < 28 || packet[1] !== 200) return;
  statistics?.senderReport(packet, wallMs());
  const seconds = packet.readUInt32BE(8) - NTP_UNIX_OFFSET_S + packet.readUInt32BE(12) / 2 ** 32;
  // One is enough: the server keeps wall clock and RTP time together for as long as it runs.
  clock ??= { wallMs: seconds * 1_000, rtpTime: packet.readUInt32BE(16) };
}

function record(stayed: boolean): ReaderRecord {
  const pictures = arrivals.map(({ rtpTime, ...arrival }): ReceivedPicture => {
    if (clock === undefined) throw new Error("no sender report came");
    return { capturedMs: clock.wallMs + (((rtpTime - clock.rtpTime) | 0) * 1_000) / RTP_HZ, ...arrival };
  });
  return { pictures, reports, lostPackets: statistics?.lost ?? 0, stayed };
}

async function bind(port: number): Promise<UdpSocket | undefined> {
  const socket = createSocket({ type: "udp4", recvBufferSize: RECEIVE_BYTES });
  return new Promise((done) => {
    socket.once("error", () => done(undefined));
    socket.bind(port, () => done(socket));
  });
}

/** An even port and the next one: this namespace has nobody else's. */
async function bindPair(): Promise<{ readonly rtp: UdpSocket; readonly rtcp: UdpSocket; readonly port: number }> {
  for (let port = 50_000; port < 50_100; port += 2) {
    const rtp = await bind(port);
    const rtcp = await bind(port + 1);
    if (rtp !== undefined && rtcp !== undefined) return { rtp, rtcp, port };
  }
  throw new Error("no free pair of UDP ports");
}

const { host, port, path, transport } = JSON.parse(process.argv[2] ?? "{}") as ReaderOptions;
const socket = connect({ host, port });
await bounded(
  CONNECT_MS,
  "the RTSP connection",
  new Promise((done, fail) => void socket.once("connect", done).once("error", fail)),
);
const client = new RtspClient(socket, VIEWER);
const url = `rtsp://${host}:${port}${path}`;
const described = await client.request("DESCRIBE", url, { Accept: "application/sdp" });
if (described.status !== 200) throw new Error(`DESCRIBE answered ${described.status}`);
const control = /^a=control:(.+?)\r?$/m.exec(described.body.split(/^m=/m)[1] ?? "")?.[1] ?? "";
const trackUrl = control.startsWith("rtsp://") ? control : `${field(described, "Content-Base")}${control}`;
const udp = transport === "udp" ? await bindPair() : undefined;
const set = await client.request("SETUP", trackUrl, {
  Transport:
    udp === undefined
      ? "RTP/AVP/TCP;unicast;interleaved=0-1"
      : `RTP/AVP;unicast;client_port=${udp.port}-${udp.port + 1}`,
});
if (set.status !== 200) throw new Error(`SETUP answered ${set.status}`);
client.session = field(set, "Session")?.split(";")[0];
const serverPort = Number(/server_port=(\d+)/.exec(field(set, "Transport") ?? "")?.[1] ?? 0);
udp?.rtp.on("message", onRtp);
udp?.rtcp.on("message", onRtcp);
client.onFrame = (channel, packet) => (channel === 0 ? onRtp(packet) : onRtcp(packet));

const first = new Promise<void>((done) => {
  onPicture = done;
});
const played = await client.request("PLAY", url, { Range: "npt=0.000-" });
if (played.status !== 200) throw new Error(`PLAY answered ${played.status}`);
await bounded(FIRST_PICTURE_MS, "the first picture", first);
say({ playing: true });

const reporting = setInterval(() => {
  if (udp === undefined || statistics === undefined) return;
  const { packet, fractionLost } = statistics.report(OWN_SSRC, wallMs());
  udp.rtcp.send(packet, serverPort + 1, host);
  reports.push({ atMs: wallMs(), fractionLost });
}, REPORT_INTERVAL_MS);

process.stdin.on("end", () => {
  clearInterval(reporting);
  process.stdout.write(`${JSON.stringify(record(client.ended === undefined))}\n`, () => process.exit(0));
});
process.stdin.resume();
