import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { millis, seconds } from "../time/units.ts";
import { type DnsMessage, type DnsQuestion, type DnsRecord, decodeMessage, QUERY, RESPONSE } from "./message.ts";
import { type DnsName, nameText } from "./name.ts";
import { RecordType } from "./record-data.ts";
import { compareRecords, MDNS_PORT, type OwnName, Responder, type Sender } from "./responder.ts";

const { A, AAAA, PTR, SRV, TXT, NSEC, ANY } = RecordType;
const HOST: DnsName = ["door", "local"];
const HTTP: DnsName = ["_http", "_tcp", "local"];
const INSTANCE: DnsName = ["door", ...HTTP];
const SERVICES: DnsName = ["_services", "_dns-sd", "_udp", "local"];

const own = (name: DnsName, ttl: number, data: DnsRecord["data"]): DnsRecord => ({
  name,
  classCode: 1,
  cacheFlush: false,
  ttl,
  data,
});
const hostOf = (address: string, name = HOST): OwnName => ({
  name,
  unique: [own(name, 120, { type: A, address })],
  shared: [],
});
const serviceOf = (port: number, name = INSTANCE): OwnName => ({
  name,
  unique: [
    own(name, 120, { type: SRV, priority: 0, weight: 0, port, target: HOST }),
    own(name, 4500, { type: TXT, strings: ["path=/"] }),
  ],
  shared: [own(HTTP, 4500, { type: PTR, target: name }), own(SERVICES, 4500, { type: PTR, target: HTTP })],
});
const NAMES = [hostOf("192.0.2.7"), serviceOf(8089)];
const PEER: Sender = { address: "192.0.2.20", port: MDNS_PORT, isOwn: false };

const question = (name: DnsName, type: number, more: Partial<DnsQuestion> = {}): DnsQuestion => ({
  name,
  type,
  classCode: 1,
  wantsUnicast: false,
  ...more,
});
const summary = (records: readonly DnsRecord[]): string[] =>
  records.map(({ name, data, ttl }) => {
    const what = Object.entries(RecordType).find(([, code]) => code === data.type)?.[0];
    return `${nameText(name)} ${what} ${ttl}`;
  });
const ALL = [
  "_http._tcp.local PTR 4500",
  "_services._dns-sd._udp.local PTR 4500",
  "door._http._tcp.local SRV 120",
  "door._http._tcp.local TXT 4500",
  "door.local A 120",
];

class World {
  nowUs = 50_000_001;
  random = 0;
  readonly responder = new Responder({
    random: () => this.random,
    isOwnAddress: (address) => address === "192.0.2.7" || address === "10.0.0.7",
  });

  constructor(names: readonly OwnName[] = NAMES) {
    this.responder.setNames(names, this.nowUs);
  }

  /** What is sent by now. */
  sent(): { message: DnsMessage; to: { address: string; port: number } | undefined }[] {
    return this.responder.run(this.nowUs).map(({ bytes, to }) => {
      expect(bytes.length).toBeLessThanOrEqual(1440);
      return { message: decodeMessage(textOfBytes(bytes)), to };
    });
  }

  /** Runs everything that is due until then. */
  after(us: number): { atUs: number; message: DnsMessage; to: { address: string; port: number } | undefined }[] {
    const startUs = this.nowUs;
    const endUs = startUs + us;
    const all: ReturnType<World["after"]> = [];
    for (;;) {
      all.push(...this.sent().map((one) => ({ ...one, atUs: this.nowUs - startUs })));
      const dueUs = this.responder.nextDueUs;
      if (dueUs < 0 || dueUs > endUs) break;
      expect(dueUs).toBeGreaterThan(this.nowUs - 1);
      this.nowUs = Math.max(dueUs, this.nowUs + 1);
    }
    this.nowUs = endUs;
    return all;
  }

  receive(message: Partial<DnsMessage>, from: Sender = PEER): void {
    this.responder.receive({ ...QUERY, ...message }, from, this.nowUs);
  }

  ask(...questions: DnsQuestion[]): void {
    this.receive({ questions });
  }

  /** Past probing and announcing, and past the second in which nothing is repeated. */
  live(): this {
    this.after(seconds(5));
    expect(this.responder.isLive).toBe(true);
    return this;
  }
}

describe("names on a link", () => {
  it("are probed for three times, a quarter of a second apart, then announced twice, a second apart", () => {
    const world = new World();
    world.random = 0.5;
    world.responder.setNames([], world.nowUs);
    world.responder.setNames(NAMES, world.nowUs);
    const sent = world.after(seconds(10));
    expect(sent.map(({ atUs, message }) => [Math.round(atUs / 1000), message.isResponse])).toEqual([
      [125, false],
      [375, false],
      [625, false],
      [875, true],
      [1875, true],
    ]);
    expect(sent.every(({ to }) => to === undefined)).toBe(true);
    const [probe, , , first, second] = sent.map(({ message }) => message);
    expect(probe!.questions).toEqual([question(HOST, ANY), question(INSTANCE, ANY)]);
    expect(summary(probe!.authorities).sort()).toEqual(ALL.slice(2));
    expect(probe!.authorities.some(({ cacheFlush }) => cacheFlush)).toBe(false);
    expect(summary(first!.answers).sort()).toEqual(ALL);
    expect(second).toEqual(first);
    const flushing = first!.answers.filter(({ cacheFlush }) => cacheFlush).map(({ data }) => data.type);
    expect(flushing.sort((a, b) => a - b)).toEqual([A, TXT, SRV]);
    expect(world.responder.nextDueUs).toBe(-1);
  });

  it("say nothing to questions before they are known to be ours", () => {
    const world = new World();
    world.after(millis(300));
    world.ask(question(HOST, A));
    expect(world.sent()).toEqual([]);
  });

  it("are taken back with a time to live of 0, all of them or those that go", () => {
    const world = new World().live();
    world.responder.setNames([NAMES[0]!], world.nowUs);
    expect(world.sent().map(({ message }) => summary(message.answers).sort())).toEqual([
      ALL.slice(0, 4).map((line) => line.replace(/\d+$/, "0")),
    ]);
    world.responder.setNames([], world.nowUs);
    expect(world.sent().map(({ message }) => summary(message.answers))).toEqual([["door.local A 0"]]);
    expect(world.responder.nextDueUs).toBe(-1);
  });

  it("that nobody has heard of go silently", () => {
    const world = new World();
    world.after(millis(300));
    world.responder.setNames([], world.nowUs);
    expect(world.sent()).toEqual([]);
  });

  it("keep what they share: the kind of service stays while one of it is there", () => {
    const other = serviceOf(8090, ["other", ...HTTP]);
    const world = new World([...NAMES, other]).live();
    world.responder.setNames(NAMES, world.nowUs);
    const [{ message } = expect.fail("nothing was sent")] = world.sent();
    expect(summary(message.answers)).toEqual([
      "_http._tcp.local PTR 0",
      "other._http._tcp.local SRV 0",
      "other._http._tcp.local TXT 0",
    ]);
  });

  it("are announced again at once when what they say has changed", () => {
    const world = new World().live();
    world.responder.setNames([hostOf("192.0.2.7"), serviceOf(9000)], world.nowUs);
    const sent = world.after(seconds(3));
    const answers = sent.map(({ atUs, message }) => [atUs, summary(message.answers).sort()]);
    expect(answers).toEqual([
      [0, ["door._http._tcp.local SRV 0"]],
      [0, ALL.slice(0, 4)],
      [seconds(1), ALL.slice(0, 4)],
    ]);
    expect(world.responder.setNames([hostOf("192.0.2.7"), serviceOf(9000)], world.nowUs)).toBeUndefined();
    expect(world.sent()).toEqual([]);
  });

  it("are probed for and announced again after a change of the network, and goodbye is said even then", () => {
    const world = new World().live();
    world.responder.reannounce(world.nowUs);
    expect(world.after(seconds(3)).map(({ message }) => message.isResponse)).toEqual([false, false, false, true, true]);
    world.responder.reannounce(world.nowUs);
    world.sent();
    world.responder.setNames([], world.nowUs);
    expect(world.sent().map(({ message }) => message.answers.map(({ ttl }) => ttl))).toEqual([[0, 0, 0, 0, 0]]);
  });

  it("fill as many packets as they need", () => {
    const many = Array.from({ length: 68 }, (_, i) => serviceOf(i, [`door live/camera-number-${i}`, ...HTTP]));
    const world = new World([NAMES[0]!, ...many]);
    const sent = world.after(seconds(3));
    const probes = sent.filter(({ message }) => !message.isResponse);
    expect(probes.length).toBeGreaterThan(6);
    expect(probes.flatMap(({ message }) => message.questions)).toHaveLength(3 * 69);
    const told = sent.filter(({ message }) => message.isResponse).flatMap(({ message }) => summary(message.answers));
    expect(new Set(told).size).toBe(1 + 68 * 2 + 2);
    expect(told).toHaveLength(2 * (1 + 68 * 3 + 1));
  });
});

describe("a question", () => {
  it("for a service is answered to the group after 20 to 120 ms, with what will be asked next", () => {
    for (const [random, delayMs] of [
      [0, 20],
      [0.999999, 120],
    ] as const) {
      const world = new World().live();
      world.random = random;
      world.ask(question(["_HTTP", "_tcp", "local"], PTR));
      const [{ atUs, message, to } = expect.fail("no answer"), ...more] = world.after(seconds(1));
      expect(Math.round(atUs / 1000)).toBe(delayMs);
      expect(more).toEqual([]);
      expect(to).toBeUndefined();
      expect(message).toMatchObject({ id: 0, authoritative: true, questions: [] });
      expect(summary(message.answers)).toEqual([ALL[0]]);
      expect(summary(message.additionals)).toEqual([ALL[2], ALL[4], ALL[3]]);
    }
  });

  it("for the kinds of services is answered", () => {
    const world = new World().live();
    world.ask(question(SERVICES, PTR));
    expect(world.after(seconds(1)).flatMap(({ message }) => summary(message.answers))).toEqual([ALL[1]]);
  });

  it("for what only we have is answered at once, and what we don't have of it is said", () => {
    const world = new World().live();
    world.ask(question(HOST, A), question(INSTANCE, SRV));
    expect(world.sent().map(({ message }) => summary(message.answers))).toEqual([[ALL[4], ALL[2]]]);
    world.ask(question(HOST, AAAA));
    const [{ message } = expect.fail("no answer")] = world.sent();
    expect(message.answers).toMatchObject([
      { name: HOST, cacheFlush: true, data: { type: NSEC, next: HOST, types: [A] } },
    ]);
  });

  it("for ANY is answered with all there is of the name", () => {
    const world = new World().live();
    world.ask(question(INSTANCE, ANY, { classCode: 255 }));
    expect(world.sent().map(({ message }) => summary(message.answers))).toEqual([[ALL[2], ALL[3]]]);
  });

  it("for what is not ours, or of another class, is not answered", () => {
    const world = new World().live();
    world.ask(
      question(["other", "local"], A),
      question(HOST, A, { classCode: 3 }),
      question(["_rtsp", "_tcp", "local"], PTR),
    );
    world.receive({ opcode: 1, questions: [question(HOST, A)] });
    world.receive({ rcode: 3, questions: [question(HOST, A)] });
    expect(world.after(seconds(1))).toEqual([]);
  });

  it("is not answered with what whoever asks knows with at least half its time", () => {
    const world = new World().live();
    const [pointer] = NAMES[1]!.shared;
    world.receive({ questions: [question(HTTP, PTR)], answers: [{ ...pointer!, ttl: 2250 }] });
    expect(world.after(seconds(1))).toEqual([]);
    world.receive({ questions: [question(HTTP, PTR)], answers: [{ ...pointer!, ttl: 2249 }] });
    expect(world.after(seconds(1))).toHaveLength(1);
  });

  it("whose known answers do not fit one message is answered once all are there", () => {
    const world = new World().live();
    const [pointer] = NAMES[1]!.shared;
    const questions = [question(HTTP, PTR), question(HOST, A)];
    world.receive({ truncated: true, questions });
    expect(world.after(millis(100))).toEqual([]);
    world.receive({ answers: [pointer!] });
    const sent = world.after(seconds(1));
    expect(sent.map(({ message }) => summary(message.answers))).toEqual([[ALL[4]]]);
    expect(sent[0]!.atUs).toBe(millis(300));
  });

  it("is answered once a second to the group, and sooner to whoever probes for the name", () => {
    const world = new World().live();
    world.ask(question(HOST, A));
    expect(world.sent()).toHaveLength(1);
    world.after(millis(300));
    world.ask(question(HOST, A));
    expect(world.sent()).toEqual([]);
    world.receive({
      questions: [question(HOST, ANY)],
      authorities: [own(HOST, 120, { type: A, address: "192.0.2.9" })],
    });
    expect(world.sent()).toHaveLength(1);
    world.after(millis(1001));
    world.ask(question(HOST, A));
    expect(world.sent()).toHaveLength(1);
  });

  it("from several at once is answered once, and not at all once another has given the same answer", () => {
    const world = new World().live();
    world.ask(question(HTTP, PTR));
    world.ask(question(HTTP, PTR), question(SERVICES, PTR));
    world.receive({ ...RESPONSE, answers: [NAMES[1]!.shared[1]!] });
    expect(world.after(seconds(1)).map(({ message }) => summary(message.answers))).toEqual([[ALL[0]]]);
  });

  it("for a unicast answer gets it, unless the group has not heard it for a quarter of its time", () => {
    const world = new World().live();
    const asked = question(HOST, A, { wantsUnicast: true });
    world.ask(asked);
    expect(world.sent()).toMatchObject([{ to: { address: PEER.address, port: 5353 } }]);
    world.after(seconds(31));
    world.ask(asked);
    expect(world.sent()).toMatchObject([{ to: undefined }]);
    world.after(seconds(2));
    world.ask(asked);
    expect(world.sent()).toMatchObject([{ to: { address: PEER.address } }]);
  });

  it("for a unicast answer from this machine gets one by multicast: several programs have the port", () => {
    const world = new World().live();
    world.receive({ questions: [question(HOST, A, { wantsUnicast: true })] }, { ...PEER, isOwn: true });
    expect(world.sent()).toMatchObject([{ to: undefined }]);
  });

  it("of an ordinary resolver comes back with its answer, short-lived and without what only Multicast DNS has", () => {
    const world = new World().live();
    const from = { address: "192.0.2.20", port: 40_000, isOwn: true };
    world.receive({ id: 4711, questions: [question(INSTANCE, SRV, { wantsUnicast: true })] }, from);
    const [{ bytes, to } = expect.fail("no answer")] = world.responder.run(world.nowUs);
    const message = decodeMessage(textOfBytes(bytes));
    expect(to).toEqual({ address: "192.0.2.20", port: 40_000 });
    // In the question and, since such resolvers expect no pointer there, in the SRV too; the A record's name is a pointer.
    expect(textOfBytes(bytes).split("local")).toHaveLength(3);
    expect(message).toMatchObject({ id: 4711, isResponse: true, questions: [question(INSTANCE, SRV)] });
    expect(summary(message.answers)).toEqual(["door._http._tcp.local SRV 10"]);
    expect(summary(message.additionals)).toEqual(["door.local A 10"]);
    expect([...message.answers, ...message.additionals].some(({ cacheFlush }) => cacheFlush)).toBe(false);
  });
});

describe("a name that somebody else has", () => {
  const theirs = own(HOST, 120, { type: A, address: "192.0.2.99" });

  it("is given up while it is probed for", () => {
    const world = new World();
    world.after(millis(300));
    world.receive({ ...RESPONSE, answers: [theirs] });
    expect(world.responder.takeTaken()).toEqual([HOST]);
    expect(world.responder.takeTaken()).toEqual([]);
    const renamed = hostOf("192.0.2.7", ["door-2", "local"]);
    world.responder.setNames([renamed, NAMES[1]!], world.nowUs);
    const asked = world.after(seconds(1)).flatMap(({ message }) => message.questions.map(({ name }) => name[0]));
    expect(asked.filter((name) => name === "door-2")).toHaveLength(3);
  });

  it("is probed for again once it was ours, and kept when nobody defends it", () => {
    const world = new World().live();
    world.receive({ ...RESPONSE, answers: [theirs] });
    expect(world.responder.takeTaken()).toEqual([]);
    const sent = world.after(seconds(3));
    expect(sent.map(({ message }) => message.isResponse)).toEqual([false, false, false, true, true]);
    expect(sent[0]!.message.questions).toEqual([question(HOST, ANY)]);
    world.receive({ ...RESPONSE, answers: [theirs] });
    world.after(millis(10));
    world.receive({ ...RESPONSE, answers: [theirs] });
    expect(world.responder.takeTaken()).toEqual([HOST]);
  });

  it("is not somebody else's when it is said by us, by another link of ours, taken back, or of another type", () => {
    const world = new World();
    world.after(millis(300));
    world.receive({ ...RESPONSE, answers: [own(HOST, 120, { type: A, address: "192.0.2.7" })] });
    world.receive({ ...RESPONSE, answers: [own(HOST, 120, { type: A, address: "10.0.0.7" })] });
    world.receive({ ...RESPONSE, answers: [{ ...theirs, ttl: 0 }] });
    world.receive({ ...RESPONSE, answers: [own(HOST, 120, { type: TXT, strings: ["x"] })] });
    // An answer from another port is none (section 6).
    world.receive({ ...RESPONSE, answers: [theirs] }, { ...PEER, port: 40_000 });
    expect(world.responder.takeTaken()).toEqual([]);
    world.live();
  });

  it("goes to the later in order of two who probe for it at once", () => {
    const probe = (address: string) => ({
      questions: [question(HOST, ANY)],
      authorities: [own(HOST, 120, { type: A, address })],
    });
    const winner = new World([hostOf("192.0.2.7")]);
    winner.after(millis(300));
    winner.receive(probe("192.0.2.6"));
    expect(winner.after(millis(800)).map(({ message }) => message.isResponse)).toEqual([false, true]);
    const loser = new World([hostOf("192.0.2.7")]);
    loser.after(millis(300));
    loser.receive(probe("192.0.2.8"));
    const sent = loser.after(seconds(3));
    expect(sent.map(({ message }) => message.isResponse)).toEqual([false, false, false, true, true]);
    expect(sent[0]!.atUs).toBe(seconds(1));
    expect(loser.responder.takeTaken()).toEqual([]);
  });

  it("is looked for slowly after fifteen failures", () => {
    const world = new World([hostOf("192.0.2.7")]);
    for (let i = 0; i < 15; i++) {
      world.receive({ ...RESPONSE, answers: [{ ...theirs, name: i === 0 ? HOST : [`door-${i + 1}`, "local"] }] });
      expect(world.responder.takeTaken()).toHaveLength(1);
      world.responder.setNames([hostOf("192.0.2.7", [`door-${i + 2}`, "local"])], world.nowUs);
    }
    expect(world.after(millis(4_900))).toEqual([]);
    expect(world.after(millis(200))).toHaveLength(1);
  });

  it("is told again at once when another takes back what is ours too", () => {
    const world = new World().live();
    world.receive({ ...RESPONSE, answers: [{ ...NAMES[1]!.shared[1]!, ttl: 0 }] });
    expect(world.sent().map(({ message }) => summary(message.answers))).toEqual([[ALL[1]]]);
  });
});

describe("the order of records", () => {
  const a = (address: string) => own(HOST, 120, { type: A, address });

  it("is that of class, type and bytes, and more is later than less", () => {
    // RFC 6762 section 8.2: 169.254.99.200 is before 169.254.200.50.
    expect(compareRecords([a("169.254.99.200")], [a("169.254.200.50")])).toBeLessThan(0);
    expect(compareRecords([a("1.0.0.1")], [a("1.0.0.1")])).toBe(0);
    expect(compareRecords([a("1.0.0.1"), a("1.0.0.0")], [a("1.0.0.0"), a("1.0.0.1"), a("9.9.9.9")])).toBeLessThan(0);
    expect(compareRecords([own(HOST, 1, { type: AAAA, address: "::" })], [a("255.255.255.255")])).toBeGreaterThan(0);
  });
});
