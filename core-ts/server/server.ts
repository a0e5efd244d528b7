/**
 * The server: starts from a configuration, turns events into what their owners do, and ends cleanly. Row 3.
 *
 *     takeEvents ─▶ owner of the handle (connection, listener, encoder, session, UDP pair) ─▶ verbs
 *     timers     ─▶ whoever set them                                                       ─▶ verbs
 */
import type { LaunchSpec } from "../../bindings/contract/core.ts";
import type { HostEvent } from "../../bindings/contract/events.ts";
import { CONTRACT_VERSION, type Host, type InterfaceInfo, type ReadyInfo } from "../../bindings/contract/host.ts";
import type { Authenticator } from "../auth/authenticator.ts";
import { LoginThrottle } from "../auth/login-throttle.ts";
import type { User } from "../auth/users.ts";
import type { Config } from "../config/config.ts";
import { ConfigFault } from "../errors.ts";
import { formatHttpResponse } from "../http/response.ts";
import { formatResponse } from "../rtsp/response.ts";
import { type Micros, seconds } from "../time/units.ts";
import { Admission } from "./admission.ts";
import { EventReaders } from "./api/event-readers.ts";
import { Cameras, describeState } from "./cameras.ts";
import { Captures } from "./captures.ts";
import type { ServerContext } from "./context.ts";
import { Discovery } from "./discovery.ts";
import { HttpConnection } from "./http-connection.ts";
import { answerHttp } from "./http-requests.ts";
import { InputMemory } from "./input-memory.ts";
import { KeptPictures } from "./kept-pictures.ts";
import { type ListenerKind, type ListenerState, Listeners, type ListenersOwner } from "./listeners.ts";
import { LoginStore } from "./login-store.ts";
import { Logins, makeAuthenticator } from "./logins.ts";
import { TURNS_A_SAMPLE } from "./metrics.ts";
import { renderMetrics } from "./metrics-text.ts";
import { MjpegServer } from "./mjpeg-server.ts";
import { peerGroup } from "./peer-group.ts";
import { PeriodicSnapshots } from "./periodic-snapshots.ts";
import { type StreamProfile, StreamProfiles } from "./profiles.ts";
import { RequestPace } from "./request-pace.ts";
import { RtspConnection } from "./rtsp-connection.ts";
import { answerRtsp } from "./rtsp-requests.ts";
import type { RtspSession } from "./rtsp-session.ts";
import { Runtime } from "./runtime.ts";
import { Settings } from "./settings.ts";
import { renderStatus } from "./status.ts";
import { StreamTokens } from "./stream-tokens.ts";
import { Viewers } from "./viewers.ts";
import { Watchdogs } from "./watchdogs.ts";
import { Webhooks } from "./webhooks.ts";

/** How often sessions are looked at for time-outs and stalls. */
const LIFE_CHECK_US: Micros = seconds(1);

export class Server implements ServerContext, ListenersOwner {
  readonly runtime: Runtime;
  readonly cameras: Cameras;
  readonly profiles: StreamProfiles;
  readonly viewers: Viewers;
  readonly admission: Admission;
  readonly requestPace: RequestPace;
  readonly inputMemory = new InputMemory();
  readonly mjpegServer: MjpegServer;
  readonly eventReaders = new EventReaders();
  readonly webhooks: Webhooks;
  readonly captures: Captures;
  readonly keptPictures: KeptPictures;
  readonly periodicSnapshots: PeriodicSnapshots;
  readonly sessions = new Map<string, RtspSession>();
  readonly serverName: string;
  readonly settings: Settings;
  readonly logins: Logins;
  readonly tokens: StreamTokens;
  readonly loginThrottle = new LoginThrottle();
  readonly watchdogs: Watchdogs;
  readonly #launch: LaunchSpec;
  readonly #listeners: Listeners;
  readonly #discovery: Discovery;
  readonly #connections = new Set<RtspConnection | HttpConnection>();
  /** As the authenticators have it. */
  #auth: Config["auth"];
  #rtspLogin: Authenticator | undefined;
  #httpLogin: Authenticator | undefined;
  #startedUs: Micros = 0;
  #readyTold = false;
  #restarting = false;
  #addresses: ReadonlySet<string>;
  /** Each camera's state as it was last told. */
  readonly #cameraStates = new Map<string, string>();
  #ended = false;

  /**
   * Reads the configuration and opens the listeners.
   * @throws ConfigFault when the configuration is not sound; nothing is open then.
   */
  constructor(host: Host, launch: LaunchSpec) {
    this.runtime = new Runtime(host);
    const { nowUs } = this.runtime.clock();
    this.runtime.nowUs = nowUs;
    this.#startedUs = nowUs;
    this.#launch = launch;
    this.#addresses = this.#ownAddresses();
    this.serverName = `Porthole/${launch.version}`;
    this.settings = new Settings(this.runtime, launch.overrides);
    const { limits, cameras, auth, log } = this.config;
    this.runtime.setLogLevel(log.level);
    this.cameras = new Cameras(this.runtime, cameras);
    this.#noteCameraStates();
    this.webhooks = new Webhooks(this.runtime, this.serverName);
    this.webhooks.apply(this.config.webhooks);
    this.profiles = new StreamProfiles(this.runtime, this.cameras);
    this.watchdogs = new Watchdogs(this.runtime, this.profiles, this.cameras, () => this.#tellCameraStates());
    this.captures = new Captures(this.runtime, this.cameras);
    this.keptPictures = new KeptPictures(this.runtime);
    this.periodicSnapshots = new PeriodicSnapshots(this);
    this.viewers = new Viewers(limits.clients, limits.clientsPerAddress, (reason) => {
      this.runtime.refusals.note(reason, this.runtime.nowUs);
    });
    this.mjpegServer = new MjpegServer(this.viewers);
    this.admission = new Admission(limits.connections, limits.connectionsPerAddress);
    this.requestPace = new RequestPace(limits.requestsPerSecond);
    const store = new LoginStore(this.runtime);
    this.logins = new Logins(this.runtime, store, this.config, (before) => {
      this.#onUsersChanged(before);
      this.#tellAccepted();
    });
    this.tokens = new StreamTokens(this.runtime, store, () => this.#endStrangers(this.logins.users));
    this.#auth = auth;
    this.#makeAuthenticators();
    this.profiles.apply(this.config);
    this.periodicSnapshots.apply(this.config.snapshots);
    this.#discovery = new Discovery(this.runtime, () => store.deviceId());
    this.#listeners = new Listeners(this.runtime, this);
    this.#listeners.apply(this.config);
    this.#tellAccepted();
    this.#checkLives();
    this.runtime.log("info", `${this.serverName} started on host ${launch.host}`);
    this.runtime.events.emit("server.started", { name: this.serverName });
  }

  get config(): Config {
    return this.settings.config;
  }

  get rtspLogin(): Authenticator | undefined {
    return this.#rtspLogin;
  }

  get httpLogin(): Authenticator | undefined {
    return this.#httpLogin;
  }

  get rtspPort(): number {
    return this.#listeners.portOf("rtsp");
  }

  get rtspsPort(): number {
    return this.#listeners.portOf("rtsp", true);
  }

  get listeners(): readonly ListenerState[] {
    return this.#listeners.states();
  }

  get ownNames(): readonly string[] {
    return this.#discovery.hostNames;
  }

  /** One turn of the loop. @returns when the next is due, or -1 after the end. */
  turn(nowUs: Micros): Micros {
    if (this.#ended) return -1;
    const began = Date.now();
    const dueUs = this.#turn(nowUs);
    // The engine's own clock, which costs next to nothing; only what it calls slow is asked of the host.
    this.watchdogs.onTurn(Date.now() - began, nowUs);
    const { metrics } = this.runtime;
    metrics.turns++;
    if (metrics.turns % TURNS_A_SAMPLE === 0) metrics.turnSeconds.observeSpan(this.runtime.clock().nowUs - nowUs);
    return dueUs;
  }

  #turn(nowUs: Micros): Micros {
    this.runtime.nowUs = nowUs;
    for (const event of JSON.parse(this.runtime.host.takeEvents()) as HostEvent[]) {
      this.#dispatch(event);
      if (this.#ended) return -1;
    }
    this.#guard("timer", () => this.runtime.timers.runDue(nowUs));
    return this.#ended ? -1 : this.runtime.timers.nextDueUs();
  }

  restart(): void {
    if (this.#restarting) return;
    this.#restarting = true;
    // In a later turn, so that the request that asks for it is answered first.
    this.runtime.after(0, () => this.#end(3, "asked to start again"));
  }

  status(): string {
    return renderStatus(this, this.#startedUs);
  }

  metrics(): string {
    const { version, host } = this.#launch;
    return renderMetrics(this, { startedUs: this.#startedUs, version, host });
  }

  certificateNames(): readonly string[] {
    return [...this.#discovery.wishedNames(this.config), ...this.config.http.hostNames];
  }

  onAccepted(kind: ListenerKind, event: Extract<HostEvent, { type: "accepted" }>, isTls: boolean): void {
    const { handle, local, peer } = event;
    const group = peerGroup(peer.address);
    if (this.admission.connections >= this.config.limits.connections) this.#makeRoom(group);
    const verdict = this.admission.enter(group);
    if (verdict !== "ok") {
      const reason = verdict === "too-many" ? "connections" : "connections-of-address";
      if (this.runtime.refusals.note(reason, this.runtime.nowUs)) {
        this.runtime.log("warn", `conn=${handle} ${kind} refused peer=${peer.address} reason=${verdict}`);
      }
      this.#refuse(kind, handle);
      return;
    }
    const onClosed = (): void => {
      this.admission.leave(group);
      this.#connections.delete(connection);
    };
    const connection =
      kind === "rtsp"
        ? new RtspConnection(this, handle, { local, peer, isTls }, answerRtsp, onClosed)
        : new HttpConnection(this, handle, { local, peer, isTls }, answerHttp, onClosed);
    this.#connections.add(connection);
    this.runtime.log("debug", `conn=${handle} ${kind}${isTls ? "s" : ""} opened peer=${peer.address}:${peer.port}`);
  }

  onListening(): void {
    const { auth } = this.config;
    const { generated } = this.logins;
    const info: ReadyInfo = {
      rtspPort: this.#listeners.portOf("rtsp"),
      httpPort: this.#listeners.portOf("http"),
      rtspsPort: this.#listeners.portOf("rtsp", true),
      httpsPort: this.#listeners.portOf("http", true),
      users: !auth.enabled
        ? []
        : this.logins.users.map(({ name }) =>
            generated !== undefined && name === generated.name ? generated : { name },
          ),
      authentication: auth.enabled,
      paths: { rtsp: this.#rtspPaths(), http: this.#httpPaths() },
    };
    this.#applyDiscovery();
    if (this.#readyTold) return;
    this.#readyTold = true;
    if (generated !== undefined) this.runtime.host.credentials(JSON.stringify(generated));
    this.runtime.host.ready(JSON.stringify(info));
  }

  onListenFailed(message: string): void {
    this.#exit(2, message);
  }

  #dispatch(event: HostEvent): void {
    switch (event.type) {
      case "cameras":
        return this.#guard(event.type, () => this.#onCameras());
      case "config":
        return this.#guard(event.type, () => this.#reload());
      case "network":
        return this.#guard(event.type, () => this.#onNetwork());
      case "stop":
        return this.#guard(event.type, () => this.#end(0, ""));
      default: {
        // A new connection is its listener's event.
        const owner = this.runtime.ownerOf(event.type === "accepted" ? event.listener : event.handle);
        if (owner !== undefined) {
          this.#guard(
            event.type,
            () => owner.onEvent(event),
            () => owner.onBug?.(),
          );
        } else if (event.type === "accepted") {
          // Its listener was closed earlier in this turn; what nobody owns would stay open for ever.
          this.runtime.host.tcpClose(event.handle, false);
        }
      }
    }
  }

  /** A bug of ours in handling one event must not take the others' streams with it. */
  #guard(what: string, run: () => void, onBug?: () => void): void {
    try {
      run();
    } catch (error) {
      const text = error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
      this.runtime.log("error", `bug while handling ${what}: ${text.replace(/\s*\n\s*/g, " | ")}`);
      if (onBug !== undefined) this.#guard(`the bug in ${what}`, onBug);
    }
  }

  /** Addresses came or went, or a host saw another sign of a changed network. */
  #onNetwork(): void {
    const before = this.#addresses;
    this.#addresses = this.#ownAddresses();
    const added = [...this.#addresses].filter((address) => !before.has(address));
    const removed = [...before].filter((address) => !this.#addresses.has(address));
    this.runtime.log("info", `the network has changed added=${added.join(",")} removed=${removed.join(",")}`);
    // Hosts may see other signs, such as another Wi-Fi with the same addresses.
    if (added.length + removed.length > 0) this.runtime.events.emit("network.changed", { added, removed });
    this.#endOnAddresses(new Set(removed));
    this.#listeners.onNetwork(new Set(removed));
    this.#discovery.onNetwork();
  }

  /** Nobody can reach what was reached on an address that is gone, and TCP would find out only after many minutes. */
  #endOnAddresses(removed: ReadonlySet<string>): void {
    const why = "the address it used is gone";
    for (const connection of [...this.#connections]) {
      if (removed.has(connection.local.address)) connection.close(false, why);
    }
    // Sessions over UDP outlive their connection.
    for (const session of [...this.sessions.values()]) {
      const { transport } = session;
      if (transport.kind === "udp" && removed.has(transport.pair.localAddress)) session.end(why, false);
    }
  }

  #ownAddresses(): ReadonlySet<string> {
    const list = JSON.parse(this.runtime.host.interfaces()) as InterfaceInfo[];
    return new Set(list.map(({ address }) => address));
  }

  #onCameras(): void {
    this.cameras.refresh();
    this.#tellCameraStates();
    for (const encoder of this.profiles.encoders()) {
      if (this.cameras.stateOf(encoder.spec.camera).state === "ok") encoder.retryNow();
    }
  }

  #tellCameraStates(): void {
    for (const name of this.cameras.names()) {
      const state = this.cameras.stateOf(name);
      // Hosts send the event for any change of the list.
      const told = JSON.stringify(state);
      if (this.#cameraStates.get(name) === told) continue;
      this.#cameraStates.set(name, told);
      this.runtime.log("info", `camera=${name} ${describeState(state)}`);
      const { reason = null, fix = null } = state;
      this.runtime.events.emit("camera.state", { camera: name, state: state.state, reason, fix });
    }
  }

  #noteCameraStates(): void {
    for (const name of this.cameras.names()) this.#cameraStates.set(name, JSON.stringify(this.cameras.stateOf(name)));
  }

  #tellAccepted(): void {
    const isGenerated = this.logins.known.some(({ origin }) => origin === "generated");
    this.settings.tellAccepted(!this.config.auth.enabled ? "off" : isGenerated ? "generated" : "configured");
  }

  /** Takes a changed file; a bad one leaves everything as it is. */
  #reload(): void {
    try {
      if (this.settings.reread()) this.applyConfig("file");
      else this.#tellAccepted();
    } catch (error) {
      if (!(error instanceof ConfigFault)) throw error;
      this.runtime.log("error", "the changed configuration is not taken; the running one stays in force");
      this.runtime.events.emit("config.refused", { issues: error.issues });
    }
  }

  applyConfig(by: "file" | "api"): void {
    const { config } = this;
    this.runtime.setLogLevel(config.log.level);
    this.viewers.setLimits(config.limits.clients, config.limits.clientsPerAddress);
    this.requestPace.setRate(config.limits.requestsPerSecond);
    this.admission.setLimits(config.limits.connections, config.limits.connectionsPerAddress);
    this.cameras.setConfig(config.cameras);
    this.#applyLogins();
    this.#endViewersOf(this.profiles.apply(config));
    this.#listeners.apply(config);
    this.#applyDiscovery();
    this.webhooks.apply(config.webhooks);
    this.periodicSnapshots.apply(config.snapshots);
    this.#tellAccepted();
    this.runtime.log("info", "the changed configuration is in force");
    this.runtime.events.emit("config.changed", { by });
  }

  #applyLogins(): void {
    const before = this.logins.users;
    const generated = this.logins.apply(this.config);
    if (generated !== undefined) this.runtime.host.credentials(JSON.stringify(generated));
    const { auth } = this.config;
    const isSameAuth = JSON.stringify(this.#auth) === JSON.stringify(auth);
    this.#auth = auth;
    if (!isSameAuth) this.#makeAuthenticators();
    this.#onUsersChanged(before);
  }

  #onUsersChanged(before: readonly User[]): void {
    this.#rtspLogin?.setUsers(this.logins.users);
    this.#httpLogin?.setUsers(this.logins.users);
    this.#endStrangers(before);
  }

  /**
   * A changed password ends what was begun with the old one, a revoked token what it opened, and the first login ever
   * asked for what was begun without. Not at once: the request that wants it may be one of these, and is answered first.
   * @param before those who could log in before the change.
   */
  #endStrangers(before: readonly User[]): void {
    const why = "its login is no longer good";
    const stays = (name: string | undefined): boolean =>
      before.some((user) => user.name === name && this.logins.users.some((now) => isSameLogin(now, user)));
    this.runtime.after(0, () => {
      if (!this.#auth.enabled) return;
      for (const session of [...this.sessions.values()]) if (!stays(session.user)) session.endByServer(why);
      for (const connection of [...this.#connections]) {
        const served = connection instanceof HttpConnection ? connection.served : undefined;
        if (served === undefined) continue;
        const { token, user } = served;
        if (token === undefined ? !stays(user) : !this.tokens.has(token)) connection.close(false, why);
      }
    });
  }

  #makeAuthenticators(): void {
    const common = { users: this.logins.users, throttle: this.loginThrottle };
    this.#rtspLogin = makeAuthenticator(this.runtime, this.config, { ...common, qop: false });
    this.#httpLogin = makeAuthenticator(this.runtime, this.config, { ...common, qop: true });
  }

  #endViewersOf(profiles: readonly StreamProfile[]): void {
    for (const session of [...this.sessions.values()]) {
      if (profiles.includes(session.profile)) session.endByServer("the profile was changed");
    }
    for (const connection of [...this.#connections]) {
      if (!(connection instanceof HttpConnection)) continue;
      const streamed = connection.streams;
      // A JPEG encoder that lives on under a changed profile serves its HTTP viewers as before.
      if (streamed !== undefined && !this.profiles.encoders().includes(streamed.encoder)) {
        connection.close(true, "the profile was changed");
      }
    }
    this.profiles.retire(profiles);
  }

  /**
   * All places are taken: of the address that has most, the oldest connection without a login gives way to an address that
   * has fewer. So two addresses that fill the server keep nobody else out.
   */
  #makeRoom(group: string): void {
    const { fullest } = this.admission;
    if (fullest === undefined || this.admission.of(fullest) <= this.admission.of(group) + 1) return;
    for (const connection of this.#connections) {
      if (connection.peerGroup !== fullest || connection.isLoggedIn) continue;
      this.runtime.refusals.note("displaced", this.runtime.nowUs);
      connection.close(false, "its place is needed");
      return;
    }
  }

  /** No connection object is made for a refused one: it costs one answer. */
  #refuse(kind: ListenerKind, handle: number): void {
    const headers = [["Retry-After", "5"]] as const;
    const answer =
      kind === "rtsp"
        ? formatResponse({ status: 503, headers })
        : formatHttpResponse({ status: 503, headers, keepAlive: false });
    this.runtime.host.tcpWrite(handle, answer);
    this.runtime.host.tcpClose(handle, true);
  }

  #checkLives(): void {
    this.runtime.around(LIFE_CHECK_US, () => this.#checkLives());
    for (const session of [...this.sessions.values()]) session.checkLife();
  }

  #applyDiscovery(): void {
    const streams = this.profiles
      .all()
      .filter(({ settings }) => settings.rtsp)
      .map(({ path, settings }) => ({ path, camera: settings.camera, codec: settings.codec }));
    const [rtspPort, httpPort] = [this.#listeners.portOf("rtsp"), this.#listeners.portOf("http")];
    const [rtspsPort, httpsPort] = [this.#listeners.portOf("rtsp", true), this.#listeners.portOf("http", true)];
    this.#discovery.apply(this.config, { rtspPort, httpPort, rtspsPort, httpsPort, streams });
  }

  #rtspPaths(): string[] {
    return this.profiles
      .all()
      .filter((profile) => profile.settings.rtsp)
      .map((profile) => profile.path);
  }

  #httpPaths(): string[] {
    const withPictures = new Set(
      this.profiles
        .all()
        .filter((profile) => profile.mjpeg !== undefined)
        .map((profile) => profile.settings.camera),
    );
    return [...withPictures].flatMap((camera) => {
      const shown = camera.charAt(0).toUpperCase() + camera.slice(1);
      return [`/${shown}/`, `/${shown}/snapshot.jpg`];
    });
  }

  /** Says goodbye to everybody. */
  #end(code: number, message: string): void {
    this.runtime.log("info", message === "" ? "stopping" : `stopping: ${message}`);
    this.#discovery.close();
    this.#listeners.close();
    for (const session of [...this.sessions.values()]) session.endByServer("the server stops");
    for (const connection of [...this.#connections]) connection.close(true, "the server stops");
    for (const encoder of this.profiles.encoders()) encoder.shutDown("the server stops");
    this.webhooks.close();
    this.periodicSnapshots.close();
    this.#exit(code, message);
  }

  #exit(code: number, message: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.runtime.host.exit(code, message);
  }
}

function isSameLogin(a: User, b: User): boolean {
  return a.name === b.name && a.ha1.md5 === b.ha1.md5;
}

/** Whether the host speaks our contract; the message says what to do. */
export function checkContract(host: Host): string | undefined {
  const version = host.contractVersion();
  if (version === CONTRACT_VERSION) return undefined;
  return `the core speaks contract ${CONTRACT_VERSION}, this host ${version}: use a core and a host of one build`;
}
