/**
 * A peer that means no good, as a process of its own, so that what it costs isn't taken from the readers that are watched.
 *
 *     node attacker.mjs '{"attack": "logins", "rtspPort": 7778, "httpPort": 8089, …}'
 *
 * It prints one line of JSON with what came of it. From where it attacks is a list of loopback addresses.
 */
import { connect } from "node:net";

const spec = JSON.parse(process.argv[2] ?? "{}");
/** Nothing here waits longer. */
const END_MS = 120_000;
setTimeout(() => process.exit(3), END_MS).unref();

/** A seeded generator (mulberry32), so that garbage is the same in every run. */
let state = spec.seed ?? 1;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** @param {number} port @param {string} from */
function open(port, from) {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  socket.setNoDelay(true);
  socket.on("error", () => {});
  return socket;
}

/** @param {import("node:net").Socket} socket */
const closed = (socket) => (socket.closed ? Promise.resolve() : new Promise((done) => socket.once("close", done)));

const basic = (/** @type {string} */ name, /** @type {string} */ password) =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

/** Connections that say nothing, and such as say a byte now and then. They stay until the server has enough of them. */
async function idle() {
  const sockets = Array.from({ length: spec.count }, (_, i) => {
    const socket = open(i % 2 === 0 ? spec.rtspPort : spec.httpPort, spec.from[i % spec.from.length]);
    let text = "";
    socket.setEncoding("latin1").on("data", (data) => {
      text += data;
    });
    return {
      socket,
      dribbles: i % 3 > 0,
      first: i % 2 === 0 ? "OPTIONS * RTSP/1.0\r\n" : "GET / HTTP/1.1\r\n",
      text: () => text,
    };
  });
  const dribbling = setInterval(() => {
    for (const one of sockets) {
      if (!one.dribbles || one.socket.destroyed) continue;
      one.socket.write(one.first === "" ? "X" : one.first);
      one.first = "";
    }
  }, 200);
  await Promise.all(sockets.map(({ socket }) => closed(socket)));
  clearInterval(dribbling);
  return { opened: sockets.length, refused: sockets.filter((one) => one.text().includes(" 503 ")).length };
}

/** Viewers that play and vanish: over TCP and UDP, with a reset or a FIN, some before the answer to PLAY. */
async function abrupt() {
  let played = 0;
  const visit = async (/** @type {number} */ i) => {
    const url = `rtsp://127.0.0.1:${spec.rtspPort}${spec.path}`;
    const port = 30_000 + 2 * Math.floor(random() * 10_000);
    const wish = i % 2 === 0 ? "RTP/AVP/TCP;unicast" : `RTP/AVP;unicast;client_port=${port}-${port + 1}`;
    const login = `Authorization: ${basic(spec.name, spec.password)}\r\n`;
    const socket = open(spec.rtspPort, spec.from[i % spec.from.length]);
    let text = "";
    const heard = (/** @type {() => boolean} */ what) =>
      new Promise((done) => {
        const look = () => what() && done(undefined);
        socket.on("data", (data) => {
          if (text.length < 4_000) text += data.toString("latin1");
          look();
        });
        socket.on("close", done);
      });
    socket.write(`SETUP ${url}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\n${login}Transport: ${wish}\r\n\r\n`);
    await heard(() => text.includes("\r\n\r\n"));
    const session = /^Session: ([^;\r]+)/m.exec(text)?.[1] ?? "";
    text = "";
    socket.write(`PLAY ${url} RTSP/1.0\r\nCSeq: 2\r\n${login}Session: ${session}\r\n\r\n`);
    if (i % 5 > 0) await heard(() => text.includes("CSeq: 2"));
    if (text.includes("RTSP/1.0 200")) played++;
    if (i % 3 === 0) socket.destroy();
    else socket.resetAndDestroy();
    await closed(socket);
  };
  let next = 0;
  const one = async () => {
    while (next < spec.count) await visit(next++);
  };
  await Promise.all(Array.from({ length: 20 }, one));
  return { visits: spec.count, played };
}

const PROBES = [
  "GET / HTTP/1.0\r\n\r\n",
  "\r\n\r\n",
  "HELP\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "\x00\x00\x00\xa4\xffSMBr\x00\x00\x00\x00\x08\x01\x40",
  "OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n",
  "DESCRIBE rtsp://x/%00 RTSP/1.0\r\nCSeq: 1\r\n\r\n",
  "$\x00\xff\xff",
  `A${"B".repeat(9_000)}`,
];

/** Whatever a scanner sends, and bytes of no meaning; then it hangs up, or waits until it is hung up on. */
async function scan() {
  let next = 0;
  let answered = 0;
  const one = async () => {
    while (next < spec.count) {
      const i = next++;
      const socket = open(i % 2 === 0 ? spec.rtspPort : spec.httpPort, spec.from[i % spec.from.length]);
      socket.once("data", () => answered++);
      socket.resume();
      const noise = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 400) }, () => Math.floor(random() * 256)),
      );
      socket.write(i % 3 === 0 ? noise : Buffer.from(PROBES[i % PROBES.length] ?? "", "latin1"));
      const bored = setTimeout(() => socket.resetAndDestroy(), 100);
      await closed(socket);
      clearTimeout(bored);
    }
  };
  await Promise.all(Array.from({ length: 25 }, one));
  return { connections: spec.count, answered };
}

/** Wrong logins over RTSP and HTTP, as fast as they are answered; who has to wait hangs up and comes again. */
async function logins() {
  const PATIENCE_MS = 150;
  let next = 0;
  const result = { tried: 0, wrong: 0, unread: 0, hungUpOn: 0, gaveUp: 0, in: 0 };
  const one = async (/** @type {string} */ from, /** @type {boolean} */ overRtsp) => {
    while (next < spec.count) {
      const socket = open(overRtsp ? spec.rtspPort : spec.httpPort, from);
      let text = "";
      /** @type {(() => void) | undefined} */
      let look;
      socket.setEncoding("latin1").on("data", (data) => {
        text += data;
        look?.();
      });
      const isClosed = closed(socket).then(() => look?.());
      while (next < spec.count && !socket.destroyed) {
        const i = next++;
        result.tried++;
        const login = basic(spec.name, `guess ${i}`);
        text = "";
        socket.write(
          overRtsp
            ? `DESCRIBE rtsp://127.0.0.1:${spec.rtspPort}${spec.path} RTSP/1.0\r\nCSeq: ${i}\r\nAuthorization: ${login}\r\n\r\n`
            : `HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${login}\r\n\r\n`,
        );
        await new Promise((/** @type {(value: unknown) => void} */ done) => {
          const bored = setTimeout(done, PATIENCE_MS);
          look = () => {
            if (!text.includes("\r\n\r\n") && !socket.closed) return;
            clearTimeout(bored);
            done(undefined);
          };
        });
        look = undefined;
        const status = /^\S+ (\d{3})/.exec(text)?.[1];
        if (status === "401") result.wrong++;
        else if (status === "429" || status === "503") result.unread++;
        else if (status === "200") result.in++;
        else {
          if (socket.closed) result.hungUpOn++;
          else result.gaveUp++;
          break;
        }
      }
      socket.destroy();
      await isClosed;
    }
  };
  const hands = spec.from.flatMap((/** @type {string} */ from) =>
    Array.from({ length: spec.handsPerAddress }, (_, i) => one(from, i % 2 === 0)),
  );
  await Promise.all(hands);
  return result;
}

const startedMs = performance.now();
const attacks = { idle, abrupt, scan, logins };
const result = await attacks[/** @type {keyof typeof attacks} */ (spec.attack)]();
process.stdout.write(`${JSON.stringify({ ...result, seconds: (performance.now() - startedMs) / 1_000 })}\n`);
process.exit(0);
