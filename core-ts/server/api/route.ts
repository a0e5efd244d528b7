/**
 * What a route is: the one description by which requests are matched, checked and answered, and by which the OpenAPI
 * document is written. Row 3.
 */
import type { Role } from "../../auth/users.ts";
import type { ServerContext } from "../context.ts";
import type { HttpExchange } from "../http-exchange.ts";
import type { StreamProfile } from "../profiles.ts";
import type { Fields, OptionalValuesOf, Schema, ValuesOf } from "./schema.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One answer that is no error. */
export type Answer = {
  readonly description: string;
  /** `application/json` where there is a schema, none where there is not. */
  readonly contentType?: string;
  readonly schema?: Schema;
  readonly headers?: Readonly<Record<string, string>>;
};

/** Of a route without parameters. */
type Nothing = Readonly<Record<never, never>>;

/** A request that has passed every check. */
export type Call<Params = Nothing, Query = Nothing, Body = undefined> = {
  readonly exchange: HttpExchange;
  readonly context: ServerContext;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  /** Every route there is. */
  readonly routes: readonly Route[];
};

type Described = {
  readonly method: Method;
  /**
   * Begins with `/`; `{name}` is one segment, `{name+}` at the beginning one or more. Fixed segments are lower case and
   * match without regard to case. No slash at the end: requests may have one or not.
   */
  readonly path: string;
  /** Which part of the documents it belongs to. */
  readonly tag: "streams" | "state" | "commands" | "settings" | "documents";
  /** Who may: `viewer` is everybody with a login. With logins switched off everybody is `admin`. */
  readonly role: Role;
  /** Whether it changes anything: then it is refused to pages of other sites. Every method but GET does. */
  readonly changes: boolean;
  /** A line without a full stop. */
  readonly summary: string;
  readonly description?: string;
  /** Answers by status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Errors of its own by status, with when they come; those that every route may give are known. */
  readonly errors?: Readonly<Record<number, string>>;
  /** Streams without end, and what ends the server: clients that try every route leave these out. */
  readonly endless?: boolean;
};

export type Route = Described & {
  readonly params: Fields;
  readonly query: Fields;
  readonly body: Schema | undefined;
  /** False: the path names nothing, and the search for a route goes on. */
  readonly finds: (context: ServerContext, params: Readonly<Record<string, unknown>>) => boolean;
  /** What the route shows when it takes stream tokens: those of that stream. */
  readonly shows?: (context: ServerContext, params: Readonly<Record<string, unknown>>) => StreamProfile | undefined;
  readonly answer: (call: Call<never, never, never>) => void;
};

/** Makes a route; the types of its parameters and its body come from their schemas. */
export function route<
  Params extends Fields = Nothing,
  Query extends Fields = Nothing,
  Body extends Schema | undefined = undefined,
>(
  spec: Described & {
    readonly params?: Params;
    /** Query parameters; none is required. */
    readonly query?: Query;
    /** The JSON body, which is then required. */
    readonly body?: Body;
    readonly finds?: (context: ServerContext, params: ValuesOf<Params>) => boolean;
    readonly shows?: (context: ServerContext, params: ValuesOf<Params>) => StreamProfile | undefined;
    /** Gives the exchange exactly one answer, now or later; a thrown ProtocolFault is one. */
    readonly answer: (
      call: Call<ValuesOf<Params>, OptionalValuesOf<Query>, Body extends Schema<infer Value> ? Value : undefined>,
    ) => void;
  },
): Route {
  if (spec.method !== "GET" && !spec.changes) throw new Error(`${spec.method} ${spec.path} must be marked as a change`);
  const { shows, ...rest } = spec;
  return {
    ...rest,
    ...(shows === undefined ? {} : { shows: shows as NonNullable<Route["shows"]> }),
    params: spec.params ?? {},
    query: spec.query ?? {},
    body: spec.body,
    finds: (spec.finds ?? (() => true)) as Route["finds"],
    answer: spec.answer as Route["answer"],
  };
}
