/**
 * What one turn of the core costs in Node: a 20 kB H.264 frame comes, and 1 or 100 readers watch. `npm run bench:core`.
 *
 * The host is the fake one; the time spent in its verbs is taken out, for what a real host does there is another
 * question. What is left is the core: taking the event, planning the packets, keeping the accounts of its readers.
 */
import type { Core } from "../../bindings/contract/core.ts";
import { H264Packetizer } from "../../core-ts/rtp/h264-packetizer.ts";
import { Server } from "../../core-ts/server/server.ts";
import { FakeHost, type FakePeer, sliceOf } from "../fakes/fake-host.ts";

const FRAME_BYTES = 20_000;
const FRAME_US = 40_000;
const WARM_UP_TURNS = 3_000;
const MEASURED_TURNS = 10_000;
const RTSP_PORT = 7778;

const nowNs = (): number => Number(process.hrtime.bigint());

/** Counts the time spent in the verbs that a turn with a frame calls, and forgets what it is given to send. */
class BenchHost extends FakeHost {
  verbsNs = 0;
  sends = 0;

  override takeEvents(): string {
    const startedNs = nowNs();
    const events = super.takeEvents();
    this.verbsNs += nowNs() - startedNs;
    return events;
  }

  override fanoutSend(fanout: number, frame: number, plan: Int8Array, length: number, key: boolean): number {
    this.sends += 1;
    // While it is measured nothing is sent: the plan has been made, and that is all this is about.
    return this.recording ? super.fanoutSend(fanout, frame, plan, length, key) : 1;
  }

  override outletStats(outlet: number): string {
    const startedNs = nowNs();
    const stats = JSON.parse(super.outletStats(outlet)) as Record<string, unknown>;
    // Every reader takes its bytes: else it would be closed for taking none.
    const moving = JSON.stringify({ ...stats, progressUs: this.nowUs });
    this.verbsNs += nowNs() - startedNs;
    return moving;
  }
}

let planNs = 0;
const plan = H264Packetizer.prototype.plan;
H264Packetizer.prototype.plan = function timed(this: H264Packetizer, ...args: Parameters<typeof plan>): void {
  const startedNs = nowNs();
  plan.apply(this, args);
  planNs += nowNs() - startedNs;
};

/** SETUP and PLAY of one reader. */
function join(host: FakeHost, core: Core, transport: string): FakePeer {
  const peer = host.connect(RTSP_PORT);
  const url = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
  const ask = (request: string): string => {
    peer.send(request);
    host.advance(core, 1);
    return peer.text();
  };
  const set = ask(`SETUP ${url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: ${transport}\r\n\r\n`);
  const session = /^Session: (\w+)/m.exec(set)?.[1];
  if (session === undefined) throw new Error(`SETUP was refused:\n${set}`);
  ask(`PLAY ${url} RTSP/1.0\r\nCSeq: 2\r\nSession: ${session}\r\n\r\n`);
  return peer;
}

type Figures = { readonly turnUs: number; readonly planUs: number; readonly plans: number };

function measure(transports: readonly string[]): Figures {
  const host = new BenchHost();
  const limits = { clients: 1_000, clientsPerAddress: 1_000, connections: 4_000, connectionsPerAddress: 4_000 };
  // Nobody gives a sign of life in all the time that goes by here.
  const overrides = { auth: { enabled: false }, rtsp: { sessionTimeout: 3_600 }, limits };
  const server = new Server(host, { version: "bench", host: "fake", overrides });
  const core: Core = { contractVersion: 1, start: () => undefined, turn: (nowUs) => server.turn(nowUs) };
  host.settle(core);
  const peers = transports.map((transport) => join(host, core, transport));
  // All of them begin with the next key frame.
  host.advance(core, 1_000_000);
  for (const peer of peers) peer.receive = () => undefined;
  const [encoder] = host.encodersOf("back");
  if (encoder === undefined) throw new Error("no encoder was opened");

  host.encoding = false;
  host.recording = false;
  host.logs.length = 0;
  const slice = sliceOf(false, FRAME_BYTES, 1);
  let turnNs = 0;
  const turns = (count: number): void => {
    turnNs = 0;
    planNs = 0;
    host.verbsNs = 0;
    host.sends = 0;
    for (let i = 0; i < count; i++) {
      host.nowUs += FRAME_US;
      host.h264Frame(encoder.handle, [slice]);
      const startedNs = nowNs();
      host.turn(core);
      turnNs += nowNs() - startedNs;
      host.datagrams.length = 0;
    }
  };
  turns(WARM_UP_TURNS);
  turns(MEASURED_TURNS);
  if (host.sends < MEASURED_TURNS) throw new Error(`only ${host.sends} of ${MEASURED_TURNS} frames were sent`);
  const { clients } = JSON.parse(server.status()) as { clients: { state: string }[] };
  const playing = clients.filter((client) => client.state === "playing").length;
  if (playing !== transports.length) throw new Error(`only ${playing} of ${transports.length} readers are left`);
  const inUs = (ns: number): number => ns / MEASURED_TURNS / 1_000;
  return { turnUs: inUs(turnNs - host.verbsNs), planUs: inUs(planNs), plans: host.sends / MEASURED_TURNS };
}

const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";
const udp = (i: number): string => `RTP/AVP;unicast;client_port=${20_000 + 2 * i}-${20_001 + 2 * i}`;
const many = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? TCP : udp(i)));

const CASES: readonly (readonly [string, readonly string[]])[] = [
  ["1 reader, TCP", [TCP]],
  ["100 readers, TCP", new Array<string>(100).fill(TCP)],
  ["100 readers, TCP and UDP", many],
];

console.log(
  `One turn with an H.264 frame of ${FRAME_BYTES} bytes, Node ${process.version}, mean of ${MEASURED_TURNS}\n`,
);
console.log(
  `${"".padEnd(28)}${"µs a turn".padStart(10)}${"in plans".padStart(10)}${"share".padStart(8)}${"plans".padStart(7)}`,
);
for (const [name, transports] of CASES) {
  const { turnUs, planUs, plans } = measure(transports);
  const share = `${((planUs / turnUs) * 100).toFixed(0)} %`;
  const columns = [turnUs.toFixed(1).padStart(10), planUs.toFixed(1).padStart(10), share.padStart(8)];
  console.log(`${name.padEnd(28)}${columns.join("")}${plans.toFixed(0).padStart(7)}`);
}
