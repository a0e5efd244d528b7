/**
 * One HTTP request with its one answer: whole, a picture, or a stream without end (RFC 9112). Row 3.
 */
import type { Role } from "../auth/users.ts";
import { utf8Bytes } from "../bytes/text.ts";
import type { ProtocolFault } from "../errors.ts";
import type { HttpRequest } from "../http/request-parser.ts";
import { formatHead, formatHttpResponse, type HttpHeaders } from "../http/response.ts";
import { ApiFault, faultBody } from "./api/api-fault.ts";
import { Exchange, type ExchangeCarrier } from "./exchange.ts";
import type { Picture } from "./picture.ts";
import type { StreamProfile } from "./profiles.ts";

/** Sent with every response: nothing of ours is to be guessed at, framed elsewhere or kept. */
export const COMMON_HEADERS: HttpHeaders = [["X-Content-Type-Options", "nosniff"]];

const TOKEN_HEADERS: HttpHeaders = [["Referrer-Policy", "no-referrer"]];

/** How answers leave: the connection's side of an exchange. */
export interface HttpCarrier extends ExchangeCarrier {
  /**
   * Sends as soon as the control lane has room, in the order of the calls.
   * @param done called once the host has taken the bytes; never when the connection ends before.
   */
  send(bytes: Int8Array, done?: () => void): void;
  /** Sends the first `length` bytes of a picture as {@link send} does, and releases it whatever happens. */
  sendPicture(picture: Picture, length: number, done: () => void): void;
  /** Sends at once, or drops a peer that doesn't keep up: for answers without end, which nothing may pile up behind. */
  sendOrClose(bytes: Int8Array): void;
  /** Turns into a stream of a profile, whose encoder was acquired for it. */
  stream(exchange: HttpExchange, profile: StreamProfile, headers: HttpHeaders): void;
  /** Serves this answer only from now on. @param onEnded told once when the connection has ended; at once for HEAD. */
  sendEndlessly(exchange: HttpExchange, onEnded: () => void): void;
  /** The answer has left whole. */
  finishExchange(exchange: HttpExchange, keepAlive: boolean, status: number): void;
}

/** One request with its one answer. */
export class HttpExchange extends Exchange {
  readonly request: HttpRequest;
  override readonly connection: HttpCarrier;
  /** The stream token in place of a login, by its id; it is its user's. */
  token: string | undefined;
  /** What that login may do; everybody may everything when logins are switched off. */
  role: Role | undefined;

  constructor(connection: HttpCarrier, request: HttpRequest) {
    super();
    this.connection = connection;
    this.request = request;
  }

  get isHead(): boolean {
    return this.request.method === "HEAD";
  }

  /** Sends the whole answer. Nothing happens when the connection is gone or an answer was given. */
  reply(status: number, headers: HttpHeaders = [], body: string | Int8Array = ""): void {
    if (!this.take()) return;
    const { keepAlive } = this.request;
    this.connection.send(
      formatHttpResponse({ status, headers: this.#all(headers), keepAlive, body, head: this.isHead }),
      () => this.connection.finishExchange(this, keepAlive, status),
    );
  }

  /** Answers with a fault of the peer's, as JSON whatever was asked for. */
  override replyFault(fault: ProtocolFault): void {
    this.replyJson(fault.status, faultBody(fault), fault instanceof ApiFault ? fault.headers : []);
  }

  replyJson(status: number, json: string, headers: HttpHeaders = []): void {
    this.reply(status, [["Content-Type", "application/json"], ["Cache-Control", "no-store"], ...headers], json);
  }

  /** Answers with a picture, and releases it. */
  replyPicture(picture: Picture, more: HttpHeaders = []): void {
    if (!this.take()) {
      picture.release();
      return;
    }
    const { keepAlive } = this.request;
    const headers: HttpHeaders = [
      ["Content-Type", "image/jpeg"],
      ["Content-Length", String(picture.length)],
      ["Cache-Control", "no-store"],
      ["X-Timestamp-Us", String(picture.timeUs)],
      ["X-Width", String(picture.width)],
      ["X-Height", String(picture.height)],
      ...more,
    ];
    this.connection.send(formatHead({ status: 200, headers: this.#all(headers), keepAlive }));
    this.connection.sendPicture(picture, this.isHead ? 0 : picture.length, () =>
      this.connection.finishExchange(this, keepAlive, 200),
    );
  }

  /** Turns the connection into an endless MJPEG stream; the caller has acquired the encoder for it. */
  replyStream(profile: StreamProfile): void {
    if (!this.take()) {
      profile.encoder.release();
      return;
    }
    this.connection.stream(this, profile, this.#all([]));
  }

  /**
   * Begins an answer without end, of text that is sent as it comes; the connection serves nothing else from here.
   * @param onEnded told once when the connection has ended. At once for HEAD.
   * @returns what sends a piece. A reader that does not keep up (its control lane is full) is dropped.
   */
  replyEndless(headers: HttpHeaders, onEnded: () => void): (text: string) => void {
    if (!this.take()) {
      onEnded();
      return () => {};
    }
    this.connection.sendOrClose(formatHead({ status: 200, headers: this.#all(headers), keepAlive: false }));
    this.connection.sendEndlessly(this, onEnded);
    return (text) => this.connection.sendOrClose(utf8Bytes(text));
  }

  #all(headers: HttpHeaders): HttpHeaders {
    // A token stands in the URL, which browsers would tell the next site.
    const ofToken = this.request.query.has("token") ? TOKEN_HEADERS : [];
    return [["Server", this.connection.context.serverName], ...COMMON_HEADERS, ...ofToken, ...headers];
  }
}
