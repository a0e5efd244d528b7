/**
 * One key of the configuration as a part of a form, and all that is below it.
 */
import { useState } from "preact/hooks";
import type { Issue } from "./api.ts";
import { isObject, type Json, type Path, pathText, valueAt } from "./config-draft.ts";
import { kindOf, proseOf, type Schema, titleOf, unitOf } from "./config-schema.ts";
import { Prose } from "./prose.tsx";

export type FormContext = {
  /** What is in force; shown where the file says nothing. */
  readonly effective: Json;
  readonly issues: readonly Issue[];
  /** @param value undefined takes the key away: its default counts. */
  readonly change: (path: Path, value: Json | undefined) => void;
};

type NodeProps = {
  readonly schema: Schema;
  /** What the draft says; undefined where it says nothing. */
  readonly value: Json | undefined;
  readonly path: Path;
  readonly context: FormContext;
  readonly required?: boolean;
};

export function SchemaNode(props: NodeProps) {
  switch (kindOf(props.schema)) {
    case "section":
      return props.path.length === 0 ? <Root {...props} /> : <Section {...props} />;
    case "map":
      return <MapOfObjects {...props} />;
    case "objects":
      return <ListOfObjects {...props} />;
    default:
      return <ValueField {...props} />;
  }
}

function faultOf({ path, context }: NodeProps): string | undefined {
  const name = pathText(path);
  // A list of plain values is one field: what is wrong with an item is said there.
  const mine = context.issues.filter(
    (issue) => issue.path === name || (name !== "" && issue.path.startsWith(`${name}[`) && !issue.path.includes("].")),
  );
  return mine.length === 0 ? undefined : mine.map(({ message }) => message).join("; ");
}

const hasFaultBelow = ({ path, context }: NodeProps): boolean =>
  context.issues.some(({ path: at }) => at.startsWith(pathText(path)));

/** Single keys first, then a panel for each group. */
function Root({ schema, value, context }: NodeProps) {
  // For editors of the file alone.
  const entries = Object.entries(schema.properties ?? {}).filter(([key]) => key !== "$schema");
  const isGroup = ([, inner]: (typeof entries)[number]): boolean =>
    ["section", "map", "objects"].includes(kindOf(inner));
  const node = ([key, inner]: (typeof entries)[number]) => (
    <SchemaNode key={key} schema={inner} value={valueAt(value, [key])} path={[key]} context={context} />
  );
  return (
    <>
      <section class="panel">
        <h2>General</h2>
        <div class="setting-grid">{entries.filter((entry) => !isGroup(entry)).map(node)}</div>
      </section>
      {entries.filter(isGroup).map(node)}
    </>
  );
}

function Entries({ schema, value, path, context }: NodeProps) {
  return (
    <div class="setting-grid">
      {Object.entries(schema.properties ?? {}).map(([key, inner]) => (
        <SchemaNode
          key={key}
          schema={inner}
          value={valueAt(value, [key])}
          path={[...path, key]}
          context={context}
          required={schema.required?.includes(key) ?? false}
        />
      ))}
    </div>
  );
}

/** A group: a panel that opens at the top, a set of fields inside another one. */
function Section(props: NodeProps) {
  const { schema, path } = props;
  const title = titleOf(String(path.at(-1)));
  if (path.length > 1) {
    return (
      <fieldset class="wide">
        <legend>{title}</legend>
        <p class="help">
          <Prose text={proseOf(schema)} />
        </p>
        <Fault id={pathText(path)} text={faultOf(props)} />
        <Entries {...props} />
      </fieldset>
    );
  }
  return (
    <Panel title={title} help={proseOf(schema)} open={hasFaultBelow(props)}>
      <Entries {...props} />
    </Panel>
  );
}

function Panel(props: {
  readonly title: string;
  readonly help: string;
  readonly open: boolean;
  readonly children: preact.ComponentChildren;
}) {
  const [open, setOpen] = useState(props.open);
  return (
    <details class="panel group" open={open || props.open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <h2>{props.title}</h2>
        <span class="help">
          <Prose text={props.help} />
        </span>
      </summary>
      {props.children}
    </details>
  );
}

/** Objects by name, such as cameras: those in force are shown, and more may be added. */
function MapOfObjects(props: NodeProps) {
  const { schema, value, path, context } = props;
  const [name, setName] = useState("");
  const inner = schema.additionalProperties as Schema;
  const known = valueAt(context.effective, path);
  const names = [
    ...new Set([
      ...(isObject(known) ? Object.keys(known) : []),
      ...(isObject(schema.default) ? Object.keys(schema.default) : []),
      ...(isObject(value) ? Object.keys(value) : []),
    ]),
  ];
  return (
    <Panel title={titleOf(String(path.at(-1)))} help={proseOf(schema)} open={hasFaultBelow(props)}>
      <Fault id={pathText(path)} text={faultOf(props)} />
      {names.map((each) => (
        <fieldset key={each} class="item">
          <legend>{each}</legend>
          <Entries schema={inner} value={valueAt(value, [each])} path={[...path, each]} context={context} />
          {valueAt(value, [each]) === undefined ? null : (
            <div class="buttons">
              <button type="button" onClick={() => context.change([...path, each], undefined)}>
                {known !== undefined && isObject(schema.default) && each in schema.default
                  ? "Back to defaults"
                  : "Remove"}
              </button>
            </div>
          )}
        </fieldset>
      ))}
      <div class="add">
        <label class="inline">
          Name
          <input value={name} autoComplete="off" onInput={(event) => setName(event.currentTarget.value)} />
        </label>
        <button
          type="button"
          disabled={name === "" || names.includes(name)}
          onClick={() => {
            context.change([...path, name], {});
            setName("");
          }}
        >
          Add
        </button>
      </div>
    </Panel>
  );
}

function ListOfObjects(props: NodeProps) {
  const { schema, value, path, context } = props;
  const items = Array.isArray(value) ? (value as readonly Json[]) : [];
  const inner = schema.items!;
  const nameOf = (item: Json, at: number): string => {
    const name = valueAt(item, [inner.required?.[0] ?? "name"]);
    return typeof name === "string" && name !== "" ? name : `No. ${at + 1}`;
  };
  const title = titleOf(String(path.at(-1)));
  return (
    <Panel title={title} help={proseOf(schema)} open={hasFaultBelow(props)}>
      <Fault id={pathText(path)} text={items.length === 0 ? faultOf(props) : undefined} />
      {items.length === 0 ? <p class="empty">There are none.</p> : null}
      {items.map((item, at) => (
        // By place: their names may be changed here.
        <fieldset key={at} class="item">
          <legend>{nameOf(item, at)}</legend>
          <Fault
            id={pathText([...path, at])}
            text={faultOf({ ...props, path: [...path, at], context: exactly(context, [...path, at]) })}
          />
          <Entries schema={inner} value={item} path={[...path, at]} context={context} />
          <div class="buttons">
            <button
              type="button"
              aria-label={`Remove ${nameOf(item, at)}`}
              onClick={() => context.change([...path, at], undefined)}
            >
              Remove
            </button>
          </div>
        </fieldset>
      ))}
      <div class="add">
        <button
          type="button"
          disabled={schema.maxItems !== undefined && items.length >= schema.maxItems}
          onClick={() => context.change(path, [...items, {}])}
        >
          Add one to {title.toLowerCase()}
        </button>
      </div>
    </Panel>
  );
}

const exactly = (context: FormContext, path: Path): FormContext => ({
  ...context,
  issues: context.issues.filter((issue) => issue.path === pathText(path)),
});

function Fault({ id, text }: { readonly id: string; readonly text: string | undefined }) {
  return (
    <p class="fault" id={`fault-${id}`} role="alert">
      {text === undefined ? "" : <Prose text={text} />}
    </p>
  );
}

/** A key with a value of its own. */
function ValueField(props: NodeProps) {
  const { schema, value, path, context, required = false } = props;
  const name = pathText(path);
  // What is in force has the built-in profiles too, so that places in lists are not the same there.
  const inList = path.some((key) => typeof key === "number");
  const inForce = (inList ? undefined : valueAt(context.effective, path)) ?? schema.default;
  const fault = faultOf(props);
  const isSecret = kindOf(schema) === "secret";
  const decidedElsewhere =
    !inList && value !== undefined && inForce !== undefined && differs(value, inForce) && !isSecret;
  return (
    <div class={`setting ${value === undefined ? "" : "written"}`}>
      <label for={`key-${name}`}>
        {titleOf(String(path.at(-1)))}
        {required ? <span class="faint"> (needed)</span> : null}
      </label>
      <div class="setting-input">
        <Input {...props} shown={value ?? inForce} id={`key-${name}`} invalid={fault !== undefined} />
        {unitOf(schema) === undefined ? null : <span class="unit">{unitOf(schema)}</span>}
        {value === undefined || required ? null : (
          <button
            type="button"
            class="quiet"
            title="Take this key away; the default counts"
            aria-label={`Back to the default of ${name}`}
            onClick={() => context.change(path, undefined)}
          >
            ↺
          </button>
        )}
      </div>
      <Fault id={name} text={fault} />
      <p class="help" id={`help-${name}`}>
        <Prose text={proseOf(schema)} />
        <span class="faint"> {rangeText(schema)}</span>
        {decidedElsewhere ? <span class="faint"> In force: {textOf(inForce)}.</span> : null}
      </p>
    </div>
  );
}

function differs(a: Json, b: Json): boolean {
  return JSON.stringify(a) !== JSON.stringify(b);
}

function rangeText({ minimum, maximum, default: standard }: Schema): string {
  const range = minimum === undefined || maximum === undefined ? "" : `${minimum} … ${maximum}. `;
  return standard === undefined ? range : `${range}Default: ${textOf(standard)}.`;
}

function textOf(value: Json): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (Array.isArray(value) && value.length === 0) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

type InputProps = NodeProps & { readonly shown: Json | undefined; readonly id: string; readonly invalid: boolean };

function Input({ schema, shown, path, context, id, invalid }: InputProps) {
  const name = pathText(path);
  const common = {
    id,
    name,
    "aria-invalid": invalid,
    "aria-describedby": `fault-${name} help-${name}`,
    autoComplete: "off",
  } as const;
  const set = (value: Json | undefined): void => context.change(path, value);
  switch (kindOf(schema)) {
    case "switch":
      return (
        <input
          {...common}
          type="checkbox"
          role="switch"
          checked={shown === true}
          aria-checked={shown === true}
          onChange={(event) => set(event.currentTarget.checked)}
        />
      );
    case "choice":
      return (
        <select
          {...common}
          value={JSON.stringify(shown)}
          onChange={(event) => set(JSON.parse(event.currentTarget.value) as Json)}
        >
          {schema.enum!.map((each) => (
            <option key={String(each)} value={JSON.stringify(each)}>
              {String(each)}
            </option>
          ))}
        </select>
      );
    case "number":
      return (
        <input
          {...common}
          class="short"
          inputMode="decimal"
          value={shown === undefined ? "" : String(shown)}
          onInput={(event) => set(numberOf(event.currentTarget.value))}
        />
      );
    case "values":
      return <ListInput {...common} schema={schema} shown={shown} set={set} />;
    case "secret":
      return (
        <input
          {...common}
          type="password"
          autoComplete="new-password"
          value={typeof shown === "string" ? shown : ""}
          onInput={(event) => set(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
        />
      );
    default:
      return (
        <input
          {...common}
          value={shown === undefined ? "" : String(shown)}
          onInput={(event) => set(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
        />
      );
  }
}

/** Nothing takes the key away; what is no number goes to the server as it is, which says so. */
function numberOf(text: string): Json | undefined {
  if (text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}

type ListInputProps = {
  readonly schema: Schema;
  readonly shown: Json | undefined;
  readonly set: (value: Json | undefined) => void;
  readonly id: string;
};

/** Values with commas between them. What is typed stays as it is typed. */
function ListInput({ schema, shown, set, ...common }: ListInputProps) {
  const [typed, setTyped] = useState<string>();
  const items = (text: string): Json[] =>
    text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "")
      .map((item) => (schema.items?.type === "string" ? item : numberOf(item)!));
  const text = Array.isArray(shown) ? shown.join(", ") : "";
  const isTyped = typed !== undefined && JSON.stringify(items(typed)) === JSON.stringify(shown);
  return (
    <input
      {...common}
      placeholder="none; commas between several"
      value={isTyped ? typed : text}
      onInput={(event) => {
        setTyped(event.currentTarget.value);
        set(items(event.currentTarget.value));
      }}
    />
  );
}
