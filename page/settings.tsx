/**
 * The configuration as a form that is made of its JSON Schema. What is wrong the server says, at the key that it is about.
 */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, ask, type Issue, reasonOf } from "./api.ts";
import type { ViewProps } from "./app.tsx";
import {
  countOf,
  type Json,
  type JsonObject,
  mergePatchOf,
  type Path,
  pathText,
  withPatch,
  withValue,
} from "./config-draft.ts";
import { type FormContext, SchemaNode } from "./config-form.tsx";
import type { Schema } from "./config-schema.ts";
import { confirm } from "./dialogs.tsx";
import { notify } from "./notices.tsx";

type Loaded = {
  readonly schema: Schema;
  /** As the file says it. */
  readonly written: JsonObject;
  /** What is in force, defaults and the command line's say included. */
  readonly effective: JsonObject;
  readonly etag: string | null;
};

export function SettingsView({ server }: ViewProps) {
  const [loaded, setLoaded] = useState<Loaded>();
  const [draft, setDraft] = useState<JsonObject>({});
  const [issues, setIssues] = useState<readonly Issue[]>([]);
  /** Counts refusals: each puts the focus on the first key that it is about. */
  const [refusals, setRefusals] = useState(0);
  const [saving, setSaving] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  /** @param saved what was sent: whatever has been changed since then stays changed. */
  const load = useCallback(async (saved?: JsonObject): Promise<void> => {
    try {
      const [schema, written, effective] = await Promise.all([
        ask<Schema>("GET", "/api/config.schema.json"),
        ask<JsonObject>("GET", "/api/config"),
        ask<JsonObject>("GET", "/api/config?effective=true"),
      ]);
      setLoaded({ schema: schema.value, written: written.value, effective: effective.value, etag: written.etag });
      setDraft((now) => {
        const since = saved && mergePatchOf(saved, now);
        return since === undefined ? written.value : (withPatch(written.value, since) as JsonObject);
      });
      setIssues([]);
    } catch (error) {
      notify(reasonOf(error), true);
    }
  }, []);
  useEffect(() => void load(), [load]);
  useEffect(() => {
    if (refusals > 0) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [refusals]);
  if (loaded === undefined) return <p class="empty">Asking for the settings …</p>;
  const patch = mergePatchOf(loaded.written, draft);
  const changes = countOf(patch);

  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (patch === undefined || saving) return;
    setSaving(true);
    try {
      const headers: Record<string, string> = loaded.etag === null ? {} : { "If-Match": loaded.etag };
      const { value } = await ask<{ persisted: boolean }>("PATCH", "/api/config", patch, headers);
      notify(value.persisted ? "Saved and in force" : "In force until the server ends: there is no file to keep it in");
      server.refresh();
      await load(draft);
    } catch (error) {
      setIssues(issuesOf(error));
      setRefusals((now) => now + 1);
    }
    setSaving(false);
  };
  const discard = async (): Promise<void> => {
    if (await confirm("Discard what you have changed?", "Discard")) await load();
  };
  const context: FormContext = {
    effective: loaded.effective,
    issues,
    change: (path: Path, value: Json | undefined) => {
      setDraft((now) => withValue(now, path, value) as JsonObject);
      setIssues((now) => now.filter((issue) => !issue.path.startsWith(pathText(path))));
    },
  };
  const unplaced = issues.filter(({ path }) => path === "" || path === "config");
  return (
    <form class="settings" ref={form} onSubmit={save} noValidate aria-label="Settings">
      <SchemaNode schema={loaded.schema} value={draft} path={[]} context={context} />
      <div class={changes > 0 ? "save-bar pending" : "save-bar"}>
        <div role="status">
          {issues.length > 0 ? (
            <p class="fault">
              {unplaced.length > 0
                ? unplaced.map(({ message }) => message).join("; ")
                : `Not saved: ${issues.length === 1 ? `${issues[0]!.path} ${issues[0]!.message}` : `${issues.length} values are not taken`}`}
            </p>
          ) : (
            <p class="faint">
              {changes === 0 ? "Nothing is changed." : changes === 1 ? "1 change" : `${changes} changes`}
            </p>
          )}
        </div>
        <div class="buttons">
          <button type="submit" class="main" disabled={changes === 0 || saving}>
            Save
          </button>
          <button type="button" disabled={changes === 0} onClick={discard}>
            Discard
          </button>
        </div>
      </div>
    </form>
  );
}

function issuesOf(error: unknown): readonly Issue[] {
  if (!(error instanceof ApiError)) return [{ path: "", message: reasonOf(error) }];
  if (error.issues.length > 0) return error.issues;
  return [{ path: error.path ?? "", message: error.message }];
}
