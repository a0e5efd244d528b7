/**
 * Zip archives as an APK needs them: read whole, written the same every time.
 *
 * APPNOTE.TXT 6.3: local file header (4.3.7), central directory (4.3.12), end of central directory (4.3.16). No zip64, no
 * encryption, no data descriptors when writing.
 */
import * as zlib from "node:zlib";

/** @typedef {{ name: string, data: Buffer, stored: boolean, dataOffset?: number }} Entry */

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const METHOD_STORED = 0;
const METHOD_DEFLATED = 8;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** 2.0: the oldest that knows deflate. */
const VERSION = 20;
/** 1981-01-01 01:01:02, as Android's own tools write where a time would say nothing. */
const DOS_TIME = (1 << 11) | (1 << 5) | 1;
const DOS_DATE = (1 << 9) | (1 << 5) | 1;

/**
 * Every file of an archive, in its order. Throws when it is none, or damaged.
 * @param {Buffer} zip
 * @returns {Entry[]} `dataOffset` is where the file's bytes begin
 */
export function readZip(zip) {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0) throw new Error("not a zip archive");
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  /** @type {Entry[]} */
  const entries = [];
  for (let i = 0; i < count; i += 1) {
    if (zip.readUInt32LE(at) !== CENTRAL) throw new Error(`no entry of the central directory at ${at}`);
    const method = zip.readUInt16LE(at + 10);
    const packed = zip.readUInt32LE(at + 20);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset));
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString("utf8", at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameBytes);
    const dataOffset = local + LOCAL_BYTES + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const bytes = zip.subarray(dataOffset, dataOffset + packed);
    const data = method === METHOD_DEFLATED ? zlib.inflateRawSync(bytes) : Buffer.from(bytes);
    if (crc32(data) !== zip.readUInt32LE(at + 16)) throw new Error(`${name} is damaged`);
    entries.push({ name, data, stored: method === METHOD_STORED, dataOffset });
    at += CENTRAL_BYTES + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/**
 * An archive of those files in that order; the same files give the same bytes.
 * @param {Entry[]} entries
 * @returns {Buffer}
 */
export function writeZip(entries) {
  const files = [];
  const directory = [];
  let offset = 0;
  for (const { name, data, stored } of entries) {
    const nameBytes = Buffer.from(name, "utf8");
    const packed = stored ? data : zlib.deflateRawSync(data, { level: 9 });
    // What both headers share, from "version needed" to "extra field length".
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(VERSION, 0);
    shared.writeUInt16LE(FLAGS, 2);
    shared.writeUInt16LE(stored ? METHOD_STORED : METHOD_DEFLATED, 4);
    shared.writeUInt16LE(DOS_TIME, 6);
    shared.writeUInt16LE(DOS_DATE, 8);
    shared.writeUInt32LE(crc32(data), 10);
    shared.writeUInt32LE(packed.length, 14);
    shared.writeUInt32LE(data.length, 18);
    shared.writeUInt16LE(nameBytes.length, 22);
    const local = Buffer.alloc(4);
    local.writeUInt32LE(LOCAL);
    files.push(local, shared, nameBytes, packed);
    const central = Buffer.alloc(6);
    central.writeUInt32LE(CENTRAL);
    central.writeUInt16LE(VERSION, 4);
    const tail = Buffer.alloc(CENTRAL_BYTES - 6 - shared.length);
    tail.writeUInt32LE(offset, tail.length - 4);
    directory.push(central, shared, tail, nameBytes);
    offset += LOCAL_BYTES + nameBytes.length + packed.length;
  }
  const directoryBytes = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(END);
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directoryBytes, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, ...directory, end]);
}

/** @type {Uint32Array | undefined} */
let table;

/**
 * CRC-32 of ISO 3309. Node has its own since 20.15.
 * @param {Buffer} data
 */
function crc32(data) {
  if (zlib.crc32 !== undefined) return zlib.crc32(data);
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
  let crc = 0xffffffff;
  for (const byte of data) crc = /** @type {number} */ (table[(crc ^ byte) & 0xff]) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
