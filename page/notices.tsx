/**
 * Short messages about what was just done, read aloud by screen readers.
 */
import { useEffect, useState } from "preact/hooks";
import { reasonOf } from "./api.ts";

/** How long a message stays, ms; one of a failure until it is closed. */
const SHOWN_MS = 6_000;

type Notice = { readonly id: number; readonly text: string; readonly bad: boolean };

let notices: readonly Notice[] = [];
let lastId = 0;
let tell: (notices: readonly Notice[]) => void = () => {};

function change(next: readonly Notice[]): void {
  notices = next;
  tell(notices);
}

export function notify(text: string, bad: boolean = false): void {
  const id = ++lastId;
  change([...notices.slice(-2), { id, text, bad }]);
  if (!bad) setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  change(notices.filter((notice) => notice.id !== id));
}

/** Does something and says how it went. @returns whether it went well. */
export async function attempt(done: string, act: () => Promise<unknown>): Promise<boolean> {
  try {
    await act();
    notify(done);
    return true;
  } catch (error) {
    notify(reasonOf(error), true);
    return false;
  }
}

export function NoticePlace() {
  const [shown, setShown] = useState(notices);
  useEffect(() => {
    tell = setShown;
  }, []);
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown.map(({ id, text, bad }) => (
        <p key={id} class={bad ? "notice bad" : "notice"}>
          <span>{text}</span>
          <button type="button" class="quiet" aria-label="Close this message" onClick={() => dismiss(id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  );
}
