/**
 * The names of one device on one link: probing, announcing, answering, defending, goodbye (RFC 6762). Row 1.
 *
 *     setNames ─▶ probing ×3, 250 ms apart ─▶ announcing ×2, 1 s apart ─▶ live ─▶ gone (goodbye)
 *                    │ ▲                                                │
 *      taken (report)┘ └── somebody else claims it (section 9) ─────────┘
 *
 * No IO: datagrams come in with {@link Responder.receive}, and {@link Responder.run} gives those that are due. Questions
 * for unicast answers are answered so, save to programs of this very machine: port 5353 may have several listeners here, and
 * a unicast datagram reaches one of them.
 */
import { type Micros, millis, seconds } from "../time/units.ts";
import {
  CLASS_ANY,
  CLASS_IN,
  type DnsMessage,
  type DnsQuestion,
  type DnsRecord,
  encodeMessage,
  isAskedFor,
  QUERY,
  questionLength,
  RESPONSE,
  recordKey,
  recordLength,
} from "./message.ts";
import { type DnsName, nameKey } from "./name.ts";
import { RecordType, recordDataKey } from "./record-data.ts";

export const MDNS_PORT = 5353;
export const MDNS_GROUP = "224.0.0.251";
export const MDNS_GROUP_IPV6 = "ff02::fb";
/** Of records that name a host (section 10), in seconds. */
export const HOST_TTL_S = 120;
/** Of all others. */
export const OTHER_TTL_S = 4_500;

/** So that it fits an Ethernet frame with IP and UDP in front (section 17). */
const PACKET_MAX_BYTES = 1_440;
const HEADER_BYTES = 12;
const PROBES = 3;
/** Random wait before the first probe, and the time between two (section 8.1). */
const PROBE_US: Micros = millis(250);
/** Who loses against another that probes at the same time waits so long (section 8.2). */
const LOST_PROBE_US: Micros = seconds(1);
const CONFLICTS_MAX = 15;
const CONFLICTS_WITHIN_US: Micros = seconds(10);
/** Before each further probe once there were too many conflicts (section 8.1). */
const CONFLICT_PAUSE_US: Micros = seconds(5);
const ANNOUNCEMENTS = 2;
const ANNOUNCE_US: Micros = seconds(1);
/** Random delay of answers that others may have too (section 6). */
const SHARED_DELAY_US: Micros = millis(20);
const SHARED_DELAY_SPREAD_US: Micros = millis(100);
/** Random delay when more known answers are to come (section 7.2). */
const TRUNCATED_DELAY_US: Micros = millis(400);
const TRUNCATED_DELAY_SPREAD_US: Micros = millis(100);
/** No record is sent to the group more often (section 6), save to whoever probes for it. */
const REPEAT_US: Micros = seconds(1);
const REPEAT_TO_PROBE_US: Micros = millis(250);
/** Of answers to ordinary resolvers (section 6.7). */
const LEGACY_TTL_S = 10;
/** Queriers whose further known answers are waited for at a time. */
const TRUNCATED_MAX = 16;

/** A name that only we have, with what points to it. It is told, and goes, as a whole. */
export type OwnName = {
  readonly name: DnsName;
  /** Its own records: nobody else's have this name. Their `cacheFlush` is set by the responder. */
  readonly unique: readonly DnsRecord[];
  /** Records of names that others have too: PTR. */
  readonly shared: readonly DnsRecord[];
};

export type Sender = {
  readonly address: string;
  readonly port: number;
  /** A program of this machine, or we ourselves. */
  readonly isOwn: boolean;
};

export type Outgoing = {
  readonly bytes: Int8Array;
  /** Undefined: the group. */
  readonly to: { readonly address: string; readonly port: number } | undefined;
};

export type ResponderOptions = {
  /** 0 … 1, 1 excluded. */
  readonly random: () => number;
  /** Whether an address is this machine's, on whatever link: then nobody else claims our host name with it. */
  readonly isOwnAddress: (address: string) => boolean;
};

type Claim = {
  readonly key: string;
  own: OwnName;
  phase: "probing" | "announcing" | "live";
  /** Probes or announcements sent in this phase. */
  sent: number;
  /** Others may have heard of it. */
  told: boolean;
  dueUs: Micros;
};

type Truncated = {
  dueUs: Micros;
  readonly questions: DnsQuestion[];
  readonly known: DnsRecord[];
  readonly from: Sender;
};

export class Responder {
  readonly #options: ResponderOptions;
  readonly #claims = new Map<string, Claim>();
  /** Answers for the group that wait for their time, by record. */
  readonly #pending = new Map<string, { readonly record: DnsRecord; readonly dueUs: Micros }>();
  readonly #sentUs = new Map<string, Micros>();
  readonly #truncated = new Map<string, Truncated>();
  #ready: Outgoing[] = [];
  #taken: DnsName[] = [];
  #conflictsUs: Micros[] = [];

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /** Says which names there are from now on. New ones are probed for, changed ones announced, gone ones said goodbye to. */
  setNames(names: readonly OwnName[], nowUs: Micros): void {
    const before = this.#toldRecords();
    // One delay for all of them, so that they go in the same packets.
    const dueUs = nowUs + this.#probeDelay(nowUs);
    const wanted = new Map(names.map((own) => [nameKey(own.name), own]));
    for (const key of this.#claims.keys()) if (!wanted.has(key)) this.#claims.delete(key);
    for (const [key, given] of wanted) {
      const own = { ...given, unique: given.unique.map((record) => ({ ...record, cacheFlush: true })) };
      const claim = this.#claims.get(key);
      if (claim === undefined) {
        this.#claims.set(key, { key, own, phase: "probing", sent: 0, told: false, dueUs });
      } else if (!isSame(claim.own, own)) {
        claim.own = own;
        if (claim.phase !== "probing") this.#announce(claim, nowUs);
      }
    }
    this.#sayGoodbye(before);
  }

  /** Tells everything again: the network has changed, and others may not know us. */
  reannounce(nowUs: Micros): void {
    const dueUs = nowUs + this.#probeDelay(nowUs);
    for (const claim of this.#claims.values()) Object.assign(claim, { phase: "probing", sent: 0, dueUs });
  }

  /** Names that somebody else has, since the last call: find others and {@link setNames}. */
  takeTaken(): readonly DnsName[] {
    const taken = this.#taken;
    this.#taken = [];
    return taken;
  }

  receive(message: DnsMessage, from: Sender, nowUs: Micros): void {
    // Sections 18.3 and 18.11: anything else is silently ignored.
    if (message.opcode !== 0 || message.rcode !== 0) return;
    if (!message.isResponse) this.#onQuery(message, from, nowUs);
    // Section 6: answers come from the port of Multicast DNS.
    else if (from.port === MDNS_PORT) this.#onResponse(message, nowUs);
  }

  /** What is due. */
  run(nowUs: Micros): Outgoing[] {
    for (const [key, waiting] of this.#truncated) {
      if (waiting.dueUs > nowUs) continue;
      this.#truncated.delete(key);
      this.#answer({ ...QUERY, questions: waiting.questions, answers: waiting.known }, waiting.from, nowUs);
    }
    this.#runClaims(nowUs);
    const due = [...this.#pending.values()].filter((one) => one.dueUs <= nowUs).map(({ record }) => record);
    if (due.length > 0) this.#multicast(due, nowUs);
    const out = this.#ready;
    this.#ready = [];
    return out;
  }

  /** When {@link run} has something to do, or -1 for never. */
  get nextDueUs(): Micros {
    if (this.#ready.length > 0) return 0;
    const claims = [...this.#claims.values()].filter(({ phase }) => phase !== "live");
    const due = [...claims, ...this.#pending.values(), ...this.#truncated.values()].map(({ dueUs }) => dueUs);
    return due.length === 0 ? -1 : Math.min(...due);
  }

  /** True once everything was told. */
  get isLive(): boolean {
    return [...this.#claims.values()].every(({ phase }) => phase === "live");
  }

  // ── Claims ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #runClaims(nowUs: Micros): void {
    const probed: Claim[] = [];
    const told: Claim[] = [];
    for (const claim of this.#claims.values()) {
      if (claim.phase === "live" || claim.dueUs > nowUs) continue;
      if (claim.phase === "probing" && claim.sent === PROBES) this.#announce(claim, nowUs);
      claim.sent++;
      if (claim.phase === "probing") {
        probed.push(claim);
        claim.dueUs = nowUs + PROBE_US;
      } else {
        told.push(claim);
        claim.told = true;
        claim.dueUs = nowUs + ANNOUNCE_US;
        if (claim.sent === ANNOUNCEMENTS) claim.phase = "live";
      }
    }
    this.#probe(probed);
    if (told.length > 0)
      this.#multicast(
        told.flatMap(({ own }) => recordsOf(own)),
        nowUs,
      );
  }

  #announce(claim: Claim, nowUs: Micros): void {
    Object.assign(claim, { phase: "announcing", sent: 0, dueUs: nowUs });
  }

  #probe(claims: readonly Claim[]): void {
    const parts = claims.map(({ own }) => {
      // No QU bit: see above, the answer might reach another listener of this machine.
      const question = { name: own.name, type: RecordType.ANY, classCode: CLASS_IN, wantsUnicast: false };
      // An authority is no statement, so no cache is to be flushed (section 10.2).
      const authorities = own.unique.map((record) => ({ ...record, cacheFlush: false }));
      const length = questionLength(question) + sumOf(authorities);
      return { question, authorities, length };
    });
    for (const packet of packed(parts, ({ length }) => length)) {
      this.#send({
        ...QUERY,
        questions: packet.map(({ question }) => question),
        authorities: packet.flatMap(({ authorities }) => authorities),
      });
    }
  }

  #probeDelay(nowUs: Micros): Micros {
    this.#conflictsUs = this.#conflictsUs.filter((at) => at > nowUs - CONFLICTS_WITHIN_US);
    return this.#conflictsUs.length >= CONFLICTS_MAX ? CONFLICT_PAUSE_US : this.#random(PROBE_US);
  }

  /** Records that others may have heard of. */
  #toldRecords(): Map<string, DnsRecord> {
    const told = [...this.#claims.values()].filter((claim) => claim.told);
    return new Map(told.flatMap(({ own }) => recordsOf(own)).map((record) => [recordKey(record), record]));
  }

  /** Takes back what was told and is no more. */
  #sayGoodbye(before: ReadonlyMap<string, DnsRecord>): void {
    const stays = new Set([...this.#claims.values()].flatMap(({ own }) => recordsOf(own)).map(recordKey));
    const gone = [...before].filter(([key]) => !stays.has(key));
    for (const key of this.#pending.keys()) if (!stays.has(key)) this.#pending.delete(key);
    for (const [key] of gone) this.#sentUs.delete(key);
    for (const packet of packed(
      gone.map(([, record]) => ({ ...record, ttl: 0 })),
      recordLength,
    )) {
      this.#send({ ...RESPONSE, answers: packet });
    }
  }

  // ── Queries ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onQuery(message: DnsMessage, from: Sender, nowUs: Micros): void {
    this.#settleProbes(message, nowUs);
    const key = `${from.address} ${from.port}`;
    const waiting = this.#truncated.get(key);
    if (waiting !== undefined) {
      waiting.questions.push(...message.questions);
      waiting.known.push(...message.answers);
      if (message.truncated) waiting.dueUs = nowUs + this.#truncatedDelay();
      return;
    }
    if (message.truncated && from.port === MDNS_PORT && this.#truncated.size < TRUNCATED_MAX) {
      const [questions, known] = [[...message.questions], [...message.answers]];
      this.#truncated.set(key, { dueUs: nowUs + this.#truncatedDelay(), questions, known, from });
      return;
    }
    this.#answer(message, from, nowUs);
  }

  /** Two who probe for one name at the same time compare what they would say; the later in order has it (section 8.2). */
  #settleProbes(message: DnsMessage, nowUs: Micros): void {
    for (const claim of this.#claims.values()) {
      if (claim.phase !== "probing") continue;
      const theirs = message.authorities.filter(({ name }) => nameKey(name) === claim.key);
      if (theirs.length === 0 || theirs.every((record) => this.#isOurs(claim, record))) continue;
      if (compareRecords(claim.own.unique, theirs) >= 0) continue;
      Object.assign(claim, { sent: 0, dueUs: nowUs + LOST_PROBE_US });
    }
  }

  #answer(message: DnsMessage, from: Sender, nowUs: Micros): void {
    const isLegacy = from.port !== MDNS_PORT;
    const isProbe = message.authorities.length > 0;
    const known = new Map(message.answers.map((record) => [recordKey(record), record.ttl]));
    const direct = new Map<string, DnsRecord>();
    for (const question of message.questions) {
      for (const { record, isShared } of this.#recordsFor(question)) {
        const key = recordKey(record);
        // Known with at least half its time left: nothing new (section 7.1).
        if ((known.get(key) ?? -1) * 2 >= record.ttl) continue;
        const sentUs = this.#sentUs.get(key) ?? Number.NEGATIVE_INFINITY;
        // What the group has not heard for long is told to everybody (section 5.4).
        const isFresh = sentUs > nowUs - seconds(record.ttl / 4);
        if (isLegacy || (question.wantsUnicast && isFresh && !from.isOwn)) {
          direct.set(key, record);
          continue;
        }
        if (sentUs > nowUs - (isProbe ? REPEAT_TO_PROBE_US : REPEAT_US)) continue;
        const delayUs = isShared ? SHARED_DELAY_US + this.#random(SHARED_DELAY_SPREAD_US) : 0;
        const dueUs = Math.min(nowUs + delayUs, this.#pending.get(key)?.dueUs ?? Number.POSITIVE_INFINITY);
        this.#pending.set(key, { record, dueUs });
      }
    }
    if (direct.size === 0) return;
    if (isLegacy) this.#replyToResolver(message, [...direct.values()], from);
    else for (const answers of packed([...direct.values()], recordLength)) this.#send(this.#completed(answers), from);
  }

  /** Of names that nobody else has. What such a name has no record of is said with NSEC (section 6.1). */
  #recordsFor(question: DnsQuestion): readonly { readonly record: DnsRecord; readonly isShared: boolean }[] {
    const found: { readonly record: DnsRecord; readonly isShared: boolean }[] = [];
    for (const { key, own, phase } of this.#claims.values()) {
      if (phase === "probing") continue;
      const unique = own.unique.filter((record) => isAskedFor(question, record));
      found.push(...unique.map((record) => ({ record, isShared: false })));
      for (const record of own.shared) if (isAskedFor(question, record)) found.push({ record, isShared: true });
      const isIn = question.classCode === CLASS_IN || question.classCode === CLASS_ANY;
      if (unique.length === 0 && isIn && nameKey(question.name) === key) {
        found.push({ record: negativeOf(own), isShared: false });
      }
    }
    return found;
  }

  /** An ordinary resolver: its question and id come back, by unicast (section 6.7). */
  #replyToResolver(message: DnsMessage, records: readonly DnsRecord[], from: Sender): void {
    const plain = (record: DnsRecord) => ({ ...record, cacheFlush: false, ttl: Math.min(record.ttl, LEGACY_TTL_S) });
    const questions = message.questions.map((question) => ({ ...question, wantsUnicast: false }));
    const room = PACKET_MAX_BYTES - questions.reduce((sum, question) => sum + questionLength(question), 0);
    const [answers = []] = packed(records, recordLength, room);
    const { additionals } = this.#completed(answers);
    const rest = additionals.filter(({ data }) => data.type !== RecordType.NSEC);
    const [fitting = []] = packed(rest, recordLength, room - sumOf(answers));
    const reply = {
      ...RESPONSE,
      id: message.id,
      questions,
      answers: answers.map(plain),
      additionals: fitting.map(plain),
    };
    this.#ready.push({ bytes: encodeMessage(reply, false), to: { address: from.address, port: from.port } });
  }

  /** Sends records to the group, now. */
  #multicast(records: readonly DnsRecord[], nowUs: Micros): void {
    const once = [...new Map(records.map((record) => [recordKey(record), record])).values()];
    for (const answers of packed(once, recordLength)) {
      const message = this.#completed(answers);
      for (const record of [...answers, ...message.additionals]) {
        this.#sentUs.set(recordKey(record), nowUs);
        this.#pending.delete(recordKey(record));
      }
      this.#send(message);
    }
  }

  /** Answers with what whoever asked will ask for next (RFC 6763 section 12), as far as it fits. */
  #completed(answers: readonly DnsRecord[]): DnsMessage {
    const additionals = new Map<string, DnsRecord>();
    const has = new Set(answers.map(recordKey));
    const add = (name: DnsName): void => {
      const claim = this.#claims.get(nameKey(name));
      if (claim === undefined || claim.phase === "probing") return;
      for (const record of claim.own.unique) {
        const key = recordKey(record);
        if (has.has(key) || additionals.has(key)) continue;
        additionals.set(key, record);
        if (record.data.type === RecordType.SRV && "port" in record.data) add(record.data.target);
      }
    };
    for (const { data } of answers) if ("target" in data) add(data.target);
    const [fitting = []] = packed([...additionals.values()], recordLength, PACKET_MAX_BYTES - sumOf(answers));
    return { ...RESPONSE, answers, additionals: fitting };
  }

  // ── Responses ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onResponse(message: DnsMessage, nowUs: Micros): void {
    for (const record of [...message.answers, ...message.additionals]) {
      const key = recordKey(record);
      const own = this.#find(key);
      if (own === undefined) {
        this.#checkConflict(record, nowUs);
        continue;
      }
      if (record.ttl * 2 >= own.ttl) {
        // Somebody was faster (section 7.4).
        this.#pending.delete(key);
      } else {
        // Somebody takes back, or shortens, what is ours too (section 6.6).
        this.#pending.set(key, { record: own, dueUs: nowUs });
      }
    }
  }

  #find(key: string): DnsRecord | undefined {
    for (const { own, phase } of this.#claims.values()) {
      if (phase === "probing") continue;
      const found = recordsOf(own).find((record) => recordKey(record) === key);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #checkConflict(record: DnsRecord, nowUs: Micros): void {
    const claim = this.#claims.get(nameKey(record.name));
    if (claim === undefined || record.ttl === 0 || this.#isOurs(claim, record)) return;
    if (!claim.own.unique.some(({ data }) => data.type === record.data.type)) return;
    this.#conflictsUs.push(nowUs);
    if (claim.phase !== "probing") {
      // Perhaps one of us was away. Whoever has it will defend it against the probe (section 9).
      Object.assign(claim, { phase: "probing", sent: 0, dueUs: nowUs });
      return;
    }
    Object.assign(claim, { sent: 0, dueUs: nowUs + LOST_PROBE_US });
    this.#taken.push(claim.own.name);
  }

  #isOurs(claim: Claim, { data, classCode }: DnsRecord): boolean {
    if (classCode !== CLASS_IN) return true;
    if ("address" in data && this.#options.isOwnAddress(data.address)) return true;
    const bytes = recordDataKey(data);
    return claim.own.unique.some((own) => own.data.type === data.type && recordDataKey(own.data) === bytes);
  }

  #truncatedDelay(): Micros {
    return TRUNCATED_DELAY_US + this.#random(TRUNCATED_DELAY_SPREAD_US);
  }

  #random(below: Micros): Micros {
    return Math.floor(this.#options.random() * below);
  }

  #send(message: DnsMessage, to?: Sender): void {
    const address = to === undefined ? undefined : { address: to.address, port: to.port };
    this.#ready.push({ bytes: encodeMessage(message), to: address });
  }
}

function recordsOf({ shared, unique }: OwnName): DnsRecord[] {
  return [...shared, ...unique];
}

function isSame(a: OwnName, b: OwnName): boolean {
  const text = (own: OwnName) => JSON.stringify([own.unique, own.shared]);
  return text(a) === text(b);
}

function negativeOf({ name, unique }: OwnName): DnsRecord {
  const types = [...new Set(unique.map(({ data }) => data.type))].sort((a, b) => a - b);
  const data = { type: RecordType.NSEC, next: name, types };
  return { name, classCode: CLASS_IN, cacheFlush: true, ttl: HOST_TTL_S, data };
}

/** Above 0: `a` is later in the order of section 8.2.1. */
export function compareRecords(a: readonly DnsRecord[], b: readonly DnsRecord[]): number {
  const [x, y] = [a, b].map((records) => records.map(comparable).sort(compareTexts));
  for (let i = 0; ; i++) {
    if (x![i] === undefined || y![i] === undefined) return x!.length - y!.length;
    const order = compareTexts(x![i]!, y![i]!);
    if (order !== 0) return order;
  }
}

/** Class, type, data: each of the first two as one character, so that texts compare as the records do. */
function comparable({ classCode, data }: DnsRecord): string {
  const bytes = recordDataKey(data).replace(/\u0100/g, "\u0000");
  return String.fromCharCode(classCode) + String.fromCharCode(data.type) + bytes;
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function sumOf(records: readonly DnsRecord[]): number {
  return records.reduce((sum, record) => sum + recordLength(record), 0);
}

/** Things in packets, in their order. One that is too large for any has its own. */
function packed<Thing>(
  things: readonly Thing[],
  lengthOf: (thing: Thing) => number,
  first = PACKET_MAX_BYTES,
): Thing[][] {
  const packets: Thing[][] = [];
  let room = 0;
  let next = first - HEADER_BYTES;
  for (const thing of things) {
    const length = lengthOf(thing);
    if (packets.length === 0 && length > next && next < PACKET_MAX_BYTES - HEADER_BYTES) return [];
    if (packets.length === 0 || length > room) {
      packets.push([]);
      room = next;
      next = PACKET_MAX_BYTES - HEADER_BYTES;
    }
    packets.at(-1)!.push(thing);
    room -= length;
  }
  return packets;
}
