/**
 * A button that copies a text.
 */
import { useEffect, useState } from "preact/hooks";
import { notify } from "./notices.tsx";

/** How long the button says that it has copied, ms; a notice behind a dialog is hard to see. */
const SHOWN_MS = 2_000;

/** @param what whose name the button carries for those who do not see where it stands. */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button
      type="button"
      aria-label={`Copy ${what}`}
      onClick={async (event) => {
        const done = await copy(text, event.currentTarget);
        setCopied(done);
        notify(done ? "Copied" : "This browser does not copy; select the text instead", !done);
      }}
    >
      {copied ? "Copied" : "Copy"}
    </button>
  );
}

async function copy(text: string, button: HTMLElement): Promise<boolean> {
  try {
    // There on pages from https and from this computer only.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Beside the button: a modal dialog makes everything outside it inert.
    const field = document.createElement("textarea");
    field.value = text;
    field.readOnly = true;
    field.className = "visually-hidden";
    button.after(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    button.focus();
    return done;
  }
}
