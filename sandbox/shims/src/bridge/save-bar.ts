/**
 * ui-save-bar and shopify.saveBar: the page says that something is unsaved, the admin draws the bar.
 *
 * The bar's buttons are the page's own: pressing one in the admin clicks the one in the page.
 */
import type { FromApp, SaveBarState } from "./protocol";

type Tell = (message: FromApp) => void;

let tell: Tell = () => undefined;
let showing: SaveBar | null = null;

class SaveBar extends HTMLElement {
  private readonly watcher = new MutationObserver(() => report());

  connectedCallback(): void {
    this.style.display = "none";
    this.watcher.observe(this, { subtree: true, childList: true, attributes: true });
  }

  /** A page that goes takes its bar along. */
  disconnectedCallback(): void {
    this.watcher.disconnect();
    void this.hide();
  }

  get showing(): boolean {
    return showing === this;
  }

  get discardConfirmation(): boolean {
    return this.hasAttribute("discardconfirmation");
  }

  set discardConfirmation(on: boolean) {
    this.toggleAttribute("discardconfirmation", on);
  }

  async show(): Promise<void> {
    if (this.showing) return;
    showing = this;
    report();
    this.dispatchEvent(new Event("show"));
  }

  async hide(): Promise<void> {
    if (!this.showing) return;
    showing = null;
    report();
    this.dispatchEvent(new Event("hide"));
  }

  async toggle(): Promise<void> {
    await (this.showing ? this.hide() : this.show());
  }

  button(which: "save" | "discard"): HTMLButtonElement | null {
    const buttons = [...this.querySelectorAll("button")];
    return buttons.find((button) => (button.getAttribute("variant") === "primary") === (which === "save")) ?? null;
  }

  state(): SaveBarState {
    const part = (which: "save" | "discard") => {
      const button = this.button(which);
      return { disabled: button?.disabled ?? false, loading: isOn(button?.getAttribute("loading")) };
    };
    return { save: part("save"), discard: part("discard"), confirm: this.discardConfirmation };
  }
}

/** `loading` may be given as an attribute without a value, or as "true" and "false". */
function isOn(value: string | null | undefined): boolean {
  return value != null && value !== "false";
}

function report(): void {
  tell({ kind: "save-bar", bar: showing?.state() ?? null });
}

function bar(id: string): SaveBar {
  const found = document.getElementById(id);
  if (!(found instanceof SaveBar)) throw new Error(`no ui-save-bar with the id ${JSON.stringify(id)}`);
  return found;
}

const asked = new Map<number, () => void>();
let lastAsked = 0;

/** shopify.saveBar. */
export const saveBar = {
  show: async (id: string) => bar(id).show(),
  hide: async (id: string) => bar(id).hide(),
  toggle: async (id: string) => bar(id).toggle(),
  /** Resolves at once without a visible bar, else when somebody confirms to leave; who stays is never answered. */
  leaveConfirmation: (): Promise<void> => {
    if (showing === null) return Promise.resolve();
    lastAsked += 1;
    const id = lastAsked;
    return new Promise((resolve) => {
      asked.set(id, resolve);
      tell({ kind: "leave-confirmation", id });
    });
  },
};

/** The admin's answer to a question to leave: whoever leaves leaves the unsaved changes behind. */
export function answered(id: number, leave: boolean): void {
  const resolve = asked.get(id);
  asked.delete(id);
  if (!leave) return;
  left();
  resolve?.();
}

/** The changes were given up in the admin: the bar goes without a question. */
export function left(): void {
  void showing?.hide();
}

export function pressed(which: "save" | "discard"): void {
  showing?.button(which)?.click();
}

export function defineSaveBar(telling: Tell): void {
  tell = telling;
  if (!customElements.get("ui-save-bar")) customElements.define("ui-save-bar", SaveBar);
}
