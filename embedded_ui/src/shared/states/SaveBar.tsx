import { useEffect, useId } from "react";

interface Props {
  /** Something is typed and not saved. */
  dirty: boolean;
  saving: boolean;
  save: () => void;
  discard: () => void;
}

/** Whether the admin is there to draw a bar; a page opened on its own has nobody. */
function hasAdmin(): boolean {
  return "shopify" in globalThis && "saveBar" in shopify;
}

/** Resolves when the page may be left: at once, or when somebody confirms to lose what is not saved. */
export function leaving(): Promise<void> {
  return hasAdmin() ? shopify.saveBar.leaveConfirmation() : Promise.resolve();
}

/**
 * Unsaved changes, said by the admin's own save bar. Its buttons press those in here, whose `variant` and
 * `loading` React knows no types for.
 */
export function SaveBar({ dirty, saving, save, discard }: Props) {
  const id = useId();
  useEffect(() => {
    if (!hasAdmin()) return;
    void (dirty ? shopify.saveBar.show(id) : shopify.saveBar.hide(id));
  }, [dirty, id]);
  if (!hasAdmin()) {
    if (!dirty) return null;
    return (
      <s-stack direction="inline" gap="small">
        <s-button variant="primary" loading={saving} onClick={save}>
          Save
        </s-button>
        <s-button disabled={saving} onClick={discard}>
          Discard
        </s-button>
      </s-stack>
    );
  }
  const busy = saving ? { loading: "" } : {};
  return (
    <ui-save-bar id={id}>
      <button {...{ variant: "primary", ...busy }} onClick={save} />
      <button disabled={saving} onClick={discard} />
    </ui-save-bar>
  );
}
