/**
 * What a classes.dex refers to and defines, for tests: the tables of strings, types, prototypes, fields and methods, and of
 * each class its super class, its interfaces and its members.
 *
 * Dalvik executable format, version 038 and near: header_item, *_id_item, class_def_item, class_data_item.
 */

/** A field is `name#descriptor`, a method `name(parameters)result`; as animal-sniffer's signatures have them. */
export type Member = { owner: string; signature: string };

export type DexClass = { superClass: string; interfaces: string[]; members: Set<string> };

export type Dex = {
  /** Everything that the code names, its own classes included. Class names have slashes, arrays are left out. */
  types: Set<string>;
  references: Member[];
  classes: Map<string, DexClass>;
  strings: string[];
};

const NO_INDEX = 0xffffffff;
/** Offsets in header_item of (size, offset) pairs. */
const [STRINGS, TYPES, PROTOS, FIELDS, METHODS, CLASSES] = [0x38, 0x40, 0x48, 0x50, 0x58, 0x60] as const;

export function readDex(dex: Buffer): Dex {
  if (dex.toString("latin1", 0, 4) !== "dex\n") throw new Error("not a dex file");
  const u32 = (at: number): number => dex.readUInt32LE(at);
  const u16 = (at: number): number => dex.readUInt16LE(at);
  const table = (header: number, bytes: number): number[] =>
    Array.from({ length: u32(header) }, (_, index) => u32(header + 4) + index * bytes);
  const typeList = (at: number): string[] =>
    at === 0 ? [] : Array.from({ length: u32(at) }, (_, index) => descriptors[u16(at + 4 + index * 2)]!);

  const strings = table(STRINGS, 4).map((at) => {
    const start = uleb(dex, u32(at)).next;
    return dex.toString("utf8", start, dex.indexOf(0, start));
  });
  const descriptors = table(TYPES, 4).map((at) => strings[u32(at)]!);
  const protos = table(PROTOS, 12).map((at) => `(${typeList(u32(at + 8)).join("")})${descriptors[u32(at + 4)]}`);
  const fields = table(FIELDS, 8).map((at) => ({
    owner: nameOf(descriptors[u16(at)]!),
    signature: `${strings[u32(at + 4)]}#${descriptors[u16(at + 2)]}`,
  }));
  const methods = table(METHODS, 8).map((at) => ({
    owner: nameOf(descriptors[u16(at)]!),
    signature: `${strings[u32(at + 4)]}${protos[u16(at + 2)]}`,
  }));

  const classes = new Map<string, DexClass>();
  for (const at of table(CLASSES, 32)) {
    const superIndex = u32(at + 8);
    classes.set(nameOf(descriptors[u32(at)]!), {
      superClass: superIndex === NO_INDEX ? "" : nameOf(descriptors[superIndex]!),
      interfaces: typeList(u32(at + 12)).map(nameOf),
      members: new Set(definedBy(dex, u32(at + 24), fields, methods)),
    });
  }
  const types = new Set(descriptors.filter((name) => name.startsWith("L")).map(nameOf));
  return { types, references: [...fields, ...methods], classes, strings };
}

/** class_data_item: four counts, then fields and methods with the difference of their index to the one before. */
function definedBy(dex: Buffer, offset: number, fields: Member[], methods: Member[]): string[] {
  if (offset === 0) return [];
  let at = offset;
  const next = (): number => {
    const { value, next: after } = uleb(dex, at);
    at = after;
    return value;
  };
  const counts = [next(), next(), next(), next()];
  return counts.flatMap((count, kind) => {
    let index = 0;
    return Array.from({ length: count }, () => {
      index += next();
      next();
      if (kind >= 2) next();
      return (kind < 2 ? fields : methods)[index]!.signature;
    });
  });
}

function uleb(dex: Buffer, offset: number): { value: number; next: number } {
  let value = 0;
  for (let at = offset, shift = 0; ; at += 1, shift += 7) {
    const byte = dex.readUInt8(at);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { value: value >>> 0, next: at + 1 };
  }
}

/** `Landroid/app/Service;` is android/app/Service; an array's methods are those of Object. */
function nameOf(descriptor: string): string {
  return descriptor.startsWith("L") ? descriptor.slice(1, -1) : "java/lang/Object";
}
