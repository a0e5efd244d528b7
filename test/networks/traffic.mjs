/**
 * Traffic of link.test.ts, run at the ends of a link; one JSON line when ready and one with what was seen.
 *
 *     node traffic.mjs udp-send ADDRESS PORT BYTES COUNT GAP_US    numbered datagrams
 *     node traffic.mjs udp-receive ADDRESS                         until standard input ends: their numbers and arrival times
 *     node traffic.mjs udp-echo ADDRESS                            sends each back
 *     node traffic.mjs udp-ask ADDRESS PORT COUNT                  round trips, one after the other, in ms
 *     node traffic.mjs tcp-send ADDRESS PORT MS                    as much as goes
 *     node traffic.mjs tcp-receive ADDRESS                         until the peer closes: bytes and ms
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";

const [mode, address = "", ...rest] = process.argv.slice(2);
const numbers = rest.map(Number);
const ANSWER_MS = 2_000;
const TICK_MS = 5;

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const nowMs = () => performance.timeOrigin + performance.now();

async function udp() {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  await new Promise((done) => socket.bind(0, mode === "udp-send" || mode === "udp-ask" ? undefined : address, done));
  return socket;
}

async function udpSend(port, bytes, count, gapUs) {
  const socket = await udp();
  const startMs = performance.now();
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - startMs) * 1_000) / gapUs) + 1);
    for (; sent < due; sent++) {
      const datagram = Buffer.alloc(bytes);
      datagram.writeUInt32BE(sent);
      socket.send(datagram, port, address);
    }
    await pause(TICK_MS);
  }
  socket.close();
  say({ sent: count });
}

async function udpReceive() {
  const socket = await udp();
  const got = [];
  const atMs = [];
  socket.on("message", (datagram) => {
    got.push(datagram.readUInt32BE());
    atMs.push(nowMs());
  });
  say({ port: socket.address().port });
  process.stdin.on("end", () => {
    socket.close();
    say({ got, atMs });
  });
  process.stdin.resume();
}

async function udpEcho() {
  const socket = await udp();
  socket.on("message", (datagram, from) => socket.send(datagram, from.port, from.address));
  say({ port: socket.address().port });
  process.stdin.on("end", () => {
    socket.close();
    say({});
  });
  process.stdin.resume();
}

async function udpAsk(port, count) {
  const socket = await udp();
  const roundTripsMs = [];
  for (let i = 0; i < count; i++) {
    const startMs = performance.now();
    const answer = new Promise((done) => socket.once("message", () => done(true)));
    socket.send(Buffer.from([i]), port, address);
    const came = await Promise.race([answer, pause(ANSWER_MS)]);
    if (came === true) roundTripsMs.push(performance.now() - startMs);
  }
  socket.close();
  say({ roundTripsMs });
  process.exit(0);
}

function tcpSend(port, ms) {
  const socket = connect({ host: address, port });
  const chunk = Buffer.alloc(16_384);
  const startMs = performance.now();
  const fill = () => {
    while (performance.now() - startMs < ms) if (!socket.write(chunk)) return;
    socket.destroy();
  };
  socket.on("connect", fill).on("drain", fill);
  socket.on("close", () => say({}));
}

function tcpReceive() {
  const server = createServer((socket) => {
    let bytes = 0;
    const startMs = performance.now();
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      say({ bytes, ms: performance.now() - startMs });
      server.close();
    });
  });
  server.listen(0, address, () => say({ port: server.address().port }));
}

if (mode === "udp-send") await udpSend(...numbers);
else if (mode === "udp-receive") await udpReceive();
else if (mode === "udp-echo") await udpEcho();
else if (mode === "udp-ask") await udpAsk(...numbers);
else if (mode === "tcp-send") tcpSend(...numbers);
else if (mode === "tcp-receive") tcpReceive();
else throw new Error(`no mode "${mode}"`);
