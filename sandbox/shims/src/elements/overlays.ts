/** s-menu, s-popover, s-tooltip, s-modal. */
import type { Overlay } from "./commands";
import { define, FOCUS_RING, PolarisElement, text, type Attrs } from "./core";
import { iconSvg } from "./media";

const GAP = 4;

/** Places a box under what opened it, or above it where there is no room below. */
function place(box: HTMLElement, source: HTMLElement): void {
  const at = source.getBoundingClientRect();
  const { offsetWidth: wide, offsetHeight: high } = box;
  const below = at.bottom + GAP + high <= innerHeight || at.top < high + GAP;
  const left = Math.max(8, Math.min(at.left, innerWidth - wide - 8));
  box.style.insetInlineStart = `${left}px`;
  box.style.insetBlockStart = `${below ? at.bottom + GAP : at.top - GAP - high}px`;
}

/** A box that floats over the page until it is dismissed. Its own light dismissal: the browser's would close on pointerup and the opener's click reopen it. */
abstract class Floating extends PolarisElement implements Overlay {
  protected source: HTMLElement | null = null;
  protected readonly boxRole: string = "dialog";
  private readonly outside = (event: Event): void => {
    const path = event.composedPath();
    if (!path.includes(this) && !(this.source && path.includes(this.source))) this.hideOverlay();
  };
  private readonly key = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    this.hideOverlay();
    this.source?.focus();
  };
  private readonly follow = (): void => {
    if (this.source) place(this.box, this.source);
  };

  protected get box(): HTMLElement {
    return this.el<HTMLElement>(".box");
  }

  get open(): boolean {
    return this.root.querySelector(".box")?.matches(":popover-open") ?? false;
  }

  protected build(): void {
    this.root.innerHTML = `<div class="box" popover="manual" role="${this.boxRole}" tabindex="-1"><slot></slot></div>`;
    this.box.addEventListener("keydown", (event) => this.keyed(event));
  }

  protected keyed(_event: KeyboardEvent): void {}

  showOverlay(source?: HTMLElement): void {
    if (this.open) return;
    this.source = source ?? document.querySelector<HTMLElement>(`[commandfor="${CSS.escape(this.id)}"]`);
    this.emit("show");
    this.box.showPopover();
    if (this.source) place(this.box, this.source);
    addEventListener("pointerdown", this.outside, true);
    addEventListener("keydown", this.key);
    addEventListener("scroll", this.follow, true);
    addEventListener("resize", this.follow);
    this.marked(true);
    this.opened();
    this.emit("aftershow");
  }

  hideOverlay(): void {
    if (!this.open) return;
    this.emit("hide");
    this.box.hidePopover();
    removeEventListener("pointerdown", this.outside, true);
    removeEventListener("keydown", this.key);
    removeEventListener("scroll", this.follow, true);
    removeEventListener("resize", this.follow);
    this.marked(false);
    this.emit("afterhide");
  }

  toggleOverlay(source?: HTMLElement): void {
    if (this.open) this.hideOverlay();
    else this.showOverlay(source);
  }

  disconnectedCallback(): void {
    this.hideOverlay();
  }

  protected opened(): void {}

  /** Tells assistive technology on the opener's inner control that it opens something. */
  private marked(open: boolean): void {
    this.source?.shadowRoot?.querySelector(".control")?.setAttribute("aria-expanded", String(open));
  }
}

const FLOAT_CSS = `
  .box { position: fixed; inset: auto; margin: 0; border: 0; padding: 0; min-inline-size: 160px; max-inline-size: min(400px, calc(100vw - 16px)); max-block-size: min(500px, 90vh); overflow: auto; color: var(--p-color-text); font: inherit;
    border-radius: 12px; background: var(--p-color-bg-surface); box-shadow: var(--p-shadow-300), 0 0 0 1px rgba(0, 0, 0, 0.06); outline: none; text-align: start; }
`;

class SPopover extends Floating {
  static override attrs: Attrs = { inlineSize: text("auto"), blockSize: text("auto"), minInlineSize: text("0"), maxInlineSize: text("none"), minBlockSize: text("0"), maxBlockSize: text("none") };
  static override css = `:host { display: contents; } ${FLOAT_CSS}`;

  protected override update(): void {
    const sizes = [["inlinesize", "inlineSize"], ["blocksize", "blockSize"], ["mininlinesize", "minInlineSize"], ["maxinlinesize", "maxInlineSize"], ["minblocksize", "minBlockSize"], ["maxblocksize", "maxBlockSize"]] as const;
    for (const [attribute, property] of sizes) if (this.has(attribute)) this.box.style[property] = this.str(attribute);
  }

  protected override opened(): void {
    this.box.focus();
  }
}

class SMenu extends Floating {
  static override attrs: Attrs = { accessibilityLabel: text() };
  static override css = `:host { display: contents; } ${FLOAT_CSS} .box { padding: 6px; }
    ::slotted(s-section) { display: block; border-block-start: 1px solid var(--p-color-border-secondary); padding-block-start: 6px; margin-block-start: 6px; }`;
  protected override readonly boxRole = "menu";

  protected override update(): void {
    this.box.setAttribute("aria-label", this.str("accessibilitylabel") || "Menu");
  }

  /** The items that can be pressed, in order. */
  private items(): HTMLElement[] {
    return [...this.querySelectorAll<HTMLElement>("s-button, s-clickable, s-link")].filter((item) => !item.hasAttribute("disabled"));
  }

  protected override build(): void {
    super.build();
    this.addEventListener("click", (event) => {
      const pressed = event.composedPath().some((node) => node instanceof HTMLElement && this.items().includes(node));
      if (pressed) setTimeout(() => this.hideOverlay(), 0);
    });
  }

  protected override opened(): void {
    for (const item of this.items()) item.setAttribute("data-shim-role", "menuitem");
    for (const item of this.items()) item.shadowRoot?.querySelector(".control")?.setAttribute("role", "menuitem");
    this.items()[0]?.focus();
  }

  protected override keyed(event: KeyboardEvent): void {
    const items = this.items();
    const at = items.findIndex((item) => item === document.activeElement || item.contains(document.activeElement));
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (event.key === "Tab") this.hideOverlay();
    if (next === undefined) return;
    event.preventDefault();
    items[(next + items.length) % items.length]?.focus();
  }
}

class STooltip extends PolarisElement {
  static override css = `
    :host { display: contents; }
    .box { position: fixed; inset: auto; margin: 0; border: 0; padding: 4px 8px; max-inline-size: 200px; border-radius: 8px; font: inherit; font-size: 12px; line-height: 16px; color: var(--p-color-text); background: var(--p-color-bg-surface); box-shadow: var(--p-shadow-300), 0 0 0 1px rgba(0, 0, 0, 0.06); pointer-events: none; }
  `;

  protected build(): void {
    this.root.innerHTML = `<div class="box" popover="manual" role="tooltip"><slot></slot></div>`;
  }

  show(source: HTMLElement): void {
    const box = this.el<HTMLElement>(".box");
    if (box.matches(":popover-open")) return;
    box.showPopover();
    place(box, source);
    // ARIA ids do not cross shadow roots, so the words themselves are handed over.
    source.setAttribute("aria-description", (this.textContent ?? "").trim());
  }

  hide(): void {
    const box = this.el<HTMLElement>(".box");
    if (box.matches(":popover-open")) box.hidePopover();
  }
}

/** interestFor: pointing at or focusing an element shows the tooltip that it names. */
function watchInterest(): void {
  const named = (event: Event): [HTMLElement, STooltip] | null => {
    const source = event.composedPath().find((node): node is HTMLElement => node instanceof HTMLElement && node.hasAttribute("interestfor"));
    const target = source ? document.getElementById(source.getAttribute("interestfor") ?? "") : null;
    return source && target instanceof STooltip ? [source, target] : null;
  };
  for (const [name, showing] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]] as const)
    document.addEventListener(name, (event) => {
      const found = named(event);
      if (found && showing) found[1].show(found[0]);
      else if (found) found[1].hide();
    });
}

class SModal extends PolarisElement implements Overlay {
  static override attrs: Attrs = { heading: text(), size: text("base"), padding: text("base"), accessibilityLabel: text() };
  static override css = `
    :host { display: contents; }
    dialog { border: 0; padding: 0; inline-size: min(620px, calc(100vw - 32px)); max-block-size: calc(100vh - 64px); border-radius: 16px; color: var(--p-color-text); background: var(--p-color-bg-surface); box-shadow: var(--p-shadow-600); font: inherit; overflow: hidden; }
    dialog[open] { display: flex; flex-direction: column; }
    dialog::backdrop { background: rgba(0, 0, 0, 0.5); }
    :host([size="small"]) dialog, :host([size="small-100"]) dialog { inline-size: min(380px, calc(100vw - 32px)); }
    :host([size="large"]) dialog, :host([size="large-100"]) dialog { inline-size: min(980px, calc(100vw - 32px)); }
    header { display: flex; align-items: center; padding: 12px 16px; background: var(--p-color-bg-surface-tertiary); border-block-end: 1px solid var(--p-color-border); }
    h2 { flex: 1; margin: 0; font-size: 14px; line-height: 20px; font-weight: var(--p-font-weight-semibold); }
    button { all: unset; cursor: pointer; border-radius: 6px; }
    button:focus-visible { ${FOCUS_RING} }
    .body { padding: 16px; overflow: auto; }
    :host([padding="none"]) .body { padding: 0; }
    footer { display: flex; justify-content: flex-end; gap: 8px; padding: 16px; border-block-start: 1px solid var(--p-color-border); }
    footer[hidden] { display: none; }
  `;

  protected build(): void {
    this.root.innerHTML = `
      <dialog aria-labelledby="heading">
        <header><h2 id="heading"></h2><button type="button" aria-label="Close">${iconSvg("x")}</button></header>
        <div class="body"><slot></slot></div>
        <footer hidden><slot name="secondary-actions"></slot><slot name="primary-action"></slot></footer>
      </dialog>`;
    this.el("button").addEventListener("click", () => this.hideOverlay());
    const dialog = this.el<HTMLDialogElement>("dialog");
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.hideOverlay();
    });
    const footer = this.el<HTMLElement>("footer");
    const slots = [...footer.querySelectorAll("slot")];
    const show = () => {
      footer.hidden = slots.every((slot) => slot.assignedNodes().length === 0);
    };
    for (const slot of slots) slot.addEventListener("slotchange", show);
  }

  protected override update(): void {
    this.el("h2").textContent = this.str("heading");
    const label = this.str("accessibilitylabel");
    if (label) this.el("dialog").setAttribute("aria-label", label);
  }

  showOverlay(): void {
    const dialog = this.el<HTMLDialogElement>("dialog");
    if (dialog.open) return;
    this.emit("show");
    dialog.showModal();
    this.emit("aftershow");
  }

  hideOverlay(): void {
    const dialog = this.el<HTMLDialogElement>("dialog");
    if (!dialog.open) return;
    this.emit("hide");
    dialog.close();
    this.emit("afterhide");
  }

  toggleOverlay(): void {
    if (this.el<HTMLDialogElement>("dialog").open) this.hideOverlay();
    else this.showOverlay();
  }
}

export function defineOverlays(): void {
  define("s-popover", SPopover);
  define("s-menu", SMenu);
  define("s-tooltip", STooltip);
  define("s-modal", SModal);
  watchInterest();
}
