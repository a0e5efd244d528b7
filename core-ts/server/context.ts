/**
 * What connections see of the server. Row 3.
 */
import type { Authenticator } from "../auth/authenticator.ts";
import type { LoginThrottle } from "../auth/login-throttle.ts";
import type { Config } from "../config/config.ts";
import type { Admission } from "./admission.ts";
import type { EventReaders } from "./api/event-readers.ts";
import type { Cameras } from "./cameras.ts";
import type { Captures } from "./captures.ts";
import type { InputMemory } from "./input-memory.ts";
import type { KeptPictures } from "./kept-pictures.ts";
import type { ListenerState } from "./listeners.ts";
import type { Logins } from "./logins.ts";
import type { MjpegServer } from "./mjpeg-server.ts";
import type { PeriodicSnapshots } from "./periodic-snapshots.ts";
import type { StreamProfiles } from "./profiles.ts";
import type { RequestPace } from "./request-pace.ts";
import type { RtspSession } from "./rtsp-session.ts";
import type { Runtime } from "./runtime.ts";
import type { Settings } from "./settings.ts";
import type { StreamTokens } from "./stream-tokens.ts";
import type { Viewers } from "./viewers.ts";
import type { Watchdogs } from "./watchdogs.ts";
import type { Webhooks } from "./webhooks.ts";

export interface ServerContext {
  readonly runtime: Runtime;
  readonly cameras: Cameras;
  readonly profiles: StreamProfiles;
  readonly viewers: Viewers;
  readonly admission: Admission;
  readonly requestPace: RequestPace;
  readonly inputMemory: InputMemory;
  readonly mjpegServer: MjpegServer;
  readonly eventReaders: EventReaders;
  readonly webhooks: Webhooks;
  readonly watchdogs: Watchdogs;
  readonly captures: Captures;
  readonly keptPictures: KeptPictures;
  readonly periodicSnapshots: PeriodicSnapshots;
  /** Live sessions by id. */
  readonly sessions: Map<string, RtspSession>;
  /** The configuration in force; replaced as a whole by a reload. */
  readonly config: Config;
  readonly settings: Settings;
  readonly logins: Logins;
  readonly tokens: StreamTokens;
  /** Slows guessing down, over RTSP and HTTP together. */
  readonly loginThrottle: LoginThrottle;
  /** Undefined when logins are switched off. */
  readonly rtspLogin: Authenticator | undefined;
  readonly httpLogin: Authenticator | undefined;
  /** Value of `Server:` headers. */
  readonly serverName: string;
  /** Names that discovery has given this device: `porthole-1a2b.local`. */
  readonly ownNames: readonly string[];
  /** The port in use, which differs from the configured one when that is 0. */
  readonly rtspPort: number;
  /** The same of RTSPS; 0 where that is not served. */
  readonly rtspsPort: number;
  readonly listeners: readonly ListenerState[];
  /** Puts the configuration that the settings have taken to work. */
  applyConfig(by: "file" | "api"): void;
  /** Ends the server with the wish to be started again, once answers on their way have left. Twice is once. */
  restart(): void;
  /** JSON of `/api/status`. */
  status(): string;
  /** Text of `/metrics`. */
  metrics(): string;
}
