/**
 * The APK as `npm run apk` makes it, read from the built file: what Android would see when it is installed, and what the
 * shrinker left of it.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifacts } from "../../build-scripts/android/artifacts.mjs";
import { ABIS, aapt2, appNumbers, java, verifyApk } from "../../build-scripts/android/package.mjs";
import { readZip } from "../../build-scripts/android/zip.mjs";
import { build as buildBundles } from "../../build-scripts/lib/setup.mjs";
import { type Dex, type Member, readDex } from "./dex.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGE = 0x4000;
const LARGEST_BYTES = 4 * 1000 * 1000;

const work = mkdtempSync(join(tmpdir(), "porthole-apk-"));
const apk = join(work, "porthole.apk");
/** A copy, so that nobody who builds meanwhile changes it between two builds here. */
const bundle = join(work, "core.js");
let said = "";
let files: ReturnType<typeof readZip> = [];
let dex: Dex;
/** `aapt2 dump xmltree` of the manifest inside. */
let manifest: Element[] = [];

/** An element of the manifest: its tag, its attributes as aapt2 prints them, and what stands in it. */
type Element = { tag: string; attributes: Map<string, string>; children: Element[] };

beforeAll(async () => {
  await buildBundles();
  copyFileSync(join(ROOT, "dist/core.js"), bundle);
  said = build(apk, join(work, "one"));
  files = readZip(readFileSync(apk));
  dex = readDex(bytesOf("classes.dex"));
  const tree = execFileSync(aapt2(), ["dump", "xmltree", "--file", "AndroidManifest.xml", apk], { encoding: "utf8" });
  manifest = parseTree(tree);
}, 400_000);

afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs the command, with a user's cache of its own, so that the key is made here. */
function build(out: string, folder: string): string {
  const env = { ...process.env, XDG_CACHE_HOME: join(work, "cache"), PORTHOLE_KEY: "" };
  const args = ["build-scripts/apk.mjs", "--out", out, "--work", folder, "--bundle", bundle];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8", env });
  expect(status, stderr).toBe(0);
  return stdout;
}

describe("the file", () => {
  test("is named with its size and the certificate's digest, and is at most 4 MB", () => {
    const bytes = statSync(apk).size;
    expect(said).toContain(`${apk}\n${bytes} bytes\n`);
    expect(said).toMatch(/^certificate SHA-256 [0-9a-f]{64}/m);
    expect(bytes).toBeLessThanOrEqual(LARGEST_BYTES);
  });

  test("is signed by schemes v2 and v3 with the certificate that was named, which apksig's verifier confirms", () => {
    const verdict = verifyApk(apk);
    expect(verdict.get("error")).toBeUndefined();
    expect(verdict.get("verified")).toEqual(["true"]);
    expect(verdict.get("v2")).toEqual(["true"]);
    expect(verdict.get("v3")).toEqual(["true"]);
    expect(said).toContain(verdict.get("certificate")![0]);
  });

  test("no longer verifies when one byte of it is changed", () => {
    const changed = readFileSync(apk);
    const at = files.find((file) => file.name === "classes.dex")!.dataOffset! + 100;
    changed[at] = changed[at]! ^ 1;
    const path = join(work, "changed.apk");
    writeFileSync(path, changed);
    expect(verifyApk(path).get("verified")).toEqual(["false"]);
  });

  test("has what is stored at a multiple of 4 bytes, native libraries at one of 16 KiB", () => {
    const stored = files.filter((file) => file.stored);
    expect(stored.map((file) => file.name)).toContain("resources.arsc");
    for (const { name, dataOffset } of stored) {
      expect.soft(dataOffset! % (name.endsWith(".so") ? PAGE : 4), name).toBe(0);
    }
  });

  test("is made of these files and no others", () => {
    const names = files.map((file) => file.name).filter((name) => !name.startsWith("res/"));
    expect(names).toEqual([
      "AndroidManifest.xml",
      "assets/core.js",
      ...["nv21.frag", "nv21.vert", "picture.frag", "picture.vert"].map((name) => `assets/shaders/${name}`),
      "classes.dex",
      ...ABIS.map((abi: string) => `lib/${abi}/libquickjs.so`),
      "resources.arsc",
    ]);
  });

  test("carries the core's bundle as it was built, without the line that names its source map", () => {
    const built = readFileSync(bundle, "utf8").replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n");
    expect(bytesOf("assets/core.js").toString("utf8")).toBe(built);
  });

  test("is the same, byte for byte, when it is built again elsewhere", () => {
    const again = join(work, "again.apk");
    build(again, join(work, "two"));
    expect(readFileSync(again).equals(readFileSync(apk))).toBe(true);
  }, 300_000);

  test("holds no key, no login and no path of the machine that built it", () => {
    const text = Buffer.concat(files.map((file) => file.data)).toString("latin1");
    // The words alone are in the code that reads such files.
    expect(text).not.toMatch(/-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s|\\[nr])*[A-Za-z0-9+/=]{20}/);
    expect(text).not.toContain(ROOT.replace(/\/$/, ""));
    expect(text).not.toContain(process.env.HOME ?? "/root/");
    expect(text).not.toMatch(/password123|storepass/);
    expect(files.filter((file) => /\.(p12|jks|keystore|pem|map)$/.test(file.name))).toEqual([]);
  });
});

describe("native libraries", () => {
  const made = (abi: string) => files.find((candidate) => candidate.name === `lib/${abi}/libquickjs.so`)!;
  const given = (abi: string): Buffer => {
    const aar = readZip(readFileSync(artifacts()("quickjs-kt-android")));
    return aar.find((entry) => entry.name === `jni/${abi}/libquickjs.so`)!.data;
  };

  test.each([...ABIS])("for %s are ELF whose LOAD segments are aligned to 16 KiB", (abi) => {
    const machine = { "arm64-v8a": 183, "armeabi-v7a": 40, x86: 3, x86_64: 62 }[abi as string];
    expect(made(abi).stored).toBe(true);
    const elf = readElf(made(abi).data);
    expect(elf.machine).toBe(machine);
    expect(elf.loads.length).toBeGreaterThan(0);
    expect(new Set(elf.loads.map((load) => load.alignment))).toEqual(new Set([PAGE]));
  });

  test.each([...ABIS])("for %s are the engine's own, without what only a debugger reads", (abi) => {
    const [before, after] = [readElf(given(abi)), readElf(made(abi).data)];
    expect(after.loads).toEqual(before.loads);
    expect(before.sections.some((section) => section.type === SHT_SYMTAB)).toBe(true);
    expect(after.sections.some((section) => section.type === SHT_SYMTAB)).toBe(false);
    const headerBytes = after.wide ? 64 : 52;
    for (const { offset, bytes } of after.loads) {
      const from = Math.max(offset, headerBytes);
      const [old, now] = [given(abi), made(abi).data].map((data) => data.subarray(from, offset + bytes));
      expect(now!.equals(old!)).toBe(true);
    }
  });

  // linker_phdr.cpp in bionic: a library without these is refused with "has no section headers", "invalid e_shstrndx",
  // ".dynamic section has invalid offset", and so on.
  test.each([...ABIS])("for %s have the sections that Android's linker compares with the segments", (abi) => {
    const elf = readElf(made(abi).data);
    const names = elf.sections[elf.names]!;
    expect(names.type).toBe(SHT_STRTAB);
    expect(elf.nameOf(elf.names)).toBe(".shstrtab");
    const dynamic = elf.sections.filter((section) => section.type === SHT_DYNAMIC);
    expect(dynamic).toHaveLength(1);
    expect([dynamic[0]!.offset, dynamic[0]!.bytes]).toEqual([elf.dynamic!.offset, elf.dynamic!.bytes]);
    expect(elf.nameOf(dynamic[0]!.link)).toBe(".dynstr");
    for (const { type, offset, bytes } of elf.sections) {
      if (type !== SHT_NOBITS) expect(offset + bytes).toBeLessThanOrEqual(made(abi).data.length);
    }
  });
});

describe("the manifest", () => {
  test("says the numbers of android/app/pom.xml", () => {
    const { minSdk, targetSdk, versionCode, versionName } = appNumbers();
    const root = manifest[0]!;
    const sdk = all("uses-sdk")[0]!;
    expect(attribute(root, "package")).toBe("dev.porthole");
    expect(attribute(root, "versionCode")).toBe(String(versionCode));
    expect(attribute(root, "versionName")).toBe(versionName);
    expect([attribute(sdk, "minSdkVersion"), attribute(sdk, "targetSdkVersion")]).toEqual([
      `${minSdk}`,
      `${targetSdk}`,
    ]);
  });

  test("asks for these permissions and no others", () => {
    const names = all("uses-permission").map((element) =>
      attribute(element, "name")!.replace("android.permission.", ""),
    );
    expect(names.sort()).toEqual([
      "ACCESS_NETWORK_STATE",
      "ACCESS_WIFI_STATE",
      "CAMERA",
      "CHANGE_WIFI_MULTICAST_STATE",
      "FOREGROUND_SERVICE",
      "FOREGROUND_SERVICE_CAMERA",
      "FOREGROUND_SERVICE_MICROPHONE",
      "FOREGROUND_SERVICE_SPECIAL_USE",
      "INTERNET",
      "NEARBY_WIFI_DEVICES",
      "POST_NOTIFICATIONS",
      "RECEIVE_BOOT_COMPLETED",
      "RECORD_AUDIO",
      "SYSTEM_ALERT_WINDOW",
      "WAKE_LOCK",
    ]);
  });

  test("requires no hardware, so that it installs on a device without a camera, a screen or Wi-Fi", () => {
    expect(all("uses-feature").map((element) => attribute(element, "required"))).toEqual(
      all("uses-feature").map(() => "false"),
    );
  });

  test("is neither debuggable nor backed up nor for tests, and has its libraries mapped where they lie", () => {
    const app = all("application")[0]!;
    expect(attribute(app, "debuggable")).toBeUndefined();
    expect(attribute(app, "testOnly")).toBeUndefined();
    expect(attribute(app, "allowBackup")).toBe("false");
    expect(attribute(app, "extractNativeLibs")).toBe("false");
    expect(attribute(app, "directBootAware")).toBe("true");
  });

  test("guards every exported component, save the icon and the home screen, which people open", () => {
    const tags = ["activity", "activity-alias", "service", "receiver", "provider"];
    const exported = tags.flatMap(all).filter((element) => attribute(element, "exported") !== "false");
    const guards = Object.fromEntries(exported.map((element) => [classOf(element), attribute(element, "permission")]));
    expect(guards).toEqual({
      "dev.porthole.MainActivity": undefined,
      "dev.porthole.HomeActivity": undefined,
      "dev.porthole.TrampolineActivity": "android.permission.DUMP",
      "dev.porthole.PortholeService": "android.permission.DUMP",
      "dev.porthole.ConfigProvider": "android.permission.DUMP",
      "dev.porthole.AdminReceiver": "android.permission.BIND_DEVICE_ADMIN",
    });
    // A provider's own permissions would replace the one for all.
    expect(attribute(all("provider")[0]!, "readPermission")).toBeUndefined();
    expect(attribute(all("provider")[0]!, "writePermission")).toBeUndefined();
    expect(attribute(all("provider")[0]!, "grantUriPermissions")).toBeUndefined();
  });

  test("keeps the home screen off until it is asked for", () => {
    expect(attribute(all("activity-alias")[0]!, "enabled")).toBe("false");
  });

  test("gives the service the types special use, camera and microphone, and says what is special", () => {
    const service = all("service")[0]!;
    // ServiceInfo: SPECIAL_USE 0x40000000, CAMERA 0x40, MICROPHONE 0x80.
    expect(Number(attribute(service, "foregroundServiceType"))).toBe(0x4000_00c0);
    const property = service.children.find((child) => child.tag === "property")!;
    expect(attribute(property, "name")).toBe("android.app.PROPERTY_SPECIAL_USE_FGS_SUBTYPE");
    expect(attribute(property, "value")!.length).toBeGreaterThan(20);
  });

  test("starts at boot before and after the first unlock, and after an update", () => {
    const actions = descendants(all("receiver").find((one) => attribute(one, "name")?.endsWith("BootReceiver"))!)
      .filter((element) => element.tag === "action")
      .map((element) => attribute(element, "name"));
    expect(actions).toEqual([
      "android.intent.action.LOCKED_BOOT_COMPLETED",
      "android.intent.action.BOOT_COMPLETED",
      "android.intent.action.MY_PACKAGE_REPLACED",
    ]);
  });

  test("names classes that are in the APK", () => {
    const tags = ["application", "activity", "service", "receiver", "provider"];
    const names = tags.flatMap(all).map((element) => classOf(element).replaceAll(".", "/"));
    expect(names.length).toBeGreaterThan(6);
    for (const name of names) expect.soft(dex.classes.has(name), name).toBe(true);
  });
});

describe("the code", () => {
  test("has what the engine's native code looks up by name", () => {
    const native = bytesOf("lib/x86_64/libquickjs.so").toString("latin1");
    const named = new Set(native.match(/(?<![\w/])(?:com\/dokar|kotlin)\/[\w/$]+/g));
    expect(named.size).toBeGreaterThan(6);
    expect([...named]).toContain("kotlin/UByteArray");
    for (const name of named) expect.soft(dex.classes.has(name), name).toBe(true);
    expect(dex.classes.get("kotlin/UByteArray")!.members).toContain("storage#[B");
    expect(dex.classes.get("kotlin/UByteArray")!.members).toContain("<init>([B)V");
    expect(dex.classes.get("com/dokar/quickjs/MemoryUsage")!.members).toContain(`<init>(${"J".repeat(26)})V`);
  });

  test("has every native method that the library implements", () => {
    const native = bytesOf("lib/x86_64/libquickjs.so").toString("latin1");
    const functions = new Set([...native.matchAll(/Java_com_dokar_quickjs_QuickJs_(\w+)/g)].map((match) => match[1]!));
    expect(functions.size).toBeGreaterThan(20);
    const members = [...dex.classes.get("com/dokar/quickjs/QuickJs")!.members].map((name) => name.replace(/\(.*/, ""));
    for (const name of functions) expect.soft(members, name).toContain(name.replace(/__.*/, "").replace(/_1/g, "_"));
  });

  test("calls nothing of Android or Java that apps are not shown, from 8 to the newest", () => {
    expect(unknownTo(apiOf(33))).toEqual([
      // Newer than the list. Coroutines try ClassValue and do without where there is none.
      ...["<init>()V", "get(Ljava/lang/Class;)Ljava/lang/Object;"].map((name) => `java/lang/ClassValue ${name}`),
    ]);
  });

  test("calls of what Android 8 lacks only what is called behind a check of the version", () => {
    const owners = unknownTo(apiOf(26)).map((name) => name.replace(/ .*/, ""));
    // Whoever adds one here has looked at the check in front of the call. Android Lint looks too.
    const checked = new Map([
      ["android/app/ActivityManager", "getHistoricalProcessExitReasons (30)"],
      ["android/app/ApplicationExitInfo", "30"],
      ["android/app/Service", "startForeground with types (29)"],
      ["android/hardware/camera2/CameraCharacteristics", "CONTROL_ZOOM_RATIO_RANGE (30)"],
      ["android/hardware/camera2/CameraDevice", "createCaptureSession(SessionConfiguration) (28)"],
      ["android/hardware/camera2/CameraManager", "getConcurrentCameraIds (30)"],
      ["android/hardware/camera2/CaptureRequest", "CONTROL_ZOOM_RATIO (30)"],
      ["android/hardware/camera2/params/OutputConfiguration", "setTimestampBase (33)"],
      ["android/hardware/camera2/params/SessionConfiguration", "28"],
      ["android/media/MediaCodecInfo", "isHardwareAccelerated, isAlias (29)"],
      ["java/lang/ClassValue", "caught by coroutines"],
    ]);
    expect([...new Set(owners)].filter((owner) => !checked.has(owner))).toEqual([]);
  });
});

function bytesOf(name: string): Buffer {
  const file = files.find((candidate) => candidate.name === name);
  if (file === undefined) throw new Error(`the APK has no ${name}`);
  return file.data;
}

// ── The manifest ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Lines such as `  E: service (line=50)` and `    A: http://…:exported(0x…)=true`, nested by indentation. */
function parseTree(text: string): Element[] {
  const roots: Element[] = [];
  const open: { indent: number; element: Element }[] = [];
  for (const line of text.split("\n")) {
    const element = /^( *)E: ([\w-]+)/.exec(line);
    const value = /^ *A: (?:\S*:)?(\w+)(?:\(0x[0-9a-f]+\))?=(.*)$/.exec(line);
    if (element !== null) {
      const indent = element[1]!.length;
      while (open.length > 0 && open.at(-1)!.indent >= indent) open.pop();
      const made = { tag: element[2]!, attributes: new Map<string, string>(), children: [] };
      (open.at(-1)?.element.children ?? roots).push(made);
      open.push({ indent, element: made });
    } else if (value !== null) {
      open.at(-1)?.element.attributes.set(value[1]!, value[2]!.replace(/^"(.*?)"(?: \(Raw: .*)?$/, "$1"));
    }
  }
  return roots;
}

function descendants(element: Element): Element[] {
  return element.children.flatMap((child) => [child, ...descendants(child)]);
}

function all(tag: string): Element[] {
  return manifest.flatMap(descendants).filter((element) => element.tag === tag);
}

function attribute(element: Element, name: string): string | undefined {
  return element.attributes.get(name);
}

/** A name that begins with a dot is one of the package. */
function classOf(element: Element): string {
  const name = attribute(element, "name")!;
  return name.startsWith(".") ? `dev.porthole${name}` : name;
}

// ── The code ───────────────────────────────────────────────────────────────────────────────────────────────────────

type Api = Map<string, { parents: string[]; members: Set<string> }>;

/** What an Android version shows to apps. */
function apiOf(level: 26 | 33): Api {
  const find = artifacts();
  const tool = join(ROOT, "android/tools/ApiSignatures.java");
  const text = java(["-cp", find("animal-sniffer"), tool, find(`gummy-bears-api-${level}`)]);
  const lines = text.trim().split("\n");
  return new Map(
    lines.map((line) => {
      const [name, superClass, interfaces, members] = line.split("\t") as [string, string, string, string];
      const parents = [superClass, ...interfaces.split(" ")].filter((parent) => parent !== "");
      return [name, { parents, members: new Set(members.split(" ")) }];
    }),
  );
}

/** References of the code that neither it nor that Android version defines, in the class or above. */
function unknownTo(api: Api): string[] {
  const defines = (owner: string, signature: string): boolean => {
    const own = dex.classes.get(owner);
    const known =
      own === undefined ? api.get(owner) : { members: own.members, parents: [own.superClass, ...own.interfaces] };
    return known !== undefined && (known.members.has(signature) || known.parents.some((up) => defines(up, signature)));
  };
  return dex.references
    .filter(({ owner, signature }: Member) => !defines(owner, signature))
    .map(({ owner, signature }) => `${owner} ${signature}`);
}

const [SHT_SYMTAB, SHT_STRTAB, SHT_DYNAMIC, SHT_NOBITS] = [2, 3, 6, 8];
const [PT_LOAD, PT_DYNAMIC] = [1, 2];

/** ELF header, program headers and section headers, 32 and 64 bit, little-endian. */
function readElf(elf: Buffer) {
  expect(elf.toString("latin1", 0, 4)).toBe("\x7fELF");
  const wide = elf[4] === 2;
  const word = (at: number): number => (wide ? Number(elf.readBigUInt64LE(at)) : elf.readUInt32LE(at));
  /** Headers of one kind: where the first lies, and the place of "size of one, how many" in the ELF header. */
  const headers = (first: number, sizes: number): number[] => {
    const [size, count] = [elf.readUInt16LE(sizes), elf.readUInt16LE(sizes + 2)];
    return Array.from({ length: count }, (_, index) => first + index * size);
  };
  const segments = headers(word(wide ? 0x20 : 0x1c), wide ? 0x36 : 0x2a).map((at) => ({
    type: elf.readUInt32LE(at),
    offset: word(at + (wide ? 8 : 4)),
    bytes: word(at + (wide ? 32 : 16)),
    alignment: word(at + (wide ? 48 : 28)),
  }));
  const sections = headers(word(wide ? 0x28 : 0x20), wide ? 0x3a : 0x2e).map((at) => ({
    name: elf.readUInt32LE(at),
    type: elf.readUInt32LE(at + 4),
    offset: word(at + (wide ? 24 : 16)),
    bytes: word(at + (wide ? 32 : 20)),
    link: elf.readUInt32LE(at + (wide ? 40 : 24)),
  }));
  const names = elf.readUInt16LE(wide ? 0x3e : 0x32);
  const nameOf = (index: number): string => {
    const at = sections[names]!.offset + sections[index]!.name;
    return elf.toString("latin1", at, elf.indexOf(0, at));
  };
  return {
    wide,
    machine: elf.readUInt16LE(0x12),
    loads: segments.filter((segment) => segment.type === PT_LOAD),
    dynamic: segments.find((segment) => segment.type === PT_DYNAMIC),
    sections,
    names,
    nameOf,
  };
}

test("the repository holds no key", () => {
  const tracked = execFileSync("git", ["ls-files"], { cwd: ROOT, encoding: "utf8" });
  expect(tracked).not.toMatch(/\.(p12|jks|keystore|pem|apk)$/m);
  expect(existsSync(join(ROOT, "dist/debug-key.p12"))).toBe(false);
});
