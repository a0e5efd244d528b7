/**
 * The smallest RTSP client that proves a stream: DESCRIBE, SETUP over TCP, PLAY, and packets counted. RFC 2326; Digest of
 * RFC 2617 and Basic.
 */
import { createHash } from "node:crypto";
import * as net from "node:net";

const md5 = (/** @type {string} */ text) => createHash("md5").update(text).digest("hex");

/**
 * Plays a stream until enough packets have come. Throws with what went wrong.
 * @param {{ host?: string, port: number, path: string, login?: { name: string, password: string } | undefined, packets?: number,
 *   timeoutMs?: number }} options
 * @returns {Promise<{ media: string, packets: number }>} media: the m= and rtpmap lines of the SDP
 */
export async function probe({ host = "127.0.0.1", port, path, login, packets = 30, timeoutMs = 20_000 }) {
  const socket = net.connect({ host, port });
  const timer = setTimeout(() => socket.destroy(new Error(`nothing within ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    const url = `rtsp://${host}:${port}${path}`;
    const dialog = new Dialog(socket, login);
    const described = await dialog.ask("DESCRIBE", url, { Accept: "application/sdp" });
    const control = /^m=video[\s\S]*?^a=control:(\S+)/m.exec(described.body)?.[1];
    if (control === undefined) throw new Error("the description names no video");
    const base = described.headers.get("content-base") ?? `${url}/`;
    const track = control.includes("://") ? control : new URL(control, base.endsWith("/") ? base : `${base}/`).href;
    const setup = await dialog.ask("SETUP", track, { Transport: "RTP/AVP/TCP;unicast;interleaved=0-1" });
    const session = setup.headers.get("session")?.split(";")[0] ?? "";
    await dialog.ask("PLAY", url, { Session: session });
    const count = await dialog.packets(packets);
    const media = described.body.split(/\r?\n/).filter((line) => /^(m=video|a=rtpmap)/.test(line));
    return { media: media.join(" "), packets: count };
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

class Dialog {
  #buffer = Buffer.alloc(0);
  #cseq = 0;
  #challenge = "";
  #count = 0;
  #socket;
  #login;

  constructor(socket, login) {
    this.#socket = socket;
    this.#login = login;
  }

  /** One request; a 401 is answered once. Throws for every other answer but 200. */
  async ask(method, url, headers) {
    let response = await this.#exchange(method, url, headers);
    if (response.status === 401 && this.#login !== undefined) {
      this.#challenge = response.headers.get("www-authenticate") ?? "";
      response = await this.#exchange(method, url, headers);
    }
    if (response.status !== 200) throw new Error(`${method} was answered "${response.line}"${response.why}`);
    return response;
  }

  /** Reads until that many RTP packets of video have come. */
  async packets(wanted) {
    while (this.#count < wanted) {
      if (!this.#takePacket()) await this.#more();
    }
    return this.#count;
  }

  async #exchange(method, url, headers) {
    this.#cseq += 1;
    const all = { CSeq: this.#cseq, ...headers, ...this.#authorization(method, url) };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`${method} ${url} RTSP/1.0\r\n${lines.join("")}\r\n`);
    for (;;) {
      const response = this.#takePacket() ? undefined : this.#takeResponse();
      if (response !== undefined) return response;
      if (!this.#isPacket()) await this.#more();
    }
  }

  #isPacket() {
    return (
      this.#buffer[0] === 0x24 &&
      this.#buffer.length >= 4 + (this.#buffer.length > 3 ? this.#buffer.readUInt16BE(2) : 0)
    );
  }

  /** Interleaved data, RFC 2326 section 10.12: `$`, channel, length. */
  #takePacket() {
    if (this.#buffer[0] !== 0x24 || this.#buffer.length < 4 || !this.#isPacket()) return false;
    if (this.#buffer[1] === 0) this.#count += 1;
    this.#buffer = this.#buffer.subarray(4 + this.#buffer.readUInt16BE(2));
    return true;
  }

  #takeResponse() {
    const end = this.#buffer.indexOf("\r\n\r\n");
    if (end < 0 || this.#buffer[0] === 0x24) return undefined;
    const [line = "", ...rest] = this.#buffer.toString("latin1", 0, end).split("\r\n");
    const headers = new Map();
    for (const header of rest) {
      const colon = header.indexOf(":");
      const name = header.slice(0, colon).toLowerCase();
      // Digest is the first of several challenges.
      if (!headers.has(name)) headers.set(name, header.slice(colon + 1).trim());
    }
    const length = Number(headers.get("content-length") ?? 0);
    if (this.#buffer.length < end + 4 + length) return undefined;
    const body = this.#buffer.toString("utf8", end + 4, end + 4 + length);
    this.#buffer = this.#buffer.subarray(end + 4 + length);
    const status = Number(line.split(" ")[1]);
    return { line, status, headers, body, why: status === 200 || body === "" ? "" : `: ${body.trim().split("\n")[0]}` };
  }

  #more() {
    return new Promise((done, fail) => {
      const clean = () => {
        this.#socket.off("data", data).off("error", broken).off("close", closed);
      };
      const data = (chunk) => {
        clean();
        this.#buffer = Buffer.concat([this.#buffer, chunk]);
        done(undefined);
      };
      const broken = (error) => {
        clean();
        fail(error);
      };
      const closed = () => broken(new Error("the connection was closed"));
      this.#socket.on("data", data).on("error", broken).on("close", closed);
    });
  }

  #authorization(method, url) {
    if (this.#login === undefined || this.#challenge === "") return {};
    const { name, password } = this.#login;
    if (/^basic/i.test(this.#challenge)) {
      return { Authorization: `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}` };
    }
    const value = (key) => new RegExp(`${key}="([^"]*)"`, "i").exec(this.#challenge)?.[1] ?? "";
    const [realm, nonce] = [value("realm"), value("nonce")];
    const ha2 = md5(`${method}:${url}`);
    const ha1 = md5(`${name}:${realm}:${password}`);
    const cnonce = md5(`${nonce}${this.#cseq}`).slice(0, 16);
    const nc = this.#cseq.toString(16).padStart(8, "0");
    const qop = /qop="?[^"]*\bauth\b/i.test(this.#challenge);
    const response = md5(qop ? `${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}` : `${ha1}:${nonce}:${ha2}`);
    const fields = `username="${name}", realm="${realm}", nonce="${nonce}", uri="${url}", response="${response}"`;
    return { Authorization: `Digest ${fields}${qop ? `, qop=auth, nc=${nc}, cnonce="${cnonce}"` : ""}` };
  }
}
