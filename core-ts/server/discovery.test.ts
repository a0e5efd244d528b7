import { describe, expect, it } from "vitest";
import type { InterfaceInfo } from "../../bindings/contract/host.ts";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { textOfBytes } from "../bytes/text.ts";
import { type DnsMessage, type DnsRecord, decodeMessage, encodeMessage, QUERY, RESPONSE } from "../dns/message.ts";
import { type DnsName, nameText } from "../dns/name.ts";
import { RecordType } from "../dns/record-data.ts";
import { seconds } from "../time/units.ts";
import { ask } from "./api/testing.ts";
import { REOPEN_US } from "./discovery.ts";
import { startServer, type World } from "./testing.ts";

const { A, PTR, SRV } = RecordType;
const GROUP = "224.0.0.251";
const LO: InterfaceInfo = { name: "lo", address: "127.0.0.1", family: 4, loopback: true, multicast: false };
const ETH: InterfaceInfo = { name: "eth0", address: "192.0.2.10", family: 4, loopback: false, multicast: true };
const WLAN: InterfaceInfo = { name: "wlan0", address: "198.51.100.10", family: 4, loopback: false, multicast: true };
const CELL: InterfaceInfo = { name: "rmnet0", address: "203.0.113.10", family: 4, loopback: false, multicast: false };
const ETH6: InterfaceInfo = { name: "eth0", address: "2001:db8::10", family: 6, loopback: false, multicast: true };
const PEER = { address: "192.0.2.20", port: 5353 };

function start(config: Record<string, unknown> = {}, host = new FakeHost()): World {
  return startServer({ discovery: { enabled: true, name: "door" }, ...config }, host);
}

type Told = { readonly socket: number; readonly to: { address: string; port: number }; readonly message: DnsMessage };

function told({ host }: World): Told[] {
  return host
    .takeDatagrams(5353)
    .map(({ socket, to, bytes }) => ({ socket, to, message: decodeMessage(textOfBytes(bytes)) }));
}

function settled(world: World): World {
  world.host.advance(world.core, seconds(4));
  return world;
}

/** Every record that was told, with its TTL. */
function recordsOf(all: readonly Told[]): DnsRecord[] {
  return all.flatMap(({ message }) => (message.isResponse ? [...message.answers, ...message.additionals] : []));
}

/** `A 192.0.2.10` of a name, as last told. */
function textsOf(all: readonly Told[], name: string): string[] {
  const texts = recordsOf(all)
    .filter((record) => nameText(record.name) === name)
    .map(({ data, ttl }) => {
      const end = ttl === 0 ? " gone" : "";
      if ("address" in data) return `address ${data.address}${end}`;
      if ("port" in data) return `port ${data.port} of ${nameText(data.target)}${end}`;
      if ("strings" in data) return `${data.strings.join(" ")}${end}`;
      return "target" in data ? `→ ${nameText(data.target)}${end}` : "?";
    });
  return [...new Set(texts)];
}

const openedOn = ({ host }: World): string[] =>
  host.called("udpOpen").map(({ args }) => (JSON.parse(args[0] as string) as { interface: string }).interface);

function question(name: DnsName, type: number): Int8Array {
  return encodeMessage({ ...QUERY, questions: [{ name, type, classCode: 1, wantsUnicast: false }] });
}

function claim(name: DnsName, address = "192.0.2.99"): Int8Array {
  const record = { name, classCode: 1, cacheFlush: true, ttl: 120, data: { type: A, address } };
  return encodeMessage({ ...RESPONSE, answers: [record] });
}

function hear(world: World, bytes: Int8Array, from = PEER): void {
  world.host.datagram(5353, from, new Uint8Array(bytes));
  world.host.settle(world.core);
}

describe("discovery", () => {
  it("tells the device's name, its page and each of its streams", () => {
    const world = settled(start());
    const all = told(world);
    expect(all.every(({ to }) => to.address === GROUP)).toBe(true);
    expect(textsOf(all, "door.local")).toEqual(["address 192.0.2.10"]);
    expect(textsOf(all, "_services._dns-sd._udp.local")).toEqual(["→ _http._tcp.local", "→ _rtsp._tcp.local"]);
    expect(textsOf(all, "_http._tcp.local")).toEqual(["→ door._http._tcp.local"]);
    expect(textsOf(all, "door._http._tcp.local")).toEqual(["port 8089 of door.local", "path=/"]);
    expect(textsOf(all, "_rtsp._tcp.local").sort()).toEqual([
      "→ door live/back._rtsp._tcp.local",
      "→ door live/back/mjpeg._rtsp._tcp.local",
      "→ door live/front._rtsp._tcp.local",
      "→ door live/front/mjpeg._rtsp._tcp.local",
    ]);
    expect(textsOf(all, "door live/front/mjpeg._rtsp._tcp.local")).toEqual([
      "port 7778 of door.local",
      "path=/live/front/mjpeg camera=front codec=mjpeg",
    ]);
  });

  it("opens its socket as Multicast DNS wants it: shared, in the group, with all 255 hops", () => {
    const world = start();
    expect(world.host.called("udpOpen").map(({ args }) => JSON.parse(args[0] as string))).toEqual([
      { address: "0.0.0.0", port: 5353, reuse: true, group: GROUP, interface: "eth0", ttl: 255 },
    ]);
  });

  it("answers", () => {
    const world = settled(start());
    told(world);
    hear(world, question(["door live/back", "_rtsp", "_tcp", "local"], SRV));
    const [{ message } = expect.fail("no answer")] = told(world);
    expect(message.answers).toMatchObject([{ data: { port: 7778 } }]);
    expect(message.additionals.map(({ data }) => data)).toEqual([{ type: A, address: "192.0.2.10" }]);
    hear(world, question(["_http", "_tcp", "local"], PTR));
    expect(told(world)).toEqual([]);
    world.host.advance(world.core, 121_000);
    expect(told(world)).toHaveLength(1);
  });

  it("is off by configuration, and has no socket then", () => {
    const world = settled(start({ discovery: { enabled: false } }));
    expect(world.host.called("udpOpen")).toEqual([]);
    expect(world.server.ownNames).toEqual([]);
  });

  it("leaves out what others can't reach: loopback, unless it is named, and networks without multicast", () => {
    const host = new FakeHost();
    // Some systems say of loopback that it has multicast, others not.
    host.interfaceList = [{ ...LO, multicast: true }, ETH, WLAN, CELL];
    const everywhere = start({}, host);
    expect(openedOn(everywhere)).toEqual(["eth0", "wlan0"]);

    expect(openedOn(start({ address: "127.0.0.1" }))).toEqual([]);
    expect(openedOn(start({ address: "192.0.2.10" }))).toEqual(["eth0"]);

    const named = settled(start({ address: "127.0.0.1", discovery: { interfaces: ["lo"], name: "door" } }));
    expect(openedOn(named)).toEqual(["lo"]);
    expect(textsOf(told(named), "door.local")).toEqual(["address 127.0.0.1"]);
  });

  describe("over IPv6", () => {
    const LINK_LOCAL: InterfaceInfo = { ...ETH6, address: "fe80::10" };
    const GROUP6 = "ff02::fb";
    const V4 = { address: "0.0.0.0", port: 5353, reuse: true, group: GROUP, interface: "eth0", ttl: 255 };
    const V6 = { ...V4, address: "::", group: GROUP6 };
    const specs = ({ host }: World) => host.called("udpOpen").map(({ args }) => JSON.parse(args[0] as string));

    function startOn(interfaces: InterfaceInfo[], address = "::"): World {
      const host = new FakeHost();
      host.interfaceList = interfaces;
      return settled(start({ address }, host));
    }

    /** What was sent to each place since the last call. */
    const places = ({ host }: World) => [...new Set(host.takeDatagrams().map(({ to }) => `${to.address} ${to.port}`))];

    it("the same is told to the IPv6 group of each interface where IPv6 is listened on", () => {
      const world = startOn([LO, ETH, LINK_LOCAL, ETH6]);
      expect(specs(world)).toEqual([V4, V6]);
      const all = told(world);
      const over6 = all.filter(({ to }) => to.address === GROUP6);
      expect(textsOf(over6, "door.local")).toEqual([
        ...["address 192.0.2.10", "address fe80::10", "address 2001:db8::10"],
      ]);
      expect(recordsOf(over6)).toHaveLength(recordsOf(all).length / 2);
    });

    it("nothing is opened for addresses that are not listened on, and IPv4 is not needed for it", () => {
      expect(specs(startOn([LO, ETH, ETH6], "0.0.0.0"))).toEqual([V4]);
      expect(specs(startOn([LO, LINK_LOCAL]))).toEqual([V6]);
      expect(specs(startOn([LO, ETH, ETH6], "2001:db8::10"))).toEqual([V4, V6]);
    });

    it("a question over one family is answered over that one, once", () => {
      const world = startOn([LO, ETH, LINK_LOCAL, ETH6]);
      told(world);
      const asked = question(["door", "local"], A);
      hear(world, asked, { address: "2001:db8::20", port: 5353 });
      world.host.advance(world.core, seconds(2));
      expect(places(world)).toEqual([`${GROUP6} 5353`]);
      hear(world, asked, PEER);
      world.host.advance(world.core, seconds(2));
      expect(places(world)).toEqual([`${GROUP} 5353`]);
    });

    it("who asks for an answer of his own gets it, save at a link-local address, which the group reaches", () => {
      const world = startOn([LO, ETH, LINK_LOCAL, ETH6]);
      told(world);
      for (const [from, to] of [
        ["2001:db8::20", "2001:db8::20 6000"],
        ["fe80::20", `${GROUP6} 5353`],
      ]) {
        hear(world, question(["door", "local"], A), { address: from!, port: 6000 });
        world.host.advance(world.core, seconds(2));
        expect(places(world)).toEqual([to]);
      }
    });
  });

  it("tells on each interface the addresses that are listened on there", () => {
    const host = new FakeHost();
    host.interfaceList = [LO, ETH, ETH6, WLAN];
    const world = settled(start({ address: "::" }, host));
    const all = told(world);
    const [eth, eth6, wlan] = [...new Set(all.map(({ socket }) => socket))].sort().map((handle) =>
      textsOf(
        all.filter(({ socket }) => socket === handle),
        "door.local",
      ),
    );
    expect(eth).toEqual(["address 192.0.2.10", "address 2001:db8::10"]);
    expect(eth6).toEqual(eth);
    expect(wlan).toEqual(["address 198.51.100.10"]);

    const other = new FakeHost();
    other.interfaceList = [LO, ETH, ETH6];
    expect(textsOf(told(settled(start({}, other))), "door.local")).toEqual(["address 192.0.2.10"]);
  });

  it("answers on the interface that a question came in by, though every socket hears it", () => {
    const host = new FakeHost();
    host.interfaceList = [ETH, WLAN];
    const world = settled(start({}, host));
    told(world);
    const [eth, wlan] = host.called("udpOpen").map(({ result }) => result as number);
    const data = textOfBytes(question(["door", "local"], A));
    for (const handle of [eth!, wlan!]) {
      host.push({ type: "datagram", handle, from: { address: "198.51.100.77", port: 5353 }, data });
    }
    host.settle(world.core);
    expect(told(world).map(({ socket }) => socket)).toEqual([wlan]);
  });

  it("says goodbye when the server stops", () => {
    const world = settled(start());
    told(world);
    world.host.push({ type: "stop" });
    world.host.settle(world.core);
    const goodbyes = recordsOf(told(world));
    expect(goodbyes).toHaveLength(1 + 5 * 3 + 2);
    expect(new Set(goodbyes.map(({ ttl }) => ttl))).toEqual(new Set([0]));
    expect(world.host.exited?.code).toBe(0);
    expect(world.host.called("udpClose")).toHaveLength(1);
  });

  it("tells again when the network changes, and goes where it went", () => {
    const world = settled(start());
    told(world);
    world.host.push({ type: "network" });
    settled(world);
    expect(textsOf(told(world), "door.local")).toEqual(["address 192.0.2.10"]);

    world.host.interfaceList = [LO, WLAN];
    world.host.push({ type: "network" });
    settled(world);
    expect(openedOn(world)).toEqual(["eth0", "wlan0"]);
    expect(textsOf(told(world), "door.local")).toEqual(["address 192.0.2.10 gone", "address 198.51.100.10"]);
    expect(world.host.called("udpClose")).toHaveLength(1);
  });

  it("tells of a changed configuration: other streams, another name, off", () => {
    const host = new FakeHost();
    const config = (value: unknown) => {
      host.stored.config = { state: "present", text: JSON.stringify(value) };
    };
    const discovery = { name: "door" };
    config({ discovery });
    const world = settled(startServer({ discovery: {} }, host));
    told(world);
    const reload = (value: unknown): Told[] => {
      config(value);
      host.push({ type: "config" });
      return told(settled(world));
    };
    const changed = reload({ discovery, profiles: [{ path: "/yard", camera: "back" }] });
    expect(textsOf(changed, "door yard._rtsp._tcp.local")).toEqual([
      "port 7778 of door.local",
      "path=/yard camera=back codec=h264",
    ]);
    const renamed = reload({ discovery: { name: "gate" } });
    expect(textsOf(renamed, "door yard._rtsp._tcp.local").every((text) => text.endsWith("gone"))).toBe(true);
    expect(textsOf(renamed, "door.local")).toEqual(["address 192.0.2.10 gone"]);
    expect(textsOf(renamed, "gate.local")).toEqual(["address 192.0.2.10"]);
    expect(world.server.ownNames).toEqual(["gate.local"]);
    const off = reload({ discovery: { name: "gate", enabled: false } });
    expect(textsOf(off, "gate.local")).toEqual(["address 192.0.2.10 gone"]);
    expect(world.server.ownNames).toEqual([]);
    expect(host.called("udpClose")).toHaveLength(1);
  });

  it("tells only of what is served", () => {
    const world = settled(start({ rtsp: { enabled: false } }));
    expect(textsOf(told(world), "_services._dns-sd._udp.local")).toEqual(["→ _http._tcp.local"]);
  });

  it("takes another name where its own is somebody else's, for the host and for a service", () => {
    const world = start();
    world.host.advance(world.core, 300_000);
    hear(world, claim(["door", "local"]));
    expect(world.server.ownNames).toEqual(["door-2.local"]);
    settled(world);
    const all = told(world);
    expect(textsOf(all, "door-2.local")).toEqual(["address 192.0.2.10"]);
    expect(textsOf(all, "door.local")).toEqual([]);
    expect(textsOf(all, "door live/back._rtsp._tcp.local")).toContain("port 7778 of door-2.local");

    const data = { type: SRV, priority: 0, weight: 0, port: 1, target: ["other", "local"] };
    const name = ["door", "_http", "_tcp", "local"];
    const theirs = encodeMessage({ ...RESPONSE, answers: [{ name, classCode: 1, cacheFlush: true, ttl: 120, data }] });
    hear(world, theirs);
    world.host.advance(world.core, 100_000);
    hear(world, theirs);
    settled(world);
    expect(textsOf(told(world), "door (2)._http._tcp.local")).toEqual(["port 8089 of door-2.local", "path=/"]);
    expect(world.host.logs.filter(({ line }) => line.includes("somebody else's"))).toHaveLength(2);
  });

  it("goes by a made-up name without a configured one, and keeps it over a restart", () => {
    const host = new FakeHost();
    const first = startServer({ discovery: {} }, host);
    expect(first.server.ownNames).toEqual([expect.stringMatching(/^porthole-[0-9a-f]{4}\.local$/)]);
    const again = new FakeHost();
    again.random(7);
    again.stored.state = host.stored.state;
    expect(startServer({ discovery: {} }, again).server.ownNames).toEqual(first.server.ownNames);
    const other = new FakeHost();
    other.random(7);
    expect(startServer({ discovery: {} }, other).server.ownNames).not.toEqual(first.server.ownNames);
  });

  it("lets browsers call the server by its name, and by no other of that kind", () => {
    const world = start();
    const statusFor = (name: string) => ask(world, "GET", "/api/status", { headers: { Host: name } }).status;
    expect(statusFor("door.local")).toBe(200);
    expect(statusFor("DOOR.local.:8089")).toBe(200);
    expect(statusFor("gate.local")).toBe(403);
    const off = start({ discovery: { enabled: false, name: "door" } });
    expect(ask(off, "GET", "/api/status", { headers: { Host: "door.local" } }).status).toBe(403);
  });

  it("says once that multicast can't be used, tries again at times, and serves all the same", () => {
    const host = new FakeHost();
    host.interfaceList = [ETH, WLAN];
    host.fail("udpOpen", -6, 3);
    const world = start({}, host);
    expect(ask(world, "GET", "/api/status").status).toBe(200);
    host.advance(world.core, REOPEN_US * 3);
    expect(host.logs.filter(({ level }) => level === "warn").map(({ line }) => line)).toEqual([
      "discovery: can't use multicast on eth0: refused by the host; the server is not found by name there (discovery.enabled turns this off)",
    ]);
    expect(host.called("udpOpen")).toHaveLength(2 + 2 + 1);
    expect(textsOf(told(world), "door.local").sort()).toEqual(["address 192.0.2.10", "address 198.51.100.10"]);

    const [socket] = host
      .called("udpOpen")
      .map(({ result }) => result as number)
      .filter((handle) => handle > 0);
    host.push({ type: "closed", handle: socket!, reason: "failed", detail: "ENODEV" });
    host.advance(world.core, REOPEN_US + 1);
    expect(host.called("udpOpen")).toHaveLength(6);
    expect(host.logs.filter(({ level }) => level === "warn")).toHaveLength(1);
  });

  it("passes over what is no DNS", () => {
    const world = settled(start());
    told(world);
    hear(world, Int8Array.from(Buffer.from("GET / HTTP/1.1")));
    hear(world, claim(["other", "local"]));
    world.host.advance(world.core, seconds(2));
    expect(told(world)).toEqual([]);
    expect(world.host.logs.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("cuts what is too long for a label", () => {
    const path = `/${"a".repeat(100)}`;
    const world = settled(
      start({
        profiles: [
          { path, camera: "back" },
          { path: `${path}b`, camera: "back" },
        ],
      }),
    );
    const names = textsOf(told(world), "_rtsp._tcp.local").filter((text) => text.includes("aaa"));
    expect(names).toEqual([`→ door ${"a".repeat(58)}._rtsp._tcp.local`]);
  });
});
