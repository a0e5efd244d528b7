/**
 * The whole server on the host in memory, with viewers behind links in memory: what an encoder is told to give is what its
 * frames weigh, what an outlet can hand on is what the link takes, and receivers report what they got. A minute takes about
 * a second, and the same every time.
 *
 *     const run = new Simulation({ bitrate: 4_000_000 });
 *     const viewer = run.viewer({ transport: "udp", trace: [[0, 8e6], [30e6, 1e6]] });
 *     run.until(60e6);
 *     run.targetAt(35e6)
 */
import {
  interleaved,
  RtspClient,
  receiverReport,
  rtpOf,
  startServer,
  type World,
} from "../../core-ts/server/testing.ts";
import { FakeHost, type FakePeer, PPS, SPS, sliceOf } from "../fakes/fake-host.ts";
import { Link, type LinkOptions } from "./link.ts";

const STEP_US = 5_000;
const FPS = 25;
const FRAME_US = 1e6 / FPS;
/** Of a key frame to the others: as test clips have it. */
const KEY_WEIGHT = 5;
const KEY_EVERY = 50;
/** What a host lets the kernel hold of a TCP connection's unsent bytes. */
const KERNEL_BYTES = 16 * 1024;
const NTP_TICKS = 65_536;

export type ViewerOptions = LinkOptions & {
  readonly transport: "tcp" | "udp";
  readonly path?: string;
  /** Between two receiver reports; undefined: it sends none. */
  readonly reportUs?: number;
  /** Of the first one, after it has begun to play; undefined: as between two. */
  readonly firstReportUs?: number;
  readonly kernelBytes?: number;
};

export class SimulatedViewer {
  readonly options: ViewerOptions;
  readonly link: Link;
  /** When each whole picture came, and how old it was. */
  readonly pictures: { readonly atUs: number; readonly ageUs: number; readonly key: boolean }[] = [];
  /** When it sent reports, from the start. */
  readonly reportsUs: number[] = [];
  readonly client: RtspClient;
  readonly #run: Simulation;
  readonly #port: number;
  #kernel: Uint8Array[] = [];
  #kernelBytes = 0;
  #tail: Uint8Array = new Uint8Array(0);
  #first: number | undefined;
  #highest = 0;
  #received = 0;
  #ssrc = 0;
  #nextReportUs: number;
  #senderReport: { readonly middle: number; readonly atUs: number } | undefined;
  #picture: { time: number; next: number; whole: boolean } | undefined;
  left = false;

  constructor(run: Simulation, options: ViewerOptions, index: number) {
    this.#run = run;
    this.options = options;
    this.link = new Link(options);
    this.#port = 6_000 + 2 * index;
    this.client = new RtspClient(run.world, `10.0.0.${index + 1}`);
    const udp = `RTP/AVP;unicast;client_port=${this.#port}-${this.#port + 1}`;
    this.client.play(options.path ?? "/live/back", options.transport === "udp" ? udp : undefined);
    this.#nextReportUs = run.us + (options.firstReportUs ?? options.reportUs ?? Number.POSITIVE_INFINITY);
    if (options.transport === "tcp") this.#peer.receive = (bytes) => this.#intoKernel(bytes.slice());
  }

  get #peer(): FakePeer {
    return this.client.peer;
  }

  leave(): void {
    this.left = true;
    if (this.options.transport === "udp") this.client.send("TEARDOWN", "rtsp://127.0.0.1:7778/live/back/");
    else this.#peer.drop();
  }

  /** Least and greatest age of pictures that came in a span, in ms; p99 among them. */
  ages(fromUs: number, toUs: number): { readonly count: number; readonly p99: number; readonly most: number } {
    const ages = this.pictures
      .filter(({ atUs }) => atUs >= fromUs && atUs < toUs)
      .map(({ ageUs }) => ageUs / 1_000)
      .sort((a, b) => a - b);
    return { count: ages.length, p99: ages[Math.floor(ages.length * 0.99)] ?? 0, most: ages.at(-1) ?? 0 };
  }

  step(us: number): void {
    if (this.left) return;
    if (this.options.transport === "udp") this.#stepUdp(us);
    else this.#stepTcp(us);
    if (us >= this.#nextReportUs) {
      this.#nextReportUs += this.options.reportUs ?? Number.POSITIVE_INFINITY;
      this.#report(us);
    }
  }

  #stepUdp(us: number): void {
    const { host } = this.#run.world;
    for (const { bytes } of host.takeDatagrams(this.#port)) this.link.offer(bytes, us);
    for (const { bytes } of host.takeDatagrams(this.#port + 1)) this.link.offer(Uint8Array.of(0xff, ...bytes), us);
    for (const packet of this.link.advance(us, STEP_US)) {
      if (packet[0] === 0xff) this.#onSenderReport(packet.subarray(1), us);
      else this.#onRtp(packet, us);
    }
  }

  /** Bytes go by TCP: what the link has no room for waits in the kernel, and then in the outlet. Nothing is lost. */
  #stepTcp(us: number): void {
    while (this.#kernel[0] !== undefined && this.link.roomBytes(us) > 1_500) {
      const first = this.#kernel[0];
      const piece = first.subarray(0, 1_400);
      if (piece.length === first.length) this.#kernel.shift();
      else this.#kernel[0] = first.subarray(piece.length);
      this.#kernelBytes -= piece.length;
      this.link.offer(piece, us);
    }
    this.#peer.open(Math.max(0, (this.options.kernelBytes ?? KERNEL_BYTES) - this.#kernelBytes));
    for (const piece of this.link.advance(us, STEP_US)) {
      this.#tail = Uint8Array.of(...this.#tail, ...piece);
      for (;;) {
        if (this.#tail.length < 4) break;
        if (this.#tail[0] !== 0x24) throw new Error("something else than interleaved packets came");
        const end = 4 + this.#tail[2]! * 256 + this.#tail[3]!;
        if (this.#tail.length < end) break;
        const packet = this.#tail.slice(4, end);
        if (this.#tail[1] === 0) this.#onRtp(packet, us);
        else this.#onSenderReport(packet, us);
        this.#tail = this.#tail.slice(end);
      }
    }
  }

  #intoKernel(bytes: Uint8Array): void {
    this.#kernel.push(bytes);
    this.#kernelBytes += bytes.length;
  }

  #onSenderReport(packet: Uint8Array, us: number): void {
    const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
    if (packet[1] !== 200) return;
    this.#senderReport = { middle: ((view.getUint32(8) << 16) | (view.getUint32(12) >>> 16)) >>> 0, atUs: us };
  }

  #onRtp(packet: Uint8Array, us: number): void {
    const { sequence, timestamp, ssrc, marker, payload } = rtpOf(packet);
    this.#ssrc = ssrc;
    this.#first ??= sequence;
    const extended = this.#highest + (((sequence - this.#highest) << 16) >> 16);
    if (this.#received === 0 || extended > this.#highest) this.#highest = this.#received === 0 ? sequence : extended;
    this.#received++;
    const picture = this.#picture;
    if (picture?.time !== timestamp) {
      const { beginsPicture } = this.#run;
      this.#picture = { time: timestamp, next: sequence, whole: beginsPicture.has(sequence) };
    }
    const now = this.#picture!;
    if (now.next !== sequence) now.whole = false;
    now.next = (sequence + 1) & 0xffff;
    const nal = payload[0]! & 31;
    const key = (nal === 28 ? payload[1]! & 31 : nal) === 5;
    if (!marker || !now.whole) return;
    const capturedUs = this.#run.capturedUs.get(timestamp);
    if (capturedUs !== undefined) this.pictures.push({ atUs: us, ageUs: us - capturedUs, key });
  }

  #report(us: number): void {
    if (this.#first === undefined) return;
    const block = {
      ssrc: this.#ssrc,
      highest: this.#highest >>> 0,
      lost: this.#highest - this.#first + 1 - this.#received,
      ...(this.#senderReport === undefined
        ? {}
        : {
            lastSenderReport: this.#senderReport.middle,
            delaySinceLastSenderReport: Math.round(((us - this.#senderReport.atUs) * NTP_TICKS) / 1e6),
          }),
    };
    const { delayUs } = this.link;
    this.#run.later(us + delayUs, () => {
      if (this.left) return;
      this.reportsUs.push(us);
      if (this.options.transport === "tcp") this.#peer.send(interleaved(1, receiverReport(block)));
      else
        this.#run.world.host.datagram(
          this.#serverPort + 1,
          { address: this.#peer.remote.address, port: this.#port + 1 },
          receiverReport(block),
        );
    });
  }

  get #serverPort(): number {
    const session = [...this.#run.world.server.sessions.values()].find(({ id }) => id === this.client.session);
    if (session?.transport.kind !== "udp") throw new Error("this session is not over UDP");
    return session.transport.pair.ports[0];
  }
}

export class Simulation {
  readonly world: World;
  readonly host: FakeHost;
  readonly viewers: SimulatedViewer[] = [];
  /** What the encoder was told, whenever that changed. */
  readonly targets: { readonly atUs: number; readonly bitrate: number }[] = [];
  /** Capture time by RTP time. */
  readonly capturedUs = new Map<number, number>();
  /** Sequence numbers that begin a picture. */
  readonly beginsPicture = new Set<number>();
  /** Microseconds since the start. */
  us = 0;
  readonly #startUs: number;
  readonly #later: { readonly atUs: number; readonly run: () => void }[] = [];
  #nextFrameUs = 0;
  #sinceKey = 0;
  #picture = 0;
  readonly #settings: {
    readonly bitrate: number;
    readonly latencyUs: number;
    readonly follows: (bitrate: number) => number;
  };

  constructor(
    options: {
      readonly bitrate?: number;
      readonly adapt?: Record<string, unknown>;
      /** From capture to the host's having the frame. */
      readonly latencyUs?: number;
      /** What an encoder gives that is told to give so much. */
      readonly follows?: (bitrate: number) => number;
    } = {},
  ) {
    const { bitrate = 4_000_000, adapt = {}, latencyUs = 0, follows = (told: number) => told } = options;
    this.#settings = { bitrate, latencyUs, follows };
    const profile = { path: "/live/back", camera: "back", bitrate, adapt };
    this.host = new FakeHost();
    this.host.encoding = true;
    this.world = startServer({ profiles: [profile] }, this.host);
    this.#startUs = this.host.nowUs;
  }

  viewer(options: ViewerOptions): SimulatedViewer {
    // While it logs in, frames come by themselves.
    this.host.encoding = true;
    const viewer = new SimulatedViewer(this, options, this.viewers.length);
    this.host.encoding = false;
    this.us = this.host.nowUs - this.#startUs;
    this.#nextFrameUs = Math.max(this.#nextFrameUs, this.us);
    this.viewers.push(viewer);
    return viewer;
  }

  later(atUs: number, run: () => void): void {
    this.#later.push({ atUs, run });
    this.#later.sort((a, b) => a.atUs - b.atUs);
  }

  /** Lets time pass until so long after the start. */
  until(us: number): void {
    while (this.us < us) this.#step();
  }

  /** What the encoder is told at a moment. */
  targetAt(us: number): number {
    let target = this.#settings.bitrate;
    for (const { atUs, bitrate } of this.targets) if (atUs <= us) target = bitrate;
    return target;
  }

  /** Least, greatest and mean target in a span, and how often it went down. */
  targetsIn(fromUs: number, toUs: number): { least: number; most: number; mean: number; downs: number } {
    let [least, most, sum, count, downs] = [Number.POSITIVE_INFINITY, 0, 0, 0, 0];
    let before = this.targetAt(fromUs);
    for (let us = fromUs; us < toUs; us += 50_000) {
      const target = this.targetAt(us);
      if (target < before) downs++;
      before = target;
      least = Math.min(least, target);
      most = Math.max(most, target);
      sum += target;
      count++;
    }
    return { least, most, mean: sum / count, downs };
  }

  get #encoder() {
    return this.host.encodersOf("back").find(({ spec }) => spec.codec === "h264");
  }

  #step(): void {
    this.us += STEP_US;
    this.host.nowUs = this.#startUs + this.us;
    while (this.#later[0] !== undefined && this.#later[0].atUs <= this.us) this.#later.shift()!.run();
    while (this.#nextFrameUs <= this.us - this.#settings.latencyUs) {
      this.#frame(this.#nextFrameUs);
      this.#nextFrameUs += FRAME_US;
    }
    this.host.settle(this.world.core);
    for (const viewer of this.viewers) viewer.step(this.us);
    this.host.settle(this.world.core);
    this.host.calls.length = 0;
    const told = this.#encoder?.bitrate ?? this.#encoder?.spec.bitrate;
    if (told !== undefined && told !== this.targets.at(-1)?.bitrate)
      this.targets.push({ atUs: this.us, bitrate: told });
  }

  #frame(us: number): void {
    const encoder = this.#encoder;
    if (encoder === undefined) return;
    const feed = this.world.server.profiles.byKey("/live/back")!.feed;
    const timeUs = this.#startUs + us;
    this.capturedUs.set(feed.stream.timestampOf(timeUs), us);
    this.beginsPicture.add(feed.stream.sequence);
    const key = encoder.keyWanted || this.#sinceKey >= KEY_EVERY;
    encoder.keyWanted = false;
    this.#sinceKey = key ? 1 : this.#sinceKey + 1;
    const given = this.#settings.follows(encoder.bitrate ?? encoder.spec.bitrate ?? 0);
    const ordinary = (given / 8 / FPS) * (KEY_EVERY / (KEY_EVERY - 1 + KEY_WEIGHT));
    const slice = sliceOf(key, Math.round(ordinary * (key ? KEY_WEIGHT : 1)), this.#picture++);
    this.host.h264Frame(encoder.handle, key ? [SPS, PPS, slice] : [slice], timeUs);
  }
}
