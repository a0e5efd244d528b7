/**
 * Native libraries without the symbols that only a debugger reads, as Android's own build leaves them out. What is mapped
 * into memory, the dynamic symbols among it, stays byte for byte where it was.
 *
 * System V ABI, chapter 4 (ELF header, sections) and 5 (program headers); 32 and 64 bit, little-endian.
 */

/** `sh_type` of a symbol table, and `sh_flags` of what is mapped. */
const SHT_SYMTAB = 2;
const SHF_ALLOC = 2;
const CLASS_64 = 2;

/** Where things stand in the ELF header and in a section header, by class. */
const LAYOUT = {
  wide: { shoff: 0x28, shentsize: 0x3a, entry: 64, flags: 8, offset: 24, size: 32, link: 40 },
  narrow: { shoff: 0x20, shentsize: 0x2e, entry: 40, flags: 8, offset: 16, size: 20, link: 24 },
};

/**
 * The library without its symbol table (`.symtab`) and that table's names (`.strtab`). One that has none comes back as it is.
 * Throws when this is no ELF file, or a section that would have to move is mapped.
 * @param {Buffer} elf
 * @returns {Buffer}
 */
export function stripped(elf) {
  if (elf.toString("latin1", 0, 4) !== "\x7fELF") throw new Error("not an ELF file");
  const isWide = elf[4] === CLASS_64;
  const at = isWide ? LAYOUT.wide : LAYOUT.narrow;
  const word = (/** @type {Buffer} */ from, /** @type {number} */ place) =>
    isWide ? Number(from.readBigUInt64LE(place)) : from.readUInt32LE(place);
  const setWord = (/** @type {Buffer} */ to, /** @type {number} */ value, /** @type {number} */ place) =>
    isWide ? to.writeBigUInt64LE(BigInt(value), place) : to.writeUInt32LE(value, place);

  // e_shentsize, e_shnum and e_shstrndx stand side by side.
  const [size = 0, count = 0, names = 0] = [0, 2, 4].map((more) => elf.readUInt16LE(at.shentsize + more));
  if (size !== at.entry) throw new Error(`section headers of ${size} bytes`);
  const table = word(elf, at.shoff);
  const sections = Array.from({ length: count }, (_, index) => {
    const header = Buffer.from(elf.subarray(table + index * size, table + (index + 1) * size));
    const isMapped = (word(header, at.flags) & SHF_ALLOC) !== 0;
    return { index, header, isMapped, type: header.readUInt32LE(4), link: header.readUInt32LE(at.link) };
  });
  const symbols = sections.filter((section) => section.type === SHT_SYMTAB && !section.isMapped);
  const unwanted = new Set(symbols.flatMap((section) => [section.index, section.link]));
  if (unwanted.size === 0) return elf;
  const kept = sections.filter((section) => !unwanted.has(section.index));

  // Everything up to the first byte that goes stays where it is; what is behind that moves up.
  const cut = Math.min(...[...unwanted].map((index) => word(sections[index]?.header ?? elf, at.offset)), table);
  const parts = [Buffer.from(elf.subarray(0, cut))];
  let end = cut;
  const append = (/** @type {Buffer} */ bytes, /** @type {number} */ alignment) => {
    const padding = (alignment - (end % alignment)) % alignment;
    parts.push(Buffer.alloc(padding), bytes);
    end += padding + bytes.length;
    return end - bytes.length;
  };
  for (const { header, isMapped } of kept) {
    const [offset, bytes] = [word(header, at.offset), word(header, at.size)];
    if (offset < cut) continue;
    if (isMapped) throw new Error("a mapped section stands behind the symbol table");
    setWord(header, append(elf.subarray(offset, offset + bytes), 1), at.offset);
  }
  const newIndex = new Map(kept.map((section, index) => [section.index, index]));
  for (const { header, link } of kept) header.writeUInt32LE(newIndex.get(link) ?? 0, at.link);
  const newTable = append(Buffer.concat(kept.map(({ header }) => header)), isWide ? 8 : 4);
  const [head] = parts;
  if (head === undefined) throw new Error("no ELF header");
  setWord(head, newTable, at.shoff);
  head.writeUInt16LE(kept.length, at.shentsize + 2);
  head.writeUInt16LE(newIndex.get(names) ?? 0, at.shentsize + 4);
  return Buffer.concat(parts);
}
