/**
 * Who may log in: listed, added, changed and removed while the server runs. Row 3.
 */
import { PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, USER_NAME_MAX_CHARS } from "../../auth/users.ts";
import type { KnownUser } from "../logins.ts";
import { type Route, route } from "./route.ts";
import { flag, list, object, oneOf, text } from "./schema.ts";

const NAME = text({
  minLength: 1,
  maxLength: USER_NAME_MAX_CHARS,
  // As in auth/users.ts, and without what would not be one segment of a path.
  pattern: '^(?!\\.{1,2}$)[^:"\\\\/\\u0000-\\u001f\\u007f-\\u009f]+$',
  description: 'Told apart by case; without `:`, `"`, `\\`, `/` and control characters.',
  examples: ["anna"],
});
/** A name in a path: any that there may be. */
const KNOWN_NAME = text({ minLength: 1, maxLength: 256, description: "The user's name.", examples: ["anna"] });
const PASSWORD = text({
  minLength: PASSWORD_MIN_CHARS,
  maxLength: PASSWORD_MAX_CHARS,
  pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
  description: "Kept as Digest HA1 only, and never shown again.",
  examples: ["choose your own"],
});
const ROLE = oneOf(["admin", "viewer"], { description: "`admin` may change things, `viewer` may watch." });

const USER_FIELDS = {
  name: text(),
  role: ROLE,
  origin: oneOf(["config", "api", "generated"], {
    description:
      "`config`: file or command line, not to be changed here. `generated`: made up at a start without users.",
  }),
  usable: flag({ description: "False when the realm has changed since: the password must be set again." }),
};
const PERSISTED = flag({ description: "False where the host has nowhere to keep it: it holds until the server ends." });
const CHANGED = object({ user: object(USER_FIELDS), persisted: PERSISTED });
const USERS = object({ users: list(object(USER_FIELDS)) });

const COMMON = { tag: "settings", role: "admin" } as const;
const CONFLICTS = "the user stands in the configuration, or nobody could administer the server any more";
const ENDS = "What was begun with the old password ends: sessions, streams and event streams.";
const NOT_STORED = "the device can't store it now; nothing was changed";

export const userRoutes: readonly Route[] = [
  route({
    ...COMMON,
    method: "GET",
    path: "/api/users",
    changes: false,
    summary: "Everybody who may log in",
    answers: { 200: { description: "Users, without passwords and hashes", schema: USERS } },
    answer: ({ exchange, context }) => {
      exchange.replyJson(200, JSON.stringify({ users: context.logins.known.map(shown) }));
    },
  }),
  route({
    ...COMMON,
    method: "POST",
    path: "/api/users",
    changes: true,
    summary: "Adds a user",
    body: object({ name: NAME, password: PASSWORD }, { role: ROLE }),
    description: "Without `role` it is a viewer.",
    answers: { 201: { description: "Added", schema: CHANGED, headers: { Location: "The user's path" } } },
    errors: { 409: "the name is taken, or there are too many users", 503: NOT_STORED },
    answer: ({ exchange, context, body: { name, password, role = "viewer" } }) => {
      const { persisted } = context.logins.add(name, { password, role });
      exchange.replyJson(201, changedJson(context.logins.known, name, persisted), [["Location", pathOf(name)]]);
    },
  }),
  route({
    ...COMMON,
    method: "PUT",
    path: "/api/users/{name}",
    changes: true,
    summary: "Adds a user, or sets an added one's password and role",
    description: ENDS,
    params: { name: NAME },
    body: object({ password: PASSWORD, role: ROLE }),
    answers: {
      200: { description: "It is so now", schema: CHANGED },
      201: { description: "Added", schema: CHANGED },
    },
    errors: { 409: CONFLICTS, 503: NOT_STORED },
    answer: ({ exchange, context, params: { name }, body }) => {
      const { added, persisted } = context.logins.put(name, body);
      exchange.replyJson(added ? 201 : 200, changedJson(context.logins.known, name, persisted));
    },
  }),
  route({
    ...COMMON,
    method: "PATCH",
    path: "/api/users/{name}",
    changes: true,
    summary: "Changes a user's password, role, or both",
    description: ENDS,
    params: { name: KNOWN_NAME },
    body: object({}, { password: PASSWORD, role: ROLE }),
    answers: { 200: { description: "It is so now", schema: CHANGED } },
    errors: { 404: "there is no such user", 409: CONFLICTS, 503: NOT_STORED },
    answer: ({ exchange, context, params: { name }, body }) => {
      const persisted = context.logins.change(name, body);
      exchange.replyJson(200, changedJson(context.logins.known, name, persisted));
    },
  }),
  route({
    ...COMMON,
    method: "DELETE",
    path: "/api/users/{name}",
    changes: true,
    summary: "Removes a user",
    description: "The user's sessions, streams and stream tokens end with it. The last admin can't be removed.",
    params: { name: KNOWN_NAME },
    answers: { 204: { description: "Removed" } },
    errors: { 404: "there is no such user", 409: CONFLICTS, 503: NOT_STORED },
    answer: ({ exchange, context, params: { name } }) => {
      context.logins.remove(name);
      exchange.reply(204);
    },
  }),
];

function changedJson(known: readonly KnownUser[], name: string, persisted: boolean): string {
  return JSON.stringify({ user: known.filter(({ user }) => user.name === name).map(shown)[0], persisted });
}

function shown({ user: { name, role }, origin, usable }: KnownUser) {
  return { name, role, origin, usable };
}

function pathOf(name: string): string {
  return `/api/users/${encodeURIComponent(name)}`;
}
