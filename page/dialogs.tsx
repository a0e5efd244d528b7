/**
 * Dialogs: a question before what can't be undone, and an address as a QR code. The browser's own `<dialog>` keeps the
 * focus inside, closes on Escape, and gives the focus back.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { CopyButton } from "./copy.tsx";
import { Address } from "./prose.tsx";
import { qrCode } from "./qr.ts";

type Question = {
  readonly kind: "question";
  readonly text: string;
  readonly action: string;
  readonly answer: (yes: boolean) => void;
};
type Code = { readonly kind: "code"; readonly title: string; readonly address: string };

let show: (dialog: Question | Code) => void = () => {};

/** @param action what the button says that goes on with it. */
export function confirm(text: string, action: string): Promise<boolean> {
  return new Promise((answer) => show({ kind: "question", text, action, answer }));
}

export function showCode(title: string, address: string): void {
  show({ kind: "code", title, address });
}

export function DialogPlace() {
  const [dialog, setDialog] = useState<Question | Code>();
  useEffect(() => {
    show = setDialog;
  }, []);
  if (dialog === undefined) return null;
  const close = (yes: boolean): void => {
    if (dialog.kind === "question") dialog.answer(yes);
    setDialog(undefined);
  };
  if (dialog.kind === "question") {
    return (
      <Modal label={dialog.text} onClose={() => close(false)}>
        <p>{dialog.text}</p>
        <p class="buttons">
          <button type="button" class="danger" onClick={() => close(true)}>
            {dialog.action}
          </button>
          <button type="button" onClick={() => close(false)}>
            Cancel
          </button>
        </p>
      </Modal>
    );
  }
  return (
    <Modal label={dialog.title} onClose={() => close(false)}>
      <h2>{dialog.title}</h2>
      <Qr address={dialog.address} />
      <p>
        <Address text={dialog.address} />
      </p>
      <p class="buttons">
        <CopyButton text={dialog.address} what={dialog.title} />
        <button type="button" onClick={() => close(false)}>
          Close
        </button>
      </p>
    </Modal>
  );
}

function Modal(props: { readonly label: string; readonly onClose: () => void; readonly children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    element.current?.showModal();
    // The browser gives the focus back on close(), but this dialog goes away with its element.
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog ref={element} aria-label={props.label} onClose={props.onClose}>
      {props.children}
    </dialog>
  );
}

/** Light modules around the code, as the standard asks for. */
const QUIET = 4;

function Qr({ address }: { readonly address: string }) {
  let code: ReturnType<typeof qrCode>;
  try {
    code = qrCode(address);
  } catch {
    return <p>This address is too long for a QR code.</p>;
  }
  const side = code.length + 2 * QUIET;
  const path = code
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")))
    .join("");
  return (
    <svg class="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={`QR code of ${address}`}>
      <rect width={side} height={side} fill="#fff" />
      <path d={path} fill="#000" shape-rendering="crispEdges" />
    </svg>
  );
}
