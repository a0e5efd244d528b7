/**
 * A client made from an OpenAPI document: one function an operation, by its `operationId`. Every answer is compared with the
 * document: its status, its content type, and its body where there is a schema.
 *
 * It knows what docs/openapi.json uses of OpenAPI 3.1, and refuses a document with anything else.
 */
import { check, type Schema } from "../../core-ts/server/api/schema.ts";

type Reference = { readonly $ref: string };
type Response = {
  readonly description: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema | Reference }>>;
  readonly headers?: Readonly<Record<string, unknown>>;
};
export type Operation = {
  readonly operationId: string;
  readonly "x-role": "viewer" | "admin";
  readonly "x-endless"?: boolean;
  readonly parameters?: readonly { readonly name: string; readonly in: "path" | "query"; readonly required: boolean }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, Response | Reference>>;
};
export type OpenApi = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

export type Arguments = {
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, text, or bytes, as the content type says; of an endless answer its first piece. */
  readonly body: unknown;
};
export type Client = Readonly<Record<string, (given?: Arguments) => Promise<Answer>>>;

const TIMEOUT_MS = 10_000;

/** @param login `name:password`; undefined for none. */
export function makeClient(document: OpenApi, server: string, login: string | undefined): Client {
  if (!document.openapi.startsWith("3.1.")) throw new Error(`OpenAPI ${document.openapi} is not known here`);
  const client: Record<string, (given?: Arguments) => Promise<Answer>> = {};
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      client[operation.operationId] = (given = {}) => {
        const url = `${server}${targetOf(path, operation, given)}`;
        return call(document, method.toUpperCase(), url, operation, given, login);
      };
    }
  }
  return client;
}

function targetOf(path: string, { parameters = [] }: Operation, given: Arguments): string {
  let target = path;
  const query = new URLSearchParams();
  for (const { name, in: where, required } of parameters) {
    const value = given[where]?.[name];
    if (value === undefined && required) throw new Error(`${path} needs ${name}`);
    if (value === undefined) continue;
    // Slashes stay: a stream's path has several segments.
    if (where === "path") target = target.replace(`{${name}}`, encodeURI(String(value)));
    else query.set(name, String(value));
  }
  return query.size === 0 ? target : `${target}?${query}`;
}

async function call(
  document: OpenApi,
  method: string,
  url: string,
  operation: Operation,
  { body, headers = {} }: Arguments,
  login: string | undefined,
): Promise<Answer> {
  const abort = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(url, {
    method,
    signal: abort,
    headers: {
      ...(login === undefined ? {} : { Authorization: `Basic ${btoa(login)}` }),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const { status } = response;
  const where = `${operation.operationId} ${status}`;
  const declared = operation.responses[String(status)];
  if (declared === undefined) throw new Error(`${where} is not in the document: ${await response.text()}`);
  const { content, headers: declaredHeaders = {} } = resolve<Response>(document, declared);
  for (const name of Object.keys(declaredHeaders)) {
    if (!response.headers.has(name)) throw new Error(`${where} lacks the header ${name}`);
  }
  const type = response.headers.get("Content-Type")?.split(";")[0];
  if (content === undefined) {
    const rest = await response.text();
    if (rest !== "") throw new Error(`${where} has a body: ${rest}`);
    return { status, headers: response.headers, body: undefined };
  }
  if (type === undefined || content[type] === undefined) throw new Error(`${where} has the content type ${type}`);
  const answer = await readBody(response, type, operation["x-endless"] === true && status < 300);
  const { schema } = content[type];
  if (schema !== undefined) {
    const faults = check(resolve<Schema>(document, schema), answer);
    if (faults.length > 0) throw new Error(`${where}: ${JSON.stringify(faults)} in ${JSON.stringify(answer)}`);
  }
  return { status, headers: response.headers, body: answer };
}

async function readBody(response: globalThis.Response, type: string, endless: boolean): Promise<unknown> {
  if (type === "application/json") return await response.json();
  if (endless) {
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    return Buffer.from(value ?? []).toString("latin1");
  }
  return type.startsWith("text/") || type.endsWith("+json")
    ? await response.text()
    : Buffer.from(await response.arrayBuffer());
}

function resolve<Thing>(document: unknown, thing: Thing | Reference): Thing {
  if (typeof thing !== "object" || thing === null || !("$ref" in thing)) return thing as Thing;
  let found: unknown = document;
  for (const key of thing.$ref.slice(2).split("/")) found = (found as Record<string, unknown>)[key];
  if (found === undefined) throw new Error(`${thing.$ref} leads nowhere`);
  return found as Thing;
}
