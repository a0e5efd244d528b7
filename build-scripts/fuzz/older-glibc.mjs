/**
 * Lets an ELF library load whose C or C++ library is older than the one it was built with, as jazzer.js's prebuilt addon needs
 * (glibc 2.38, Debian 12 has 2.36) for three symbols that are new in name only:
 *
 *  - `__isoc23_strtol` and its kin are what `strtol` is called since glibc 2.38: they read binary numbers, too. The name is
 *    shortened to its end, `strtol`, of whatever version there is.
 *  - `std::ios_base_library_init()` says that the C++ library sets up its streams by itself; nobody calls it. It is made weak,
 *    and so may be missing.
 *
 * Which versions of libraries the file asks for stands in `.gnu.version_r`; those of these symbols are made weak, so that the
 * loader goes on without them. ELF64, little-endian (System V ABI, chapters 4 and 5; symbol versions: LSB 5.0, chapter 10).
 */
import * as fs from "node:fs";

const SECTION = { headers: 0x28, headerBytes: 0x3a, count: 0x3c };
const DYNSYM = 11;
const VERSION_NEEDS = 0x6ffffffe;
const VERSION_OF_SYMBOLS = 0x6fffffff;
const SYMBOL_BYTES = 24;
const WEAK_VERSION = 2;
const WEAK_SYMBOL = 2 << 4;
/** A version index: the symbol of any version. */
const ANY_VERSION = 1;
const RENAMED = "__isoc23_";
const UNUSED = "_ZSt21ios_base_library_initv";

/** Changes the file. @throws when it needs anything else of the newer libraries @param {string} file */
export function loadableOnOlderGlibc(file) {
  const elf = fs.readFileSync(file);
  if (elf.readUInt32BE(0) !== 0x7f454c46 || elf[4] !== 2 || elf[5] !== 1)
    throw new Error(`${file} is no 64-bit ELF file`);
  const sections = sectionsOf(elf);
  const symbols = sections.find(({ type }) => type === DYNSYM);
  const needs = sections.find(({ type }) => type === VERSION_NEEDS);
  const versions = sections.find(({ type }) => type === VERSION_OF_SYMBOLS);
  if (!symbols || !needs || !versions) throw new Error(`${file} has no versions of symbols`);
  const strings = /** @type {{ offset: number }} */ (sections[symbols.link]).offset;
  const text = (/** @type {number} */ at) => elf.toString("latin1", strings + at, elf.indexOf(0, strings + at));
  /** Versions of which only the symbols above are used. */
  const spared = new Set();
  const kept = new Set();
  for (let index = 0; index * SYMBOL_BYTES < symbols.size; index++) {
    const symbol = symbols.offset + index * SYMBOL_BYTES;
    const versionAt = versions.offset + index * 2;
    const version = elf.readUInt16LE(versionAt) & 0x7fff;
    const nameAt = elf.readUInt32LE(symbol);
    const name = text(nameAt);
    if (name.startsWith(RENAMED)) {
      elf.writeUInt32LE(nameAt + RENAMED.length, symbol);
      elf.writeUInt16LE(ANY_VERSION, versionAt);
      spared.add(version);
    } else if (name === UNUSED) {
      elf.writeUInt8(WEAK_SYMBOL | (elf.readUInt8(symbol + 4) & 15), symbol + 4);
      spared.add(version);
    } else {
      kept.add(version);
    }
  }
  let need = needs.offset;
  for (let left = needs.info; left > 0; left--) {
    let at = need + elf.readUInt32LE(need + 8);
    for (let each = elf.readUInt16LE(need + 2); each > 0; each--) {
      const version = elf.readUInt16LE(at + 6) & 0x7fff;
      if (spared.has(version) && !kept.has(version)) elf.writeUInt16LE(elf.readUInt16LE(at + 4) | WEAK_VERSION, at + 4);
      at += elf.readUInt32LE(at + 12);
    }
    need += elf.readUInt32LE(need + 12);
  }
  // Not in place: somebody may have it open.
  fs.writeFileSync(`${file}.new`, elf);
  fs.renameSync(`${file}.new`, file);
}

function sectionsOf(/** @type {Buffer} */ elf) {
  const headers = Number(elf.readBigUInt64LE(SECTION.headers));
  return Array.from({ length: elf.readUInt16LE(SECTION.count) }, (_, index) => {
    const at = headers + index * elf.readUInt16LE(SECTION.headerBytes);
    return {
      type: elf.readUInt32LE(at + 4),
      offset: Number(elf.readBigUInt64LE(at + 24)),
      size: Number(elf.readBigUInt64LE(at + 32)),
      link: elf.readUInt32LE(at + 40),
      info: elf.readUInt32LE(at + 44),
    };
  });
}
