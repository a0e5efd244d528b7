/**
 * Plays conformance cases against a host: the core's, the peers' and the camera's part (bindings/contract/cases.md).
 */
import * as fs from "node:fs";
import { networkInterfaces } from "node:os";
import * as path from "node:path";
import type { HostEvent } from "../../bindings/contract/events.ts";
import { EVENTS_MAX_BYTES, EVENTS_MAX_BYTES_PER_CONNECTION, type Host } from "../../bindings/contract/host.ts";
import type { FedCamera } from "../../bindings/node/fed-camera.ts";
import type { NodeHost } from "../../bindings/node/host.ts";
import { type PeerTls, TcpPeer, UdpPeer } from "./peers.ts";
import {
  bytesOf,
  exactArray,
  isObject,
  type Json,
  matches,
  matchesResult,
  planOf,
  resolved,
  type Variables,
} from "./values.ts";

export type Step = { readonly [key: string]: Json };
export type Case = { readonly name: string; readonly given?: readonly string[]; readonly steps: readonly Step[] };
export type CaseFile = {
  readonly preludes: { readonly [name: string]: readonly Step[] };
  readonly cases: readonly Case[];
};

/** What a case is played on. */
export type Stage = {
  readonly host: NodeHost;
  readonly camera: FedCamera;
  readonly nowUs: () => number;
  readonly configFile: string;
  readonly filesFolder: string;
  /** Every listener and every TCP client of the case has TLS. */
  readonly overTls?: boolean;
};

const WITHIN_MS = 5000;
const LOOK_MS = 2;
/** A plan lies in a buffer this much larger, since the core reuses its buffers. */
const PLAN_SPARE_BYTES = 37;
/** Verbs after which nothing more comes of the handle that they are given first. */
const CLOSING_VERBS = new Set(["listenerClose", "tcpClose", "udpClose", "encoderClose", "fileClose", "outletClose"]);

/** The loopback interface's name, which each system has its own for. */
function loopback(): string {
  const all = Object.entries(networkInterfaces());
  return all.find(([, addresses]) => addresses?.some(({ address }) => address === "127.0.0.1"))?.[0] ?? "lo";
}

export class Player {
  readonly #stage: Stage;
  readonly #variables: Variables = new Map([["$loopback", loopback()]]);
  readonly #peers = new Map<string, TcpPeer | UdpPeer>();
  /** Events that no step has used, oldest first. */
  #events: HostEvent[] = [];
  readonly #ended = new Set<number>();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async play(steps: readonly Step[]): Promise<void> {
    for (const [index, step] of steps.entries()) {
      try {
        await this.#play(step);
      } catch (error) {
        throw new Error(`step ${index + 1} ${shown(step)}: ${(error as Error).message}`, { cause: error });
      }
    }
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.close();
  }

  async #play(step: Step): Promise<void> {
    const { camera, configFile, filesFolder } = this.#stage;
    if ("call" in step) {
      const outcome = this.#call(step);
      if (!outcome.matched) throw new Error(`returned ${shown(outcome.result)}`);
    } else if ("expect" in step) await this.#expect(step);
    else if ("expectReceived" in step) await this.#expectReceived(step);
    else if ("expectNone" in step) await this.#expectNone(step);
    else if ("count" in step) await this.#count(step);
    else if ("endTurn" in step) this.#stage.host.endTurn();
    else if ("until" in step) await this.#until(step);
    else if ("repeat" in step) {
      for (let i = 0; i < Number(step.times); i++) await this.play(step.repeat as Step[]);
    } else if ("feed" in step) this.#feed(step);
    else if ("feedFormat" in step) {
      const { feedFormat, width, height, parameterSets = [] } = step;
      for (const { sink } of camera.encoders) {
        sink.format({ codec: feedFormat, width, height, parameterSets } as Parameters<typeof sink.format>[0]);
      }
    } else if ("feedState" in step) {
      camera.feedState(step.feedState as "failed", step.reason as string);
    } else if ("encoderIs" in step) {
      const last = [...camera.encoders].at(-1);
      const seen = { ...last, open: last !== undefined };
      if (!matches(seen, step.encoderIs!)) throw new Error(`it is ${shown({ ...seen, sink: undefined })}`);
    } else if ("configFile" in step) {
      fs.writeFileSync(`${configFile}.new`, String(step.configFile));
      fs.renameSync(`${configFile}.new`, configFile);
    } else if ("file" in step) {
      const file = path.join(filesFolder, String(step.file));
      if ("is" in step) sameBytes(fs.readFileSync(file), this.#bytes(step.is));
      const mode = fs.statSync(file).mode & 0o777;
      if ("ownerOnly" in step && (mode & 0o077) !== 0) throw new Error(`its mode is ${mode.toString(8)}`);
    } else if ("put" in step) {
      const text = "copyOf" in step ? this.#textOf(String(step.copyOf)) : String(step.text);
      fs.mkdirSync(filesFolder, { recursive: true });
      fs.writeFileSync(path.join(filesFolder, String(step.put)), text, "latin1");
    } else if ("peer" in step) await withinMs(this.#limit(step), this.#peer(step));
    else if ("waitMs" in step) await pause(Number(step.waitMs));
    else throw new Error("unknown step");
  }

  #call(step: Step): { readonly matched: boolean; readonly result: unknown } {
    const verb = step.call as keyof Host;
    const args = ((step.args ?? []) as readonly Json[]).flatMap((arg) => this.#argument(arg, verb === "tcpListen"));
    const result: unknown = (this.#stage.host[verb] as (...args: unknown[]) => unknown)(...args);
    if (CLOSING_VERBS.has(verb) && result === 0) this.#forget(args[0] as number);
    let matched: boolean;
    if ("returns" in step) matched = matchesResult(result, this.#resolved(step.returns));
    else if ("returnsJson" in step) matched = matches(JSON.parse(result as string), this.#resolved(step.returnsJson));
    else if ("returnsText" in step) matched = matches(result, this.#resolved(step.returnsText));
    else matched = typeof result !== "number" || result >= 0;
    if (matched && typeof step.save === "string") this.#variables.set(step.save, result as Json);
    for (const [variable, key] of Object.entries(isObject(step.saveJson) ? step.saveJson : {})) {
      this.#variables.set(variable, valueAt(JSON.parse(result as string), String(key)));
    }
    return { matched, result };
  }

  #argument(arg: Json, listens: boolean): unknown[] {
    const value = this.#resolved(arg);
    if (!isObject(value)) return [value];
    if ("json" in value) return [JSON.stringify(this.#stage.overTls && listens ? withTls(value.json!) : value.json)];
    if ("bytes" in value) return [exactArray(bytesOf(value.bytes))];
    if ("plan" in value) {
      const program = planOf(value.plan!);
      const buffer = new Int8Array(program.length + PLAN_SPARE_BYTES);
      buffer.set(exactArray(program));
      return [buffer, program.length];
    }
    throw new Error(`unknown argument ${shown(arg)}`);
  }

  async #expect(step: Step): Promise<void> {
    const pattern = this.#resolved(step.expect) as { readonly [key: string]: Json };
    await this.#turnsUntil(step, () => {
      const index = this.#events.findIndex((event) =>
        "handle" in pattern ? "handle" in event && event.handle === pattern.handle : matches(event, pattern),
      );
      const event = this.#events[index];
      if (event === undefined) return false;
      if (!matches(event, pattern)) throw new Error(`the handle's next event is ${shown(event)}`);
      this.#events.splice(index, 1);
      for (const [variable, key] of Object.entries(isObject(step.save) ? step.save : {})) {
        this.#variables.set(variable, valueAt(event, String(key)));
      }
      return true;
    });
  }

  async #expectReceived(step: Step): Promise<void> {
    const handle = this.#resolved(step.expectReceived);
    const wanted = this.#bytes(step.bytes);
    let received = Buffer.alloc(0);
    await this.#turnsUntil(step, () => {
      while (received.length < wanted.length) {
        const index = this.#events.findIndex((event) => "handle" in event && event.handle === handle);
        const event = this.#events[index];
        if (event === undefined) return false;
        if (event.type !== "received")
          throw new Error(`${event.type} after ${received.length} of ${wanted.length} bytes`);
        if (!/^[\u0001-\u0100]+$/.test(event.data)) throw new Error("a char out of U+0001 … U+0100, or no data");
        this.#events.splice(index, 1);
        received = Buffer.concat([received, Buffer.from(event.data, "latin1")]);
      }
      sameBytes(received, wanted);
      return true;
    });
  }

  async #expectNone(step: Step): Promise<void> {
    const pattern = this.#resolved(step.expectNone);
    await this.#turnsFor(Number(step.forMs));
    const event = this.#events.find((each) => matches(each, pattern));
    if (event !== undefined) throw new Error(`there is ${shown(event)}`);
  }

  async #count(step: Step): Promise<void> {
    const pattern = this.#resolved(step.count);
    await this.#turnsFor(Number(step.forMs));
    const before = this.#events.length;
    this.#events = this.#events.filter((event) => !matches(event, pattern));
    const count = before - this.#events.length;
    if (!matches(count, this.#resolved(step.is))) throw new Error(`there are ${count}`);
  }

  async #until(step: Step): Promise<void> {
    for (let i = 0; i < Number(step.atMost); i++) {
      await this.play((step.repeat ?? []) as Step[]);
      if (this.#call(step.until as Step).matched) return;
      // What has been handed over needs the loop to come back as taken.
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error("it never came so far");
  }

  #feed(step: Step): void {
    const data = this.#bytes(step.bytes);
    const units = ((step.units ?? [[0, data.length, ""]]) as readonly [number, number, string][]).map(
      ([offset, length, head]) => ({ offset, length, head }),
    );
    const timeUs = this.#stage.nowUs() - Number(step.agoMs ?? 0) * 1000;
    this.#stage.camera.feedFrame(step.feed as "h264" | "jpeg", { data, timeUs, key: step.key === true, units });
  }

  async #peer(step: Step): Promise<void> {
    const name = String(step.peer);
    if (["connect", "connectMany", "listen"].includes(String(step.do))) this.#peers.set(name, new TcpPeer());
    if (step.do === "bindUdp") this.#peers.set(name, new UdpPeer());
    const peer = this.#peers.get(name);
    if (peer instanceof UdpPeer) await this.#udpPeer(peer, step);
    else if (peer !== undefined) await this.#tcpPeer(peer, step);
    else throw new Error("no such peer");
  }

  async #tcpPeer(peer: TcpPeer, step: Step): Promise<void> {
    switch (step.do) {
      case "connect":
        await peer.connect(Number(this.#resolved(step.port)));
        if ("tls" in step || this.#stage.overTls) await peer.secure(this.#peerTls(step.tls));
        return;
      case "connectMany":
        return peer.connectMany(Number(this.#resolved(step.port)), Number(step.many));
      case "hangUp":
        return peer.hangUp();
      case "secure":
        return refusedOrNot(peer.secure(this.#peerTls(step.tls)), step.refused === true);
      case "listen": {
        const pair = isObject(step.tls)
          ? { cert: this.#textOf(String(step.tls.certificate)), key: this.#textOf(String(step.tls.key)) }
          : undefined;
        this.#variables.set(String(step.save), await peer.listen(pair));
        return;
      }
      case "accept":
        return peer.accept();
      case "send":
        return peer.send(this.#bytes(step.bytes));
      case "end":
        return peer.end();
      case "reset":
        return peer.reset();
      case "receive": {
        const wanted = this.#bytes(step.bytes);
        return sameBytes(await peer.receive(wanted.length), wanted);
      }
      case "receiveCount":
        await peer.receive(Number(step.bytes));
        return;
      case "receiveCut": {
        const { bytes } = await peer.receiveAll();
        if (bytes.length >= Number(step.bytes)) throw new Error(`all of ${bytes.length} bytes came`);
        return;
      }
      case "receiveRepeated": {
        const { how, bytes } = await peer.receiveAll();
        const [each, then] = [this.#bytes(step.of), this.#bytes(step.then)];
        const times = (bytes.length - then.length) / each.length;
        if (how !== "end") throw new Error(`${how} after ${bytes.length} bytes`);
        if (!matches(times, this.#resolved(step.times))) throw new Error(`${times} times`);
        return sameBytes(bytes, Buffer.concat([...new Array<Buffer>(times).fill(each), then]));
      }
      case "receiveFramed": {
        const framed = await peer.receiveFramed(String(step.untilLine));
        if (!matches(framed, withoutAbsent({ lines: step.lines, packets: step.packets }))) {
          throw new Error(`there were ${framed.packets} packets, lines ${shown(framed.lines)}`);
        }
        return;
      }
      case "receiveEnd":
      case "receiveReset": {
        const { how, bytes } = await peer.receiveAll();
        if (how !== (step.do === "receiveEnd" ? "end" : "reset")) throw new Error(`${how} after ${bytes.length} bytes`);
        if ("bytes" in step) sameBytes(bytes, this.#bytes(step.bytes));
        return;
      }
      default:
        throw new Error("a TCP peer does not do that");
    }
  }

  async #udpPeer(peer: UdpPeer, step: Step): Promise<void> {
    switch (step.do) {
      case "bindUdp":
        this.#variables.set(String(step.save), await peer.bind());
        return;
      case "sendTo":
        return peer.sendTo(Number(this.#resolved(step.port)), this.#bytes(step.bytes));
      case "receiveDatagram":
        return sameBytes(await peer.receive(), this.#bytes(step.bytes));
      case "close":
        peer.close();
        this.#peers.delete(String(step.peer));
        return;
      default:
        throw new Error("a UDP peer does not do that");
    }
  }

  /** A PEM file of the files folder. */
  #textOf(name: string): string {
    return fs.readFileSync(path.join(this.#stage.filesFolder, name), "latin1");
  }

  #peerTls(value: Json | undefined): PeerTls {
    if (!isObject(value)) return {};
    const { trust, ...rest } = value;
    return { ...rest, ...(trust === undefined ? {} : { trust: this.#textOf(String(trust)) }) };
  }

  /** Takes events in turns until `found` says so. */
  async #turnsUntil(step: Step, found: () => boolean): Promise<void> {
    const deadline = performance.now() + this.#limit(step);
    while (!found()) {
      if (performance.now() > deadline) throw new Error(`not in time; unused are ${shown(this.#events)}`);
      await pause(this.#events.length === 0 ? 0 : LOOK_MS);
      this.#turn();
    }
  }

  async #turnsFor(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (performance.now() < deadline) {
      this.#turn();
      await pause(LOOK_MS);
    }
    this.#turn();
  }

  /** Ends the last turn and begins one; checks what holds for every turn. */
  #turn(): void {
    this.#stage.host.endTurn();
    const events: HostEvent[] = JSON.parse(this.#stage.host.takeEvents());
    let bytes = 0;
    const bytesOfConnection = new Map<number, number>();
    for (const event of events) {
      if ("handle" in event && this.#ended.has(event.handle)) throw new Error(`after its end came ${shown(event)}`);
      if (event.type === "closed") this.#ended.add(event.handle);
      if (event.type !== "received" && event.type !== "datagram") continue;
      bytes += event.data.length;
      if (event.type === "datagram") continue;
      const ofThis = (bytesOfConnection.get(event.handle) ?? 0) + event.data.length;
      bytesOfConnection.set(event.handle, ofThis);
      if (ofThis > EVENTS_MAX_BYTES_PER_CONNECTION) throw new Error(`${ofThis} bytes of connection ${event.handle}`);
    }
    if (bytes > EVENTS_MAX_BYTES) throw new Error(`${bytes} received bytes in one turn`);
    this.#events.push(...events);
  }

  /** The core has closed a handle: what it has not used of it is void. */
  #forget(handle: number): void {
    this.#ended.add(handle);
    this.#events = this.#events.filter((event) => !("handle" in event) || event.handle !== handle);
  }

  #resolved(value: Json | undefined): Json {
    return resolved(value ?? null, this.#variables);
  }

  #bytes(value: Json | undefined): Buffer {
    return bytesOf(this.#resolved(value));
  }

  #limit(step: Step): number {
    return typeof step.withinMs === "number" ? step.withinMs : WITHIN_MS;
  }
}

/** A listener's spec, over TLS unless it says how. */
function withTls(spec: Json): Json {
  return isObject(spec) ? { tls: { selfSigned: true }, ...spec } : spec;
}

async function refusedOrNot(handshake: Promise<void>, refused: boolean): Promise<void> {
  const fault = await handshake.then(
    () => undefined,
    (error: Error) => error,
  );
  if (refused !== (fault !== undefined)) throw fault ?? new Error("the handshake was not refused");
}

/** `a.b` of an event, or of what a verb has returned. */
function valueAt(whole: unknown, key: string): Json {
  let value = whole;
  for (const part of key.split(".")) value = (value as Record<string, unknown>)[part];
  return value as Json;
}

function withoutAbsent(value: Record<string, Json | undefined>): Json {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Json;
}

function sameBytes(got: Buffer, wanted: Buffer): void {
  if (got.equals(wanted)) return;
  let at = 0;
  while (at < got.length && got[at] === wanted[at]) at += 1;
  throw new Error(
    `${got.length} bytes, ${wanted.length} wanted; from ${at}: ` +
      `${got.subarray(at, at + 16).toString("hex")} instead of ${wanted.subarray(at, at + 16).toString("hex")}`,
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function withinMs(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
