/**
 * Discovery: tells the network under which name the server is there and what it serves, by Multicast DNS and DNS-SD
 * (RFC 6762, RFC 6763). Row 3.
 *
 *     porthole-1a2b.local                         A, AAAA
 *     porthole-1a2b._http._tcp.local              SRV, TXT path=/
 *     porthole-1a2b live/back._rtsp._tcp.local    SRV, TXT path=/live/back, camera, codec: one for each RTSP stream
 *     the same with _https and _rtsps             where they are served over TLS
 *
 * One socket and one responder for each network interface and family: over IPv4, and over IPv6 where IPv6 is listened on.
 * What is told is the same over both (RFC 6762 section 20).
 * An interface that no other machine can reach (loopback) takes part only if the configuration names it.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import type { InterfaceInfo } from "../../bindings/contract/host.ts";
import { utf8Bytes } from "../bytes/text.ts";
import type { Config } from "../config/config.ts";
import { commonBits } from "../dns/address.ts";
import { CLASS_IN, type DnsRecord, decodeMessage } from "../dns/message.ts";
import { type DnsName, LABEL_MAX_BYTES, nameKey, nameText } from "../dns/name.ts";
import { type RecordData, RecordType } from "../dns/record-data.ts";
import {
  HOST_TTL_S,
  MDNS_GROUP,
  MDNS_GROUP_IPV6,
  MDNS_PORT,
  OTHER_TTL_S,
  type OwnName,
  Responder,
} from "../dns/responder.ts";
import { ProtocolFault } from "../errors.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, seconds } from "../time/units.ts";
import type { HandleOwner, Runtime } from "./runtime.ts";

/** Pause before a socket that could not be opened, or was lost, is tried again. */
export const REOPEN_US: Micros = seconds(60);
/** Interfaces that take part at most, once for each family. */
const LINKS_MAX = 8;
/** Link-local addresses (RFC 4291 section 2.5.6) mean something on one link only, and events don't say on which. */
const LINK_LOCAL = /^fe[89ab]/i;

/** What is to be found. */
export type Offer = {
  /** 0: not served. */
  readonly rtspPort: number;
  readonly httpPort: number;
  /** The same over TLS. */
  readonly rtspsPort: number;
  readonly httpsPort: number;
  readonly streams: readonly { readonly path: string; readonly camera: string; readonly codec: string }[];
};

/** An interface that others reach us on. */
type LinkSpec = {
  readonly name: string;
  readonly family: 4 | 6;
  /** To send from, of that family. */
  readonly address: string;
  /** What the host name stands for there. */
  readonly addresses: readonly string[];
};

export class Discovery {
  readonly #runtime: Runtime;
  readonly #makeId: () => string;
  #links: Link[] = [];
  #config: Config | undefined;
  #offer: Offer = { rtspPort: 0, httpPort: 0, rtspsPort: 0, httpsPort: 0, streams: [] };
  #ownAddresses: ReadonlySet<string> = new Set();
  #name = "";
  /** How often each name was found to be taken, by its wished form. */
  readonly #takenTimes = new Map<string, number>();
  #hasComplained = false;

  /** @param makeId gives the four hexadecimal digits of the default name, the same ones at every start if they can be kept. */
  constructor(runtime: Runtime, makeId: () => string) {
    this.#runtime = runtime;
    this.#makeId = makeId;
  }

  /** Names that browsers may call us by: none while discovery is off. */
  get hostNames(): readonly string[] {
    return this.#links.length === 0 ? [] : [nameText(this.#hostName())];
  }

  /** Names that the device would have, whether it has them yet or not. */
  wishedNames({ discovery }: Config): readonly string[] {
    return discovery.enabled ? [`${discovery.name ?? `porthole-${this.#makeId()}`}.local`] : [];
  }

  /** Tells of what is served from now on. */
  apply(config: Config, offer: Offer): void {
    this.#config = config;
    this.#offer = offer;
    this.#update();
  }

  /** The machine's addresses have changed, or the network behind them. */
  onNetwork(): void {
    if (this.#config === undefined) return;
    const before = [...this.#links];
    this.#update();
    for (const link of this.#links) if (before.includes(link)) link.reannounce();
  }

  /** Says goodbye. */
  close(): void {
    this.#config = undefined;
    for (const link of this.#links) link.close();
    this.#links = [];
  }

  /** Whether a datagram from there came in by this link: sockets on one port may hear each other's groups. */
  isNearest(link: Link, from: string): boolean {
    // A socket for IPv6 may hear IPv4 too.
    if (commonBits(link.spec.address, from) < 0) return false;
    // Whoever has a link-local address could be on any of the links.
    if (LINK_LOCAL.test(from)) return true;
    const bits = this.#links.map(({ spec }) => commonBits(spec.address, from));
    return this.#links[bits.indexOf(Math.max(...bits))] === link;
  }

  isOwnAddress(address: string): boolean {
    return this.#ownAddresses.has(address);
  }

  /** Somebody else has these names. */
  onTaken(names: readonly DnsName[]): void {
    const wishes = new Map([[nameKey(this.#hostName()), this.#name], ...this.#instances().map(wishOf)]);
    for (const name of names) {
      const wish = wishes.get(nameKey(name));
      if (wish === undefined) continue;
      this.#takenTimes.set(wish, (this.#takenTimes.get(wish) ?? 0) + 1);
      this.#runtime.log("info", `discovery: ${nameText(name)} is somebody else's; taking another name`);
    }
    for (const link of this.#links) link.setNames(this.#namesOn(link.spec));
  }

  onLinkFailed(link: Link, reason: string): void {
    // Once: a machine without multicast is no worse a server.
    if (this.#hasComplained) return;
    this.#hasComplained = true;
    const what = `discovery: can't use multicast on ${link.spec.name}: ${reason}`;
    this.#runtime.log("warn", `${what}; the server is not found by name there (discovery.enabled turns this off)`);
  }

  #update(): void {
    const config = this.#config;
    const all = JSON.parse(this.#runtime.host.interfaces()) as InterfaceInfo[];
    this.#ownAddresses = new Set(all.map(({ address }) => address));
    const wanted = config?.discovery.enabled === true ? linksOf(config, all) : [];
    if (wanted.length > 0) this.#name = config?.discovery.name ?? `porthole-${this.#makeId()}`;
    const kept = this.#links.filter(({ spec }) => wanted.some((one) => isSameSocket(one, spec)));
    for (const link of this.#links) if (!kept.includes(link)) link.close();
    this.#links = wanted.map((spec) => {
      const link = kept.find((one) => isSameSocket(one.spec, spec)) ?? new Link(this.#runtime, this, spec);
      link.spec = spec;
      return link;
    });
    for (const link of this.#links) link.setNames(this.#namesOn(link.spec));
    const added = this.#links
      .filter((link) => !kept.includes(link))
      .map(({ spec }) => `${spec.name}${spec.family === 6 ? " (IPv6)" : ""}`);
    if (added.length > 0) this.#runtime.log("info", `discovery: ${this.hostNames[0]} on ${added.join(", ")}`);
  }

  #hostName(): DnsName {
    const times = this.#takenTimes.get(this.#name) ?? 0;
    return [times === 0 ? this.#name : `${this.#name}-${times + 1}`, "local"];
  }

  #instances(): { readonly wish: string; readonly name: DnsName; readonly port: number; readonly txt: string[] }[] {
    const { rtspPort, httpPort, rtspsPort, httpsPort, streams } = this.#offer;
    const one = (service: "_rtsp" | "_http" | "_rtsps" | "_https", label: string, port: number, txt: string[]) => {
      const wish = `${service} ${label}`;
      const times = this.#takenTimes.get(wish) ?? 0;
      const name = [fitting(label, times === 0 ? "" : ` (${times + 1})`), service, "_tcp", "local"];
      return { wish, name, port, txt };
    };
    const found = httpPort === 0 ? [] : [one("_http", this.#name, httpPort, ["path=/"])];
    if (httpsPort !== 0) found.push(one("_https", this.#name, httpsPort, ["path=/"]));
    for (const { path, camera, codec } of streams) {
      const txt = [`path=${path}`, `camera=${camera}`, `codec=${codec}`];
      const label = `${this.#name} ${path.slice(1)}`;
      if (rtspPort !== 0) found.push(one("_rtsp", label, rtspPort, txt));
      if (rtspsPort !== 0) found.push(one("_rtsps", label, rtspsPort, txt));
    }
    // Long paths may be cut to the same label; the first has it.
    return [...new Map(found.reverse().map((instance) => [nameKey(instance.name), instance])).values()].reverse();
  }

  #namesOn({ addresses }: LinkSpec): OwnName[] {
    const host = this.#hostName();
    const hostRecords = addresses.map((address) => {
      const { A, AAAA } = RecordType;
      return record(host, HOST_TTL_S, address.includes(":") ? { type: AAAA, address } : { type: A, address });
    });
    const names: OwnName[] = [{ name: host, unique: hostRecords, shared: [] }];
    for (const { name, port, txt } of this.#instances()) {
      const service = name.slice(1);
      const unique = [
        record(name, HOST_TTL_S, { type: RecordType.SRV, priority: 0, weight: 0, port, target: host }),
        record(name, OTHER_TTL_S, { type: RecordType.TXT, strings: txt }),
      ];
      const shared = [
        record(service, OTHER_TTL_S, { type: RecordType.PTR, target: name }),
        record(SERVICES, OTHER_TTL_S, { type: RecordType.PTR, target: service }),
      ];
      names.push({ name, unique, shared });
    }
    return names;
  }
}

/** Where the kinds of services are listed (RFC 6763 section 9). */
const SERVICES: DnsName = ["_services", "_dns-sd", "_udp", "local"];

class Link implements HandleOwner {
  spec: LinkSpec;
  readonly #runtime: Runtime;
  readonly #owner: Discovery;
  readonly #responder: Responder;
  #names: readonly OwnName[] = [];
  #socket = 0;
  #isOpen = false;
  #closed = false;
  #timer: Timer | undefined;

  constructor(runtime: Runtime, owner: Discovery, spec: LinkSpec) {
    this.#runtime = runtime;
    this.#owner = owner;
    this.spec = spec;
    this.#responder = new Responder({
      random: () => runtime.randomUint(2) / 0x10000,
      isOwnAddress: (address) => owner.isOwnAddress(address),
    });
    this.#open();
  }

  get #group(): string {
    return this.spec.family === 6 ? MDNS_GROUP_IPV6 : MDNS_GROUP;
  }

  setNames(names: readonly OwnName[]): void {
    this.#names = names;
    if (!this.#isOpen) return;
    this.#responder.setNames(names, this.#runtime.nowUs);
    this.#flush();
  }

  reannounce(): void {
    if (!this.#isOpen) return;
    this.#responder.reannounce(this.#runtime.nowUs);
    this.#flush();
  }

  close(): void {
    if (this.#closed) return;
    this.setNames([]);
    this.#closed = true;
    this.#timer?.cancel();
    if (this.#socket === 0) return;
    this.#runtime.disown(this.#socket);
    this.#runtime.host.udpClose(this.#socket);
    this.#socket = 0;
    this.#isOpen = false;
  }

  onEvent(event: HostEvent): void {
    if (event.type === "opened") {
      this.#isOpen = true;
      this.setNames(this.#names);
    } else if (event.type === "datagram") {
      this.#receive(event.from.address, event.from.port, event.data);
    } else if (event.type === "closed") {
      this.#runtime.disown(this.#socket);
      this.#lost(event.detail ?? event.reason);
    }
  }

  #open(): void {
    const spec = {
      address: this.spec.family === 6 ? "::" : "0.0.0.0",
      port: MDNS_PORT,
      reuse: true,
      group: this.#group,
      interface: this.spec.name,
      ttl: 255,
    };
    const handle = this.#runtime.host.udpOpen(JSON.stringify(spec));
    if (handle < 0) return this.#lost("refused by the host");
    this.#socket = handle;
    this.#runtime.own(handle, this);
  }

  #lost(reason: string): void {
    this.#socket = 0;
    this.#isOpen = false;
    this.#timer?.cancel();
    this.#owner.onLinkFailed(this, reason);
    this.#timer = this.#runtime.after(REOPEN_US, () => this.#open());
  }

  #receive(address: string, port: number, data: string): void {
    if (!this.#owner.isNearest(this, address)) return;
    try {
      const from = { address, port, isOwn: this.#owner.isOwnAddress(address) };
      this.#responder.receive(decodeMessage(data), from, this.#runtime.nowUs);
    } catch (error) {
      // Whatever else speaks on the port is none of ours.
      if (!(error instanceof ProtocolFault)) throw error;
      this.#runtime.log("debug", `discovery: from ${address}: ${error.message}`);
    }
    const taken = this.#responder.takeTaken();
    if (taken.length > 0) this.#owner.onTaken(taken);
    this.#flush();
  }

  #flush(): void {
    for (const { bytes, to } of this.#responder.run(this.#runtime.nowUs)) {
      // Without its link a link-local address can't be sent to; the group reaches it, if it listens on the usual port.
      const group = to === undefined || LINK_LOCAL.test(to.address);
      const [address, port] = group ? [this.#group, MDNS_PORT] : [to.address, to.port];
      this.#runtime.host.udpSend(this.#socket, bytes, address, port);
    }
    this.#timer?.cancel();
    const { nextDueUs } = this.#responder;
    if (nextDueUs < 0) return;
    this.#timer = this.#runtime.after(Math.max(0, nextDueUs - this.#runtime.nowUs), () => this.#flush());
  }
}

function linksOf({ address, discovery }: Config, all: readonly InterfaceInfo[]): LinkSpec[] {
  const links: LinkSpec[] = [];
  const named = discovery.interfaces;
  for (const name of new Set(all.map((one) => one.name))) {
    const here = all.filter((one) => one.name === name);
    if (named.length > 0 ? !named.includes(name) : here.every((one) => one.loopback || !one.multicast)) continue;
    const served = here.filter((one) => isServed(address, one));
    const addresses = served.map((one) => one.address);
    if (addresses.length === 0) continue;
    const v4 = here.find(({ family }) => family === 4);
    if (v4 !== undefined) links.push({ name, family: 4, address: v4.address, addresses });
    const v6 = served.filter(({ family }) => family === 6);
    // A global one tells more surely who is near.
    const v6Sending = v6.find((one) => !LINK_LOCAL.test(one.address)) ?? v6[0];
    if (v6Sending !== undefined) links.push({ name, family: 6, address: v6Sending.address, addresses });
  }
  return links.slice(0, 2 * LINKS_MAX);
}

/** Whether who listens on `listen` is reached at an address. */
function isServed(listen: string, { address, family }: InterfaceInfo): boolean {
  if (listen === "::") return true;
  return listen === "0.0.0.0" ? family === 4 : listen.toLowerCase() === address.toLowerCase();
}

function isSameSocket(a: LinkSpec, b: LinkSpec): boolean {
  return a.name === b.name && a.family === b.family && a.address === b.address;
}

function wishOf({ name, wish }: { readonly name: DnsName; readonly wish: string }): [string, string] {
  return [nameKey(name), wish];
}

function record(name: DnsName, ttl: number, data: RecordData): DnsRecord {
  return { name, classCode: CLASS_IN, cacheFlush: false, ttl, data };
}

/** A label with its end, cut in the middle where it is too long for one. */
function fitting(label: string, end: string): string {
  let text = label;
  while (utf8Bytes(text + end).length > LABEL_MAX_BYTES) text = text.slice(0, -1);
  return text + end;
}
