/**
 * A button that copies a text.
 */
import { notify } from "./notices.tsx";

/** @param what whose name the button carries for those who do not see where it stands. */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <button
      type="button"
      aria-label={`Copy ${what}`}
      onClick={async (event) => {
        const done = await copy(text, event.currentTarget);
        notify(done ? "Copied" : "This browser does not copy; select the text instead", !done);
      }}
    >
      Copy
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
