import { type ReactNode, type Ref, useId, useImperativeHandle, useState } from "react";

export interface ConfirmHandle {
  /** Opens the question. */
  ask: () => void;
}

interface Props {
  ref: Ref<ConfirmHandle>;
  /** What has to be typed. */
  word: string;
  heading: string;
  action: string;
  confirm: () => void;
  children: ReactNode;
}

interface Overlay extends HTMLElement {
  showOverlay: () => void;
  hideOverlay: () => void;
}

/** A question before something that can't be undone: it wants a word typed, so that nobody clicks through. */
export function ConfirmModal({ ref, word, heading, action, confirm, children }: Props) {
  const id = useId();
  const [typed, setTyped] = useState("");
  const overlay = () => document.getElementById(id) as Overlay | null;
  useImperativeHandle(ref, () => ({
    ask: () => {
      setTyped("");
      overlay()?.showOverlay();
    },
  }));
  return (
    <s-modal id={id} heading={heading}>
      <s-stack gap="base">
        <s-paragraph>{children}</s-paragraph>
        <s-text-field
          label={`Type ${word} to confirm`}
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </s-stack>
      <s-button slot="secondary-actions" onClick={() => overlay()?.hideOverlay()}>
        Cancel
      </s-button>
      <s-button
        slot="primary-action"
        variant="primary"
        tone="critical"
        disabled={typed.trim() !== word || word === ""}
        onClick={() => {
          overlay()?.hideOverlay();
          confirm();
        }}
      >
        {action}
      </s-button>
    </s-modal>
  );
}
