/**
 * Every key of the configuration, once: type, range, unit, default and meaning. Row 1.
 *
 * What `parseConfig` accepts, what it says when it refuses, and `docs/configuration.md` all come from here. A key is added
 * by one line in its section; the page is then renewed with `node build-scripts/docs.mjs`.
 */
import * as v from "valibot";
import { EVENT_TYPES } from "./event-types.ts";

/** What stands beside a key in the schema. */
export type KeyDoc = {
  /** What a value must be: the end of a sentence that begins with "must be". */
  readonly expected: string;
  /** Empty for what has no unit. */
  readonly unit: string;
  readonly meaning: string;
  /** True of what is shown to nobody, administrators included (`secrets.ts`). */
  readonly secret?: boolean;
  /** What only the JSON Schema says of it; for `parseConfig` it is a check of its own. */
  readonly jsonSchema?: Readonly<Record<string, unknown>>;
};

/** Longest paths, in characters. */
export const PATH_MAX_CHARS = 128;
export const PROFILES_MAX = 64;
export const USERS_MAX = 64;
export const MORE_PORTS_MAX = 8;
export const INTERFACES_MAX = 8;
export const HOST_NAMES_MAX = 16;
export const WEBHOOKS_MAX = 8;
export const PERIODIC_SNAPSHOTS_MAX = 16;
/** RFC 2435 section 3.1.5 counts width and height in units of 8 pixels, in 8 bits. */
export const RTP_JPEG_MAX_PIXELS = 2_040;
export const RTP_JPEG_UNIT_PIXELS = 8;

/** What kind of thing a value is, without showing it. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return "text";
  if (typeof value === "boolean") return "true or false";
  return "a number";
}

type Refusal = (issue: { readonly kind: string; readonly input: unknown }) => string;

/** The message for whatever is wrong with a value. Never the value itself: it may be a password in the wrong place. */
function must(expected: string): Refusal {
  return (issue) => `must be ${expected}${issue.kind === "schema" ? `, not ${kindOf(issue.input)}` : ""}`;
}

function wholeNumber(min: number, max: number, unit: string, meaning: string) {
  const expected = `a whole number from ${grouped(min)} to ${grouped(max)}`;
  const refuse = must(expected);
  return v.pipe(
    v.number(refuse),
    v.integer(refuse),
    v.minValue(min, refuse),
    v.maxValue(max, refuse),
    v.metadata({ expected, unit, meaning }),
  );
}

function decimalNumber(min: number, max: number, unit: string, meaning: string) {
  const expected = `a number from ${grouped(min)} to ${grouped(max)}`;
  const refuse = must(expected);
  return v.pipe(
    v.number(refuse),
    v.minValue(min, refuse),
    v.maxValue(max, refuse),
    v.metadata({ expected, unit, meaning }),
  );
}

function flag(meaning: string) {
  const expected = "true or false";
  // "not true or false" would be nonsense, but a flag is never refused for being one.
  return v.pipe(v.boolean(must(expected)), v.metadata({ expected, unit: "", meaning }));
}

function text(pattern: RegExp, expected: string, meaning: string, more: { readonly secret?: true } = {}) {
  const refuse = must(expected);
  return v.pipe(v.string(refuse), v.regex(pattern, refuse), v.metadata({ expected, unit: "", meaning, ...more }));
}

function oneOf<const Options extends readonly (string | number)[]>(options: Options, unit: string, meaning: string) {
  const names = options.map((option) => JSON.stringify(option));
  const expected = `${names.slice(0, -1).join(", ")} or ${names[names.length - 1]}`;
  // valibot counts a wrong choice as a wrong type; "not text" would mislead there.
  return v.pipe(v.picklist(options, `must be ${expected}`), v.metadata({ expected, unit, meaning }));
}

/** An object with known keys. Unknown ones are found by `shape.ts`, all of them and with a suggestion. */
function keys<Entries extends v.ObjectEntries>(
  entries: Entries,
  meaning: string,
  more: { readonly jsonSchema?: Readonly<Record<string, unknown>> } = {},
) {
  const refuse = (issue: v.ObjectIssue): string => {
    const key = issue.path?.at(-1)?.key;
    if (typeof key !== "string") return `must be an object, not ${kindOf(issue.input)}`;
    return `is missing; it must be ${docOf(entries[key])?.expected ?? "given"}`;
  };
  return v.pipe(v.object(entries, refuse), v.metadata({ expected: "an object", unit: "", meaning, ...more }));
}

function listOf<Item extends v.GenericSchema>(item: Item, max: number, expected: string, meaning: string) {
  return v.pipe(
    v.array(item, must(expected)),
    v.maxLength(max, `must be ${expected}, at most ${max} of them`),
    v.metadata({ expected: `${expected}, at most ${max}`, unit: "", meaning }),
  );
}

/** The documentation that a schema carries, if it does. */
export function docOf(schema: unknown): KeyDoc | undefined {
  if (typeof schema !== "object" || schema === null) return undefined;
  const inner = "wrapped" in schema ? schema.wrapped : schema;
  const doc = v.getMetadata(inner as v.GenericSchema) as Partial<KeyDoc>;
  return doc.expected === undefined ? undefined : (doc as KeyDoc);
}

/** 2000000 as 2,000,000; years and ports have four digits at most and stay as they are, five-digit ports do not matter. */
export function grouped(value: number): string {
  if (Math.abs(value) < 100_000) return String(value);
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

const port = (meaning: string) => wholeNumber(0, 65_535, "TCP port", meaning);

const NAME = /^[^:"\\\u0000-\u001f\u007f-\u009f]{1,64}$/u;
const CAMERA_NAME = /^[A-Za-z0-9_-]{1,32}$/;
const CAMERA_NAME_EXPECTED = "1 to 32 letters, digits, `_` or `-`";

/** Names of the app's own folder, as bindings/contract has them. */
const FILE_NAME = /^(?!.*\.\.)[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}$/;
const FILE_NAME_EXPECTED = "the name of a file, without a path: 1 to 120 letters, digits, `.`, `_` and `-`";

function tlsKeys(name: string, port: number) {
  return keys(
    {
      enabled: v.optional(flag(`Whether ${name} is served.`), false),
      port: v.optional(
        wholeNumber(0, 65_535, "TCP port", `Where ${name} clients connect. 0 takes any free port.`),
        port,
      ),
    },
    `${name}: the same over TLS 1.2 or 1.3, on a port of its own, with the certificate of \`tls\`.`,
  );
}

const rtsp = keys(
  {
    enabled: v.optional(flag("Whether RTSP is served at all."), true),
    port: v.optional(
      port("Where RTSP clients connect. 0 takes any free port. Android refuses ports below 1024."),
      7778,
    ),
    plain: v.optional(flag("Whether RTSP without TLS is served at that port."), true),
    tls: v.optional(tlsKeys("RTSPS", 7779), {}),
    udp: v.optional(
      flag("Whether RTP over UDP is offered; some recorders speak nothing else. Refused transports get 461."),
      true,
    ),
    tcp: v.optional(flag("Whether RTP interleaved in the RTSP connection is offered."), true),
    udpPorts: v.optional(
      keys(
        {
          min: v.optional(wholeNumber(1_024, 65_535, "UDP port", "First port of the range."), 20_000),
          max: v.optional(wholeNumber(1_024, 65_535, "UDP port", "Last port of the range."), 29_999),
        },
        "The range that UDP sessions draw their ports from: an even one for RTP and the next one for RTCP. Open it in firewalls.",
      ),
      {},
    ),
    udpPacing: v.optional(
      wholeNumber(
        0,
        90,
        "% of a frame's time",
        "Over how much of the time between two pictures the packets of a large picture are spread for each viewer over UDP. 0 " +
          "sends them at once, which costs least. Where an access point or a switch drops the end of key frames (viewers over UDP " +
          "report loss, those over TCP see none), try 50; the picture comes that much later. For those who connect from then on.",
      ),
      0,
    ),
    sessionTimeout: v.optional(
      wholeNumber(10, 3_600, "s", "A session that gives no sign of life for this long ends; clients are told so."),
      60,
    ),
    payloadSize: v.optional(
      wholeNumber(
        200,
        1_460,
        "bytes",
        "Largest RTP payload. With RTP, UDP and IPv4 headers a packet is 40 bytes longer, so 1460 just fills Ethernet " +
          "(1440 over IPv6) and 1400 leaves room for PPPoE and most tunnels. Below 200 the tables in front of a JPEG " +
          "would leave no room for the picture.",
      ),
      1_400,
    ),
  },
  "RTSP, for VLC, ffmpeg, recorders and home automation.",
);

const http = keys(
  {
    enabled: v.optional(flag("Whether HTTP is served at all."), true),
    port: v.optional(port("Where browsers connect. 0 takes any free port. Android refuses ports below 1024."), 8089),
    plain: v.optional(flag("Whether HTTP without TLS is served, there and at `morePorts`."), true),
    tls: v.optional(tlsKeys("HTTPS", 8443), {}),
    morePorts: v.optional(
      listOf(
        wholeNumber(1, 65_535, "TCP port", "One more port."),
        MORE_PORTS_MAX,
        "a list of whole numbers from 1 to 65535",
        "Further ports that serve the same, such as 8090, where clients set up for an older server look for the front camera.",
      ),
      [],
    ),
    hostNames: v.optional(
      listOf(
        text(
          /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/,
          "a host name of 1 to 253 letters, digits, `.`, `_` and `-`",
          "One name.",
        ),
        HOST_NAMES_MAX,
        "a list of host names",
        "Names under which the server may be asked for, such as `camera.lan`, beside its addresses, `localhost` and the name " +
          "that `discovery` gives it. Requests for any other name are refused: it might be another site's, made to point here (DNS rebinding).",
      ),
      [],
    ),
    ipWebcam: v.optional(
      flag(
        "Whether the paths of the app IP Webcam are served too (`/video`, `/shot.jpg`, `/status.json`, `/settings/…`), so that " +
          "what is made for it, such as Home Assistant's integration, works.",
      ),
      true,
    ),
  },
  "HTTP: MJPEG, snapshots, metrics and the interface for programs.",
);

const tls = keys(
  {
    certificate: v.exactOptional(
      text(
        FILE_NAME,
        FILE_NAME_EXPECTED,
        "PEM file in the app's own folder (docs/tls.md): the server's certificate first, then what leads to its authority.",
      ),
    ),
    key: v.exactOptional(
      text(
        FILE_NAME,
        FILE_NAME_EXPECTED,
        "PEM file with the certificate's private key, not encrypted. Give both or neither.",
      ),
    ),
  },
  "The certificate of RTSPS and HTTPS. Without one a self-signed certificate is made once and kept. The files are read when " +
    "the listeners open: after a renewal restart the server.",
);

const discovery = keys(
  {
    enabled: v.optional(flag("Whether the network is told of the server at all."), true),
    name: v.exactOptional(
      text(
        /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38}[A-Za-z0-9])?$/,
        "a name of 1 to 40 letters, digits and `-`, which is neither first nor last",
        "Name of the device: `door` is found as `door.local`. Without one it is `porthole-` and four characters that stay the " +
          "same. Where another device has the name already, a number is added.",
      ),
    ),
    interfaces: v.optional(
      listOf(
        text(/^[^\u0000-\u0020\u007f]{1,64}$/, "the name of a network interface", "One interface."),
        INTERFACES_MAX,
        "a list of interface names",
        "Network interfaces that are told, such as `wlan0`. Without any it is all that other machines are behind.",
      ),
      [],
    ),
  },
  "Being found: Multicast DNS and DNS-SD (Bonjour, Avahi) tell the network of the device's name, of its page (`_http._tcp`) and " +
    "of its streams (`_rtsp._tcp`).",
);

const auth = keys(
  {
    enabled: v.optional(flag("Whether a login is needed. Without it anyone on the network sees the cameras."), true),
    realm: v.optional(
      text(
        /^[ !#-[\]-~]{1,64}$/,
        '1 to 64 printable ASCII characters without `"` and `\\`',
        "The name that clients show when they ask for the password. It is part of every `ha1`: changing it makes those invalid.",
      ),
      "Porthole",
    ),
    sha256: v.optional(
      flag("Offer Digest with SHA-256 beside MD5. Off, because ffmpeg cannot log in where it is offered."),
      false,
    ),
    basic: v.optional(
      flag("Offer Basic after Digest. It shows the password to whoever can listen on the network."),
      true,
    ),
  },
  "How clients log in.",
);

const user = keys(
  {
    name: text(
      NAME,
      'a name of 1 to 64 characters without `:`, `"`, `\\` and control characters',
      "Login name, told apart by case. No two users share one.",
    ),
    role: v.optional(
      oneOf(
        ["admin", "viewer"],
        "",
        "`admin` may also change things; `viewer` may only watch. With a single user that user is the owner, hence the default.",
      ),
      "admin",
    ),
    password: v.exactOptional(
      text(
        /^[^\u0000-\u001f\u007f-\u009f]{1,128}$/u,
        "a password of 1 to 128 characters without control characters",
        "Password in clear. Give either this or `ha1`.",
        { secret: true },
      ),
    ),
    ha1: v.exactOptional(
      keys(
        {
          md5: text(
            /^[0-9a-fA-F]{32}$/,
            "32 hexadecimal digits",
            "MD5 of `name:realm:password` in UTF-8: `printf %s 'name:Porthole:password' | md5sum`.",
            { secret: true },
          ),
          sha256: v.exactOptional(
            text(
              /^[0-9a-fA-F]{64}$/,
              "64 hexadecimal digits",
              "SHA-256 of the same; needed by this user only where `auth.sha256` is on and the client picks it.",
              { secret: true },
            ),
          ),
        },
        "What Digest needs of a password, in place of the password. As secret as the password itself.",
      ),
    ),
  },
  "Who may log in, beside the users added over HTTP (`/api/users`). With none here and no administrator there, the server " +
    "makes up one login at its first start and shows it to the owner.",
  { jsonSchema: { oneOf: [{ required: ["password"] }, { required: ["ha1"] }] } },
);

const limits = keys(
  {
    clients: v.optional(
      wholeNumber(1, 1_000, "clients", "RTSP sessions and HTTP viewers together; more are refused with 453 or 503."),
      100,
    ),
    clientsPerAddress: v.optional(
      wholeNumber(
        1,
        1_000,
        "clients",
        "As `clients`, of one address, so that one can't have all places. An IPv6 /64 counts as one address here and below.",
      ),
      50,
    ),
    connections: v.optional(wholeNumber(1, 4_000, "connections", "TCP connections in all."), 300),
    connectionsPerAddress: v.optional(wholeNumber(1, 4_000, "connections", "TCP connections of one address."), 150),
    requestsPerSecond: v.optional(
      wholeNumber(
        1,
        10_000,
        "requests/s",
        "Requests of one address over RTSP and HTTP, with two seconds' worth at once. What comes faster has to wait.",
      ),
      200,
    ),
    requestSeconds: v.optional(
      wholeNumber(
        1,
        300,
        "s",
        "A request that has begun must be complete by then, or it is refused with 408 and the connection closed.",
      ),
      20,
    ),
    unauthenticatedSeconds: v.optional(
      wholeNumber(1, 300, "s", "A connection that has not logged in by then is closed."),
      10,
    ),
    idleSeconds: v.optional(
      wholeNumber(
        5,
        3_600,
        "s",
        "A connection without a session or a stream that says nothing for this long is closed.",
      ),
      60,
    ),
  },
  "How much the server takes on.",
);

const camera = keys(
  {
    enabled: v.optional(flag("False keeps the camera shut; its streams answer that it is disabled."), true),
    rotation: v.optional(
      oneOf(
        ["auto", 0, 90, 180, 270],
        "degrees",
        "Clockwise turn of the sensor's picture, whose long side lies; `auto` makes it upright however the phone stands.",
      ),
      "auto",
    ),
    mirror: v.optional(flag("Swap left and right."), false),
    clock: v.optional(
      flag("Write the time of day into the picture, in the device's time zone. Only cameras of an Android device can."),
      false,
    ),
    alwaysOn: v.optional(
      flag("Keep the camera open without viewers: the first picture comes sooner, the phone gets warmer."),
      false,
    ),
    linger: v.optional(wholeNumber(0, 3_600, "s", "How long the camera stays open after its last viewer."), 10),
  },
  "One entry for each camera, by name. `back` and `front` always exist.",
);

const adapt = keys(
  {
    enabled: v.optional(flag("Whether the stream is made smaller for viewers whose network does not bear it."), true),
    minBitrate: v.optional(
      wholeNumber(
        10_000,
        50_000_000,
        "bit/s",
        "H.264: the floor, and `bitrate` is the ceiling; where that is lower, nothing is adapted. A viewer whose network bears less " +
          "is skipped to key frames, and the others are not made to look at a worse picture for it.",
      ),
      300_000,
    ),
    minQuality: v.optional(
      wholeNumber(1, 100, "", "MJPEG: the least quality; `quality` is the best. Only then pictures are left out."),
      30,
    ),
    minFps: v.optional(
      wholeNumber(
        1,
        60,
        "frames/s",
        "MJPEG: the least frame rate. A viewer who can't take even that gets what it can take.",
      ),
      5,
    ),
  },
  "How the stream follows its viewers' networks (docs/adaptation.md).",
);

const profile = keys(
  {
    path: text(
      /^[\s\S]{1,128}$/,
      `a path of at most ${PATH_MAX_CHARS} characters such as "/live/door"`,
      "Where the stream is found: `/`, then segments of letters, digits, `.`, `_` and `-`. Case does not tell paths apart. " +
        "A path of a built-in profile replaces that one. Not to be used: `/api` and `/metrics` with all below, a last segment " +
        "`snapshot.jpg`, `mjpeg` before the last segment, and anything with `trackID` in it.",
    ),
    camera: text(CAMERA_NAME, CAMERA_NAME_EXPECTED, "Name of a camera in `cameras`."),
    codec: v.optional(oneOf(["h264", "mjpeg"], "", "`h264` is served over RTSP, `mjpeg` over HTTP and RTSP."), "h264"),
    width: v.optional(
      wholeNumber(
        16,
        7_680,
        "pixels",
        `H.264: even. MJPEG over RTSP: a multiple of ${RTP_JPEG_UNIT_PIXELS}, at most ${RTP_JPEG_MAX_PIXELS} (RFC 2435).`,
      ),
      1_280,
    ),
    height: v.optional(wholeNumber(16, 7_680, "pixels", "As width."), 720),
    fps: v.optional(
      wholeNumber(1, 60, "frames/s", "Frame rate; the camera may give less. `mjpeg.fps` caps that of MJPEG."),
      25,
    ),
    bitrate: v.optional(wholeNumber(50_000, 50_000_000, "bit/s", "H.264 only."), 2_000_000),
    keyInterval: v.optional(
      decimalNumber(
        0.5,
        60,
        "s",
        "H.264 only: time between key frames nobody asked for. New viewers ask for their own.",
      ),
      2,
    ),
    quality: v.optional(wholeNumber(1, 100, "", "MJPEG only: JPEG quality, 100 is best."), 80),
    rtsp: v.optional(flag("MJPEG only: false serves it over HTTP alone, where RFC 2435's limits do not hold."), true),
    adapt: v.optional(adapt, {}),
  },
  "Streams of your own.",
);

/** Scheme; name, IPv4 or bracketed IPv6 address; port; path and query. */
export const WEBHOOK_URL =
  /^(https?):\/\/([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::([1-9][0-9]{0,4}))?((?:\/[!$-;=?-Z_a-z~]*)?)$/;
const WEBHOOK_URL_EXPECTED =
  "an address such as `http://192.0.2.9:8123/api/webhook/door`, of at most 512 characters, without a login and without `#`";

const webhook = keys(
  {
    url: v.pipe(
      v.string(must(WEBHOOK_URL_EXPECTED)),
      v.regex(/^.{1,512}$/, must(WEBHOOK_URL_EXPECTED)),
      v.regex(WEBHOOK_URL, must(WEBHOOK_URL_EXPECTED)),
      v.metadata({
        expected: WEBHOOK_URL_EXPECTED,
        unit: "",
        meaning:
          "Where events are sent, each by a POST of its own. With `https` the receiver's certificate must be good for the name in " +
          "the address and lead to an authority that the device trusts, or to `trusted`.",
        jsonSchema: { pattern: WEBHOOK_URL.source, maxLength: 512 },
      }),
    ),
    secret: v.exactOptional(
      text(
        /^[^\u0000-\u001f\u007f-\u009f]{8,128}$/u,
        "8 to 128 characters without control characters",
        "Signs every request: `X-Porthole-Signature: sha256=` and the HMAC-SHA-256 of the body under this, in hexadecimal.",
        { secret: true },
      ),
    ),
    trusted: v.exactOptional(
      text(
        FILE_NAME,
        FILE_NAME_EXPECTED,
        "PEM file in the app's own folder with the certificates that an `https` receiver may lead to, in place of the device's " +
          "own: that of a home server's authority, or its self-signed one.",
      ),
    ),
    events: v.optional(
      listOf(
        oneOf(EVENT_TYPES, "", "One kind of event."),
        EVENT_TYPES.length,
        "a list of kinds of events",
        "What is sent. The kinds are those of `/api/events` (docs/api.md).",
      ),
      [...EVENT_TYPES],
    ),
  },
  "Programs that are told of events by HTTP. How and how often is told in docs/api.md.",
);

const periodicSnapshot = keys(
  {
    camera: text(CAMERA_NAME, CAMERA_NAME_EXPECTED, "Name of a camera in `cameras`; one entry for each at most."),
    every: wholeNumber(1, 86_400, "s", "Time between two pictures. The camera is opened for each if it is not open."),
    width: v.exactOptional(
      wholeNumber(16, 16_384, "pixels", "Without width and height: the size of the camera's first MJPEG profile."),
    ),
    height: v.exactOptional(wholeNumber(16, 16_384, "pixels", "As width; give both or neither.")),
    quality: v.exactOptional(wholeNumber(1, 100, "", "JPEG quality, 100 is best.")),
    rotation: v.exactOptional(oneOf([0, 90, 180, 270], "degrees", "Clockwise turn; otherwise that of the camera.")),
  },
  "Pictures that are taken by themselves. The newest of each camera is at `/api/snapshots/latest`, and each is told by the " +
    "event `snapshot.taken`.",
);

const power = keys(
  {
    awake: v.optional(
      oneOf(
        ["always", "charging", "watching"],
        "",
        "When a phone is kept from sleeping: `always`, as long as the server listens; `charging`, only on a charger or while " +
          "somebody watches; `watching`, only while somebody watches. A sleeping phone answers late or not at all, so with " +
          "`watching`, and with `charging` off the charger, it may be out of reach while its screen is off.",
      ),
      "always",
    ),
  },
  "What a phone gives to be reachable. Other computers take no notice.",
);

const configIntake = keys(
  {
    sdcardDrop: v.optional(
      flag(
        "Android: whether a `porthole.json` pushed into the app's folder on the shared storage is taken. On Android 8 to 10 " +
          "any app with the storage permission can write there, and so change this configuration; with false only " +
          "`adb shell content write --uri content://dev.porthole.config/porthole.json` does.",
      ),
      true,
    ),
  },
  "How this configuration itself gets in.",
);

export const CONFIG_SCHEMA = keys(
  {
    $schema: v.exactOptional(
      text(
        /^[^\u0000-\u001f]{1,2048}$/,
        "an address of 1 to 2048 characters",
        "For editors alone: where they find the JSON Schema by which they check and complete this file, such as " +
          "`./config.schema.json`.",
      ),
    ),
    address: v.optional(
      v.pipe(
        v.string(must("a numeric IPv4 or IPv6 address")),
        v.ip(must("a numeric IPv4 or IPv6 address")),
        v.metadata({
          expected: "a numeric IPv4 or IPv6 address",
          unit: "",
          meaning: 'Local address that everything listens on. "0.0.0.0": every IPv4 address; "::": every address.',
        }),
      ),
      "0.0.0.0",
    ),
    rtsp: v.optional(rtsp, {}),
    http: v.optional(http, {}),
    tls: v.optional(tls, {}),
    discovery: v.optional(discovery, {}),
    auth: v.optional(auth, {}),
    users: v.optional(listOf(user, USERS_MAX, "a list of users", "Who may log in."), []),
    limits: v.optional(limits, {}),
    cameras: v.optional(
      v.pipe(
        v.record(
          v.pipe(v.string(), v.regex(CAMERA_NAME, `must be named with ${CAMERA_NAME_EXPECTED}`)),
          camera,
          must("an object"),
        ),
        v.maxEntries(16, "must be at most 16 cameras"),
        v.metadata({ expected: "an object with an entry for each camera", unit: "", meaning: "The cameras." }),
      ),
      { back: {}, front: {} },
    ),
    builtinProfiles: v.optional(
      flag(
        "Whether the built-in profiles exist: `/live/back`, `/live/front`, `/live/back/mjpeg` and `/live/front/mjpeg`.",
      ),
      true,
    ),
    profiles: v.optional(listOf(profile, PROFILES_MAX, "a list of profiles", "Streams of your own."), []),
    mjpeg: v.optional(
      keys(
        { fps: v.optional(wholeNumber(1, 60, "frames/s", "Cap of every MJPEG stream's frame rate."), 30) },
        "What all MJPEG streams share.",
      ),
      {},
    ),
    webhooks: v.optional(listOf(webhook, WEBHOOKS_MAX, "a list of webhooks", "Programs that are told of events."), []),
    snapshots: v.optional(
      listOf(
        periodicSnapshot,
        PERIODIC_SNAPSHOTS_MAX,
        "a list of periodic snapshots",
        "Pictures that are taken by themselves.",
      ),
      [],
    ),
    power: v.optional(power, {}),
    config: v.optional(configIntake, {}),
    log: v.optional(
      keys(
        {
          level: v.optional(
            oneOf(["debug", "info", "warn", "error"], "", "The least important lines that are still logged."),
            "info",
          ),
        },
        "The log.",
      ),
      {},
    ),
  },
  "The configuration.",
);

/** A configuration as written, every default filled in, before profiles are resolved. */
export type WrittenConfig = v.InferOutput<typeof CONFIG_SCHEMA>;
