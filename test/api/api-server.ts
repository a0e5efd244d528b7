/**
 * A real server (`test/interop/server.ts`) with an admin and a viewer, and the document that describes it.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { type Login, Server } from "../interop/server.ts";
import type { OpenApi } from "./client.ts";

export const ADMIN: Login = { name: "owner", password: "o-1" };
export const GUEST: Login = { name: "guest", password: "g-1" };
export const textOf = ({ name, password }: Login): string => `${name}:${password}`;

export const DOCUMENT = JSON.parse(
  readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"),
) as OpenApi;

export function startApiServer(config: Record<string, unknown> = {}, args: readonly string[] = []): Promise<Server> {
  const users = [
    { ...ADMIN, role: "admin" },
    { ...GUEST, role: "viewer" },
  ];
  return Server.start({ users: [], config: { users, ...config }, args });
}

/** A port that was free just now. */
export function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.on("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => done(port));
    });
  });
}
