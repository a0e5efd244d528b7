/**
 * JSON (RFC 8259) for a file that people write: says line and column of what is wrong, and refuses a key that stands
 * twice. Row 1.
 *
 * The engines' own `JSON.parse` words its errors differently everywhere, quotes the text (and with it passwords), and
 * QuickJS has no positions at all. Messages here never quote more than a punctuation mark.
 */

/** Longest text read, in characters. */
export const JSON_MAX_CHARS = 256 * 1_024;
/** Deepest nesting of objects and lists. The configuration has four levels. */
export const JSON_MAX_DEPTH = 16;

/** Where the text stops being JSON. Line and column count from 1, the column in characters. */
export class JsonFault extends Error {
  override readonly name = "JsonFault";
  readonly line: number;
  readonly column: number;

  constructor(line: number, column: number, message: string) {
    super(message);
    this.line = line;
    this.column = column;
  }
}

/**
 * The value a JSON text stands for; objects have no prototype. A byte order mark is skipped.
 * @throws JsonFault at the first character that is wrong.
 */
export function parseJson(text: string): unknown {
  return new Reader(text).whole();
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
/** A whole string: no control characters, known escapes only. */
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const WORD = /[A-Za-z]+/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): unknown {
    if (this.#text.length > JSON_MAX_CHARS) {
      throw this.#fault(`${this.#text.length} characters of text, at most ${JSON_MAX_CHARS}`, 0);
    }
    if (this.#text.startsWith("\ufeff")) this.#at = 1;
    const value = this.#value(0);
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw this.#fault("something follows the end of the value");
    return value;
  }

  #value(depth: number): unknown {
    this.#skipBlanks();
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") {
      if (depth === JSON_MAX_DEPTH) throw this.#fault(`nested deeper than ${JSON_MAX_DEPTH} levels`);
      return first === "{" ? this.#object(depth + 1) : this.#list(depth + 1);
    }
    if (first === '"') return this.#string();
    const number = this.#take(NUMBER);
    if (number !== undefined) {
      if (/[0-9.]/.test(this.#text[this.#at] ?? "")) throw this.#fault("a number that is not JSON's");
      return Number(number);
    }
    const start = this.#at;
    const word = this.#take(WORD);
    if (word === "true") return true;
    if (word === "false") return false;
    if (word === "null") return null;
    this.#at = start;
    throw this.#fault(`a value must stand here${this.#hint()}`);
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = Object.create(null);
    this.#at++;
    if (this.#closes("}")) return object;
    while (true) {
      this.#skipBlanks();
      const start = this.#at;
      if (this.#text[start] !== '"') throw this.#fault(`a key in double quotes must stand here${this.#hint()}`);
      const key = this.#string();
      if (Object.hasOwn(object, key)) throw this.#fault("this key stands twice in its object", start);
      this.#skipBlanks();
      if (this.#text[this.#at] !== ":") throw this.#fault("a colon must stand here");
      this.#at++;
      object[key] = this.#value(depth);
      if (this.#closes("}")) return object;
      this.#comma("}");
    }
  }

  #list(depth: number): unknown[] {
    const list: unknown[] = [];
    this.#at++;
    if (this.#closes("]")) return list;
    while (true) {
      list.push(this.#value(depth));
      if (this.#closes("]")) return list;
      this.#comma("]");
    }
  }

  #string(): string {
    const start = this.#at;
    const literal = this.#take(STRING);
    if (literal === undefined) {
      throw this.#fault("this text has no end on its line, or an escape that JSON does not know", start);
    }
    return JSON.parse(literal) as string;
  }

  #comma(close: string): void {
    if (this.#text[this.#at] !== ",") throw this.#fault(`a comma or "${close}" must stand here${this.#hint()}`);
    const comma = this.#at++;
    this.#skipBlanks();
    if (this.#text[this.#at] === close) throw this.#fault(`a comma before "${close}"; remove it`, comma);
  }

  #closes(close: string): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== close) return false;
    this.#at++;
    return true;
  }

  #hint(): string {
    const next = this.#text[this.#at];
    if (next === undefined) return ", but the text ends";
    if (next === "/" || next === "#") return "; JSON has no comments";
    if (next === "'") return "; JSON takes double quotes only";
    return "";
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length && " \t\r\n".includes(this.#text[this.#at]!)) this.#at++;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match[0];
  }

  #fault(message: string, at: number = this.#at): JsonFault {
    const before = this.#text.slice(0, at).split("\n");
    return new JsonFault(before.length, before[before.length - 1]!.length + 1, message);
  }
}
