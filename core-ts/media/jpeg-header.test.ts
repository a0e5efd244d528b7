import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { JPEG_HEADERS_MAX_BYTES, type JpegInfo, parseJpegHeader } from "./jpeg-header.ts";

const bytesOfHex = (digits: string): number[] =>
  (digits.match(/[0-9a-f]{2}/g) ?? []).map((pair) => Number.parseInt(pair, 16));

// GStreamer's jpegenc (libjpeg), 48x32, 4:2:0: standard Huffman tables in four segments.
const LIBJPEG_420 = bytesOfHex(`
  ffd8ffe000104a46494600010100000100010000ffdb0043000503040404030504040405050506070c08070707070f0b0b090c110f121211
  0f111113161c1713141a1511111821181a1d1d1f1f1f13172224221e241c1e1f1effdb0043010505050706070e08080e1e1411141e1e1e1e
  1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1e1effc00011080020003003
  012200021101031101ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b510000201030302040305
  0504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a2526272829
  2a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a9293949596979899
  9aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9
  faffc4001f0100030101010101010101010000000000000102030405060708090a0bffc400b5110002010204040304070504040001027700
  0102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a3536373839
  3a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6
  a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9faffda000c030100
  02110311003f00`);

// FFmpeg's mjpeg encoder with optimal Huffman tables, 48x32: one quantization table, chroma 1x2 below luma 2x2.
const OPTIMAL_HUFFMAN_422 = bytesOfHex(`
  ffd8ffe000104a46494600010200000100010000fffe00104c61766335392e33372e31303000ffdb00430008060607060708080808080809
  09090a0a0a090909090a0a0a0a0a0a0c0c0c0a0a0a0a0a0a0a0c0c0c0c0d0e0d0d0d0c0d0e0e0f0f0f1212111115151519191fffc4008600
  0101010100000000000000000000000007060805010101010101000000000000000000000005060700041000020102040407010100000000
  0000000201031104000605122221833151413513c3b3074432110001020403020d0501010100000000000201031106050413120021467374
  41b38584b437c5323108c41434222351710715ffc00011080020003003012200021200031200ffda000c03010002110311003f00`);

/** Segments of a picture's headers by marker, so that a test can change one. */
type Segment = readonly [marker: number, body: readonly number[]];
type Segments = readonly Segment[];

function segmentsOf(bytes: readonly number[]): Segments {
  const segments: [number, number[]][] = [];
  for (let at = 2; at < bytes.length; ) {
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    segments.push([bytes[at + 1]!, bytes.slice(at + 4, at + 2 + length)]);
    at += 2 + length;
  }
  return segments;
}

function joined(segments: Segments): number[] {
  const bytes = [0xff, 0xd8];
  for (const [marker, body] of segments) {
    bytes.push(0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 0xff, ...body);
  }
  return bytes;
}

const SOF = 0xc0;
const DHT = 0xc4;
const SOS = 0xda;
const DQT = 0xdb;
const DRI = 0xdd;

/** The picture with some segments' bodies changed; undefined removes one. */
function changed(change: (marker: number, body: readonly number[], index: number) => readonly number[] | undefined) {
  const segments: Segment[] = [];
  segmentsOf(LIBJPEG_420).forEach(([marker, body], index) => {
    const next = change(marker, body, index);
    if (next !== undefined) segments.push([marker, next]);
  });
  return segments;
}

const set = (body: readonly number[], at: number, ...values: number[]): number[] => {
  const copy = [...body];
  copy.splice(at, values.length, ...values);
  return copy;
};

const parse = (bytes: readonly number[]) => parseJpegHeader(textOfBytes(Uint8Array.from(bytes)));

function infoOf(bytes: readonly number[]): JpegInfo {
  const result = parse(bytes);
  if ("reason" in result) throw new Error(result.reason);
  return result;
}

function obstacleOf(segments: Segments): string {
  const result = parse(joined(segments));
  return "reason" in result ? result.obstacle : "none";
}

describe("JPEG headers", () => {
  it("give RTP/JPEG the picture's own size, type and tables", () => {
    const info = infoOf(LIBJPEG_420);
    expect(info).toMatchObject({ width: 48, height: 32, type: 1, restartInterval: 0 });
    const tables = segmentsOf(LIBJPEG_420).filter(([marker]) => marker === DQT);
    expect([...info.quantizationTables]).toEqual([...tables[0]![1].slice(1), ...tables[1]![1].slice(1)]);
  });

  it("tell 4:2:2 from 4:2:0 by the luma factors", () => {
    const wide = changed((marker, body) => (marker === SOF ? set(body, 7, 0x21) : body));
    expect(infoOf(joined(wide))).toMatchObject({ type: 0 });
  });

  it("give the restart interval, and none for an interval of 0", () => {
    const withInterval = (high: number, low: number) => {
      const segments = [...segmentsOf(LIBJPEG_420)];
      segments.splice(-1, 0, [DRI, [high, low]]);
      return infoOf(joined(segments)).restartInterval;
    };
    expect(withInterval(0x01, 0x02)).toBe(0x102);
    expect(withInterval(0, 0)).toBe(0);
  });

  it("may leave the Huffman tables out: the standard ones are meant", () => {
    expect(obstacleOf(changed((marker, body) => (marker === DHT ? undefined : body)))).toBe("none");
  });

  it("may hold all tables of a kind in one segment", () => {
    const merged: Segment[] = [];
    for (const kind of [DQT, DHT]) {
      const all = segmentsOf(LIBJPEG_420).filter(([marker]) => marker === kind);
      merged.push([kind, all.flatMap(([, body]) => body)]);
    }
    merged.push(...segmentsOf(LIBJPEG_420).filter(([marker]) => marker === SOF || marker === SOS));
    expect(infoOf(joined(merged))).toEqual(infoOf(LIBJPEG_420));
  });

  it("give one quantization table twice when luma and chroma share it", () => {
    const shared = changed((marker, body) => (marker === SOF ? set(set(body, 11, 0), 14, 0) : body));
    const { quantizationTables } = infoOf(joined(shared));
    expect(quantizationTables.length).toBe(128);
    expect(quantizationTables.slice(64)).toEqual(quantizationTables.slice(0, 64));
  });

  it("may number components and tables differently", () => {
    const renumbered = changed((marker, body) => {
      if (marker === DQT) return set(body, 0, body[0]! === 0 ? 3 : 2);
      if (marker === SOF) return set(set(set(body, 6, 0), 8, 3), 11, 2).with(14, 2);
      return marker === SOS ? set(body, 1, 0) : body;
    });
    expect(infoOf(joined(renumbered))).toEqual(infoOf(LIBJPEG_420));
  });

  it("may hold fill bytes before a marker", () => {
    expect(infoOf([...LIBJPEG_420.slice(0, 2), 0xff, 0xff, ...LIBJPEG_420.slice(2)])).toEqual(infoOf(LIBJPEG_420));
  });

  it("are carried up to 2,040 pixels a side and not past it", () => {
    const sized = (height: number, width: number) =>
      changed((marker, body) =>
        marker === SOF ? set(body, 1, height >> 8, height & 255, width >> 8, width & 255) : body,
      );
    expect(infoOf(joined(sized(2040, 2040)))).toMatchObject({ width: 2040, height: 2040 });
    expect(obstacleOf(sized(2041, 1080))).toBe("size");
    expect(obstacleOf(sized(1080, 2041))).toBe("size");
    expect(obstacleOf(sized(0, 640))).toBe("size");
  });
});

describe("What RTP/JPEG can't carry is refused with its reason:", () => {
  const edited = (kind: number, at: number, ...values: number[]) =>
    obstacleOf(changed((marker, body) => (marker === kind ? set(body, at, ...values) : body)));

  it("optimized Huffman tables", () => {
    expect(parse(OPTIMAL_HUFFMAN_422)).toMatchObject({ obstacle: "sampling" });
    const optimal = segmentsOf(OPTIMAL_HUFFMAN_422).filter(([marker]) => marker === DHT);
    const mixed = changed((marker, body) => (marker === DHT ? undefined : body));
    mixed.splice(-1, 0, ...optimal);
    expect(obstacleOf(mixed)).toBe("huffman-tables");
  });

  it("a single changed value in any Huffman table", () => {
    for (let table = 0; table < 4; table++) {
      let seen = 0;
      const segments = changed((marker, body) => {
        if (marker !== DHT || seen++ !== table) return body;
        return body.with(-1, body.at(-1)! ^ 1);
      });
      expect(obstacleOf(segments)).toBe("huffman-tables");
    }
  });

  it("luma coded with the chroma tables", () => {
    expect(edited(SOS, 2, 0x11)).toBe("huffman-tables");
  });

  it("4:4:4, 1x2 and grey", () => {
    expect(edited(SOF, 7, 0x11)).toBe("sampling");
    expect(edited(SOF, 7, 0x12)).toBe("sampling");
    // The ratio of 4:2:2 made of 2x2 and 1x2: twice the chroma blocks in each MCU.
    expect(edited(SOF, 10, 0x12)).toBe("sampling");
    const grey = changed((marker, body) => (marker === SOF ? [...body.slice(0, 5), 1, ...body.slice(6, 9)] : body));
    expect(obstacleOf(grey)).toBe("sampling");
  });

  it("progressive and extended pictures", () => {
    for (const marker of [0xc1, 0xc2, 0xc3, 0xc9, 0xcc]) {
      const segments = segmentsOf(LIBJPEG_420).map(([kind, body]) => [kind === SOF ? marker : kind, body] as const);
      expect(obstacleOf(segments)).toBe("not-baseline");
    }
    expect(edited(SOS, 7, 0, 5, 0)).toBe("not-baseline");
  });

  it("12-bit samples", () => {
    expect(edited(SOF, 0, 12)).toBe("not-8-bit");
  });

  it("16-bit quantization tables, missing ones and two for chroma", () => {
    const wide = changed((marker, body) =>
      marker === DQT && body[0] === 1 ? [0x11, ...body.slice(1).flatMap((element) => [1, element])] : body,
    );
    expect(obstacleOf(wide)).toBe("quantization-tables");
    expect(edited(SOF, 11, 2)).toBe("quantization-tables");
    expect(edited(SOF, 14, 0)).toBe("quantization-tables");
  });

  it("a scan of one component", () => {
    expect(obstacleOf(changed((marker, body) => (marker === SOS ? [1, 1, 0, 0, 63, 0] : body)))).toBe("several-scans");
  });

  it("headers that fill the whole text without reaching the scan", () => {
    const comment: Segment = [0xfe, new Array(JPEG_HEADERS_MAX_BYTES).fill(0x20)];
    const bytes = joined([comment, ...segmentsOf(LIBJPEG_420)]);
    expect(parse(bytes.slice(0, JPEG_HEADERS_MAX_BYTES))).toMatchObject({ obstacle: "headers-too-long" });
  });

  it("headers cut anywhere, or followed by something", () => {
    for (let cut = 0; cut < LIBJPEG_420.length; cut++) {
      expect(parse(LIBJPEG_420.slice(0, cut)), `cut at ${cut}`).toMatchObject({ obstacle: "malformed" });
    }
    expect(parse([...LIBJPEG_420, 0x12])).toMatchObject({ obstacle: "malformed" });
  });

  it("anything else, without throwing", () => {
    fc.assert(
      fc.property(
        fc.nat(LIBJPEG_420.length - 1),
        fc.nat(255),
        fc.nat(LIBJPEG_420.length - 1),
        fc.nat(255),
        (i, a, k, b) => {
          parse(set(set(LIBJPEG_420, i, a), k, b));
        },
      ),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parse([0xff, 0xd8, ...bytes])));
  });
});
