/**
 * A second reading of FLV with H.264, as its definition goes and of whole files only: what the Node host's reader has to tell,
 * too. Shares no code with it.
 */

export const FAULT = "fault";
const LONGEST_TAG = 8 * 1024 * 1024;

class Refused extends Error {}

/** Takes bytes from the front. @throws Refused where there are too few */
class Source {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(count: number): Buffer {
    if (count > this.left) throw new Refused();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  number(bytes: number): number {
    return Number.parseInt(`0${this.take(bytes).toString("hex")}`, 16);
  }
}

/** What is told of a configuration and of a frame. */
export const configuration = (sps: readonly Buffer[], pps: readonly Buffer[]): string =>
  `sets ${[sps, pps].map((sets) => sets.map((set) => set.toString("hex")).join(",")).join(" ")}`;
export const frame = (annexB: Buffer, key: boolean): string => `frame ${key ? "key " : ""}${annexB.toString("hex")}`;

/** What a reader of `bytes` tells, {@link FAULT} last if it can't go on. A tag that is not complete is not told. */
export function flvTold(bytes: Buffer): readonly string[] {
  const told: string[] = [];
  const file = new Source(bytes);
  try {
    if (file.left < 13) return told;
    const head = file.take(13);
    if (!head.subarray(0, 3).equals(Buffer.from("FLV")) || head.readUInt32BE(5) !== 9) throw new Refused();
    while (file.left >= 11) {
      const kind = file.number(1) % 32;
      const length = file.number(3);
      file.take(7);
      if (length > LONGEST_TAG) throw new Refused();
      if (file.left < length + 4) break;
      const body = file.take(length);
      file.take(4);
      const text = kind === 9 ? video(body) : undefined;
      if (text !== undefined) told.push(text);
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    told.push(FAULT);
  }
  return told;
}

function video(tag: Buffer): string | undefined {
  if (tag.length < 5 || tag[0]! % 16 !== 7) throw new Refused();
  const data = new Source(tag.subarray(5));
  if (tag[1] === 0) return record(data);
  if (tag[1] !== 1 || data.left === 0) return undefined;
  const units: Buffer[] = [];
  while (data.left > 0) {
    const length = data.number(4);
    if (length === 0) throw new Refused();
    units.push(Buffer.of(0, 0, 0, 1), data.take(length));
  }
  return frame(Buffer.concat(units), Math.floor(tag[0]! / 16) === 1);
}

function record(data: Source): string {
  if (data.left < 7) throw new Refused();
  data.take(4);
  if (data.number(1) % 4 !== 3) throw new Refused();
  const sets = (count: number): Buffer[] => Array.from({ length: count }, () => data.take(data.number(2)));
  const sps = sets(data.number(1) % 32);
  return configuration(sps, sets(data.number(1)));
}

/** Files as ffmpeg writes them, and others that the definition allows or that are just beyond it. */
export function flvSeeds(): readonly string[] {
  const bytes = (hex: string): string => Buffer.from(hex.replaceAll(" ", ""), "hex").toString("latin1");
  const tag = (body: string, kind = "09"): string => {
    const length = body.replaceAll(" ", "").length / 2;
    const [size, whole] = [length.toString(16).padStart(6, "0"), (length + 11).toString(16).padStart(8, "0")];
    return bytes(`${kind}${size} 00000000000000 ${body} ${whole}`);
  };
  const header = `FLV${bytes("01 01 00000009 00000000")}`;
  const sets = tag("1700000000 0142c01fff e1 0007 6742c01f010203 01 0003 680506");
  const key = tag("1701000000 00000005 6501020304");
  const delta = "2701000000 00000002 0607";
  return [
    [sets, key, tag(delta)],
    // Meta data and sound between, an encoder's end of stream, a filtered tag.
    [tag("0200", "12"), sets, tag("af01 1122", "08"), key, tag("1702000000"), tag(delta, "29")],
    // Several sets and units, an empty set, one byte in a unit.
    [
      tag("1700000000 0164001fff e2 0003 670102 0000 02 0002 6801 0001 68"),
      tag("1701000000 00000001 06 00000001 65 00000003 410203"),
    ],
    // Kinds of frames that are neither: disposable, and ones that are not defined.
    [sets, ...["3", "9", "0"].map((kind) => tag(`${kind}701000000 00000001 41`))],
    // No sets at all; a frame without a unit.
    [tag("1700000000 0142c01fff e0 00"), tag("2701000000")],
    // Just beyond: an empty unit, one too long, a cut length, lengths of another length, cut sets, another codec.
    [sets, tag("2701000000 00000001 41 00000000")],
    [sets, tag("2701000000 00000003 4142")],
    [sets, tag("2701000000 00000001 41 000000")],
    [tag("1700000000 0142c01ffe e1 0001 67 01 0001 68")],
    [tag("1700000000 0142c01fff e1 0002 67 01 0001")],
    [tag("1700000000 0142c01fff e1 0001 67")],
    [tag("1200000000 00"), key],
    [tag("17000000")],
    // The longest tag there may be, and one more, of which only the head has come.
    [bytes("09 800000 00000000000000")],
    [bytes("09 800001 00000000000000")],
  ].map((tags) => header + tags.join(""));
}
