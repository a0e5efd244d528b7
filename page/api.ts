/**
 * Requests to the server that the page came from. The browser sends the login by itself.
 */

/** Longest wait for an answer, ms; an encoder's first picture may take 3 s. */
const ANSWER_MS = 15_000;

/** One key of a configuration and what is wrong with it. */
export type Issue = { readonly path: string; readonly message: string };

/** An answer of 400 and more, or none. */
export class ApiError extends Error {
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Stable, such as `last-admin`; docs/api.md. */
  readonly code: string;
  /** The key, parameter or header that it is about. */
  readonly path: string | undefined;
  readonly issues: readonly Issue[];
  /** What would help, for a person. */
  readonly fix: string | undefined;

  constructor(status: number, message: string, more: Partial<ErrorFields> = {}) {
    super(message);
    this.status = status;
    this.code = more.code ?? "";
    this.path = more.path;
    this.issues = more.issues ?? [];
    this.fix = more.fix;
  }
}

type ErrorFields = {
  readonly code: string;
  readonly message: string;
  readonly path: string;
  readonly issues: readonly Issue[];
  readonly fix: string;
};

export type Answer<T> = { readonly value: T; readonly etag: string | null };

/** @throws ApiError */
export async function ask<T>(
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer<T>> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_MS),
    });
  } catch {
    throw new ApiError(0, "the server does not answer");
  }
  if (!response.ok) throw await errorOf(response);
  const text = await response.text();
  return { value: (text === "" ? undefined : JSON.parse(text)) as T, etag: response.headers.get("ETag") };
}

/** The fault that an answer of 400 and more tells. */
export async function errorOf(response: Response): Promise<ApiError> {
  let fields: Partial<ErrorFields> = {};
  try {
    fields = ((await response.json()) as { error: Partial<ErrorFields> }).error;
  } catch {
    // Not one of the server's own answers; its status has to do.
  }
  return new ApiError(response.status, fields.message ?? `the server answers ${response.status}`, fields);
}

/** What went wrong, for a person. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `POST /api/commands/…`. @returns whether anything changed by it. */
export async function command(name: string, body: unknown = {}): Promise<boolean> {
  const { value } = await ask<{ changed?: boolean }>("POST", `/api/commands/${name}`, body);
  return value?.changed ?? true;
}
