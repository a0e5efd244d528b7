/**
 * Who may log in, and tokens for pictures inside other pages.
 */
import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiError, ask, reasonOf } from "./api.ts";
import type { ViewProps } from "./app.tsx";
import { CopyButton } from "./copy.tsx";
import { confirm, showCode } from "./dialogs.tsx";
import { dateText } from "./figures.ts";
import { attempt, notify } from "./notices.tsx";
import { Address } from "./prose.tsx";
import type { Seen } from "./server-state.ts";

type Role = "admin" | "viewer";
type User = {
  readonly name: string;
  readonly role: Role;
  readonly origin: "config" | "api" | "generated";
  readonly usable: boolean;
};
type Token = {
  readonly id: string;
  readonly starts: string;
  readonly user: string;
  readonly stream: string;
  readonly created: string;
  readonly lastUsed: string | null;
};

const ORIGINS: Readonly<Record<User["origin"], string>> = {
  config: "configuration",
  api: "added here",
  generated: "made up at the start",
};

export function AccessView({ seen, login }: ViewProps) {
  const [users, setUsers] = useState<readonly User[]>();
  const [tokens, setTokens] = useState<readonly Token[]>();
  const load = useCallback(async () => {
    try {
      const [userList, tokenList] = await Promise.all([
        ask<{ users: readonly User[] }>("GET", "/api/users"),
        ask<{ tokens: readonly Token[] }>("GET", "/api/tokens"),
      ]);
      setUsers(userList.value.users);
      setTokens(tokenList.value.tokens);
    } catch (error) {
      notify(reasonOf(error), true);
    }
  }, []);
  useEffect(() => void load(), [load]);
  return (
    <div class="columns">
      <Users users={users ?? []} self={login.user} load={load} />
      <Tokens tokens={tokens ?? []} users={users ?? []} seen={seen} self={login.user} load={load} />
    </div>
  );
}

type UsersProps = {
  readonly users: readonly User[];
  readonly self: string | null;
  readonly load: () => Promise<void>;
};

function Users({ users, self, load }: UsersProps) {
  const [changing, setChanging] = useState<string>();
  const remove = async (name: string): Promise<void> => {
    if (!(await confirm(`Remove the user ${name}? What they watch ends.`, "Remove"))) return;
    await attempt(`${name} is removed`, () => ask("DELETE", `/api/users/${encodeURIComponent(name)}`));
    await load();
  };
  return (
    <section class="panel" aria-labelledby="users-title">
      <h2 id="users-title">Users</h2>
      <ul class="rows">
        {users.map((user) => (
          <li key={user.name}>
            <div class="row">
              <span>
                <strong>{user.name}</strong>
                <span class="tag">{user.role}</span>
                {user.name === self ? <span class="tag">you</span> : null}
                <span class="faint block">
                  {ORIGINS[user.origin]}
                  {user.usable ? "" : " · needs a new password: the realm has changed"}
                </span>
              </span>
              {user.origin === "config" ? (
                <span class="faint">see Settings</span>
              ) : (
                <span class="buttons">
                  <button
                    type="button"
                    aria-expanded={changing === user.name}
                    aria-label={`Change ${user.name}`}
                    onClick={() => setChanging(changing === user.name ? undefined : user.name)}
                  >
                    Change
                  </button>
                  <button type="button" aria-label={`Remove ${user.name}`} onClick={() => remove(user.name)}>
                    Remove
                  </button>
                </span>
              )}
            </div>
            {changing === user.name ? (
              <UserForm
                title={`Change ${user.name}`}
                currentRole={user.role}
                action="Save"
                send={async ({ password, role }) => {
                  const body = { ...(password === "" ? {} : { password }), ...(role === user.role ? {} : { role }) };
                  await ask("PATCH", `/api/users/${encodeURIComponent(user.name)}`, body);
                  setChanging(undefined);
                  notify(`${user.name} is changed`);
                  await load();
                }}
              />
            ) : null}
          </li>
        ))}
      </ul>
      <h3>Add a user</h3>
      <UserForm
        title="Add a user"
        named
        currentRole="viewer"
        action="Add user"
        send={async (body) => {
          const { value } = await ask<{ persisted: boolean }>("POST", "/api/users", body);
          notify(value.persisted ? `${body.name} may log in` : `${body.name} may log in until the server ends`);
          await load();
        }}
      />
    </section>
  );
}

type UserFormProps = {
  readonly title: string;
  readonly named?: boolean;
  readonly currentRole: Role;
  readonly action: string;
  readonly send: (user: { readonly name: string; readonly password: string; readonly role: Role }) => Promise<void>;
};

function UserForm({ title, named = false, currentRole, action, send }: UserFormProps) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>(currentRole);
  const [fault, setFault] = useState<ApiError>();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await send({ name, password, role });
      setFault(undefined);
      // What was typed while the answer was under way stays.
      setName((now) => (now === name ? "" : now));
      setPassword((now) => (now === password ? "" : now));
    } catch (error) {
      setFault(error instanceof ApiError ? error : new ApiError(0, reasonOf(error)));
    }
  };
  const faultAt = (key: string): string | undefined => (fault?.path === key ? fault.message : undefined);
  const atField = fault?.path === "password" || (named && fault?.path === "name");
  return (
    <form class="fields" aria-label={title} onSubmit={submit} noValidate>
      {named ? (
        <Field label="Name" fault={faultAt("name")}>
          {(more) => (
            <input {...more} autoComplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
          )}
        </Field>
      ) : null}
      <Field label={named ? "Password, 8 characters or more" : "New password, or empty"} fault={faultAt("password")}>
        {(more) => (
          <input
            {...more}
            type="password"
            autoComplete="new-password"
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label="Role" fault={faultAt("role")}>
        {(more) => (
          <select {...more} value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
            <option value="viewer">viewer: may watch</option>
            <option value="admin">admin: may change things</option>
          </select>
        )}
      </Field>
      <div class="buttons">
        <button type="submit" class="main">
          {action}
        </button>
      </div>
      {fault === undefined || atField ? null : (
        <p class="fault" role="alert">
          {fault.message}
        </p>
      )}
    </form>
  );
}

let fieldCount = 0;

type FieldProps = {
  readonly label: string;
  readonly fault: string | undefined;
  readonly children: (more: { id: string; "aria-invalid": boolean; "aria-describedby": string }) => preact.JSX.Element;
};

function Field({ label, fault, children }: FieldProps) {
  const [id] = useState(() => `field-${++fieldCount}`);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-invalid": fault !== undefined, "aria-describedby": `${id}-fault` })}
      <p class="fault" id={`${id}-fault`} role="alert">
        {fault ?? ""}
      </p>
    </div>
  );
}

type TokensProps = UsersProps & { readonly tokens: readonly Token[]; readonly seen: Seen };

function Tokens({ tokens, users, seen, self, load }: TokensProps) {
  const streams = (seen.status?.profiles ?? []).filter(({ codec }) => codec === "mjpeg").map(({ path }) => path);
  const [stream, setStream] = useState<string>();
  const [user, setUser] = useState<string>();
  const [made, setMade] = useState<readonly string[]>([]);
  const [fault, setFault] = useState<string>();
  const make = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      const { value } = await ask<{ paths: readonly string[] }>("POST", "/api/tokens", {
        stream: (stream ?? streams[0] ?? "").replace(/^\//, ""),
        ...(user === undefined ? {} : { user }),
      });
      setMade(value.paths.map((path) => `${location.origin}${path}`));
      setFault(undefined);
      await load();
    } catch (error) {
      setFault(reasonOf(error));
    }
  };
  const revoke = async ({ id, stream: shown }: Token): Promise<void> => {
    if (!(await confirm(`Revoke this token of ${shown}? Pages that use it show nothing from then on.`, "Revoke")))
      return;
    await attempt("The token is revoked", () => ask("DELETE", `/api/tokens/${id}`));
    await load();
  };
  return (
    <section class="panel" aria-labelledby="tokens-title">
      <h2 id="tokens-title">Stream tokens</h2>
      <p class="faint">
        For a picture inside another page, where a browser sends no login. A token stands in the address; whoever has it
        may watch that one stream.
      </p>
      {tokens.length === 0 ? <p class="empty">There are none.</p> : null}
      <ul class="rows">
        {tokens.map((token) => (
          <li key={token.id}>
            <div class="row">
              <span>
                <code>{token.starts}…</code> <strong>{token.stream}</strong>
                <span class="faint block">
                  as {token.user} · since {dateText(token.created)} ·{" "}
                  {token.lastUsed === null ? "never used" : `last used ${dateText(token.lastUsed)}`}
                </span>
              </span>
              <button type="button" aria-label={`Revoke the token ${token.starts}`} onClick={() => revoke(token)}>
                Revoke
              </button>
            </div>
          </li>
        ))}
      </ul>
      <h3>Make a token</h3>
      <form class="fields" aria-label="Make a token" onSubmit={make}>
        <Field label="Stream" fault={undefined}>
          {(more) => (
            <select {...more} value={stream ?? streams[0]} onChange={(event) => setStream(event.currentTarget.value)}>
              {streams.map((path) => (
                <option key={path} value={path}>
                  {path}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="As" fault={undefined}>
          {(more) => (
            <select {...more} value={user ?? self ?? ""} onChange={(event) => setUser(event.currentTarget.value)}>
              {users.map(({ name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          )}
        </Field>
        <div class="buttons">
          <button type="submit" class="main">
            Make token
          </button>
        </div>
        {fault === undefined ? null : (
          <p class="fault" role="alert">
            {fault}
          </p>
        )}
      </form>
      {made.length === 0 ? null : (
        <div class="made" role="status">
          <p>These addresses are shown this once:</p>
          <ul class="addresses">
            {made.map((address) => (
              <li key={address}>
                <Address text={address} />
                <span class="buttons">
                  <CopyButton text={address} what="address with the token" />
                  <button type="button" onClick={() => showCode("Address with the token", address)}>
                    QR
                  </button>
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </section>
  );
}
