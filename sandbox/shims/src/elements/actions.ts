/** s-button, s-button-group, s-link, s-clickable, s-chip, s-clickable-chip. */
import { runCommand } from "./commands";
import { define, escapeHtml, flag, FOCUS_RING, hostRole, PolarisElement, text, type Attrs } from "./core";
import { iconSvg } from "./media";
import { ACTION_ATTRS, applyAria, BOX_ATTRS, boxCss } from "./values";

/** Something to press: a link when it has an href, else a button that can submit, reset or command. */
abstract class Pressable extends PolarisElement {
  static override delegatesFocus = true;
  static formAssociated = true;
  protected readonly internals = this.attachInternals();
  private lastKind = "";

  /** The inner control's content. */
  protected abstract content(): string;

  protected build(): void {
    this.addEventListener("click", (event) => this.pressed(event));
  }

  protected get blocked(): boolean {
    return this.has("disabled") || this.has("loading");
  }

  protected override update(): void {
    const href = this.has("href") && !this.blocked;
    const content = this.content();
    const kind = `${href ? "a" : "button"}:${content}`;
    if (kind !== this.lastKind) {
      // Rebuilding drops the focus, so only when the control's kind or content really changed.
      const focused = this.root.activeElement !== null;
      this.lastKind = kind;
      this.root.innerHTML = href ? `<style></style><a class="control">${content}</a>` : `<style></style><button class="control" type="button">${content}</button>`;
      if (focused) this.el<HTMLElement>(".control").focus();
    }
    const control = this.el<HTMLElement>(".control");
    if (control instanceof HTMLAnchorElement) {
      control.href = this.str("href");
      const target = this.str("target");
      if (target && target !== "auto") control.target = target;
      else control.removeAttribute("target");
      if (control.target === "_blank") control.rel = "noopener noreferrer";
      if (this.has("download")) control.download = this.str("download");
    } else if (control instanceof HTMLButtonElement) {
      control.disabled = this.blocked;
      control.toggleAttribute("aria-busy", this.has("loading"));
    }
    const label = this.str("accessibilitylabel");
    if (label) control.setAttribute("aria-label", label);
    else control.removeAttribute("aria-label");
    const role = this.getAttribute("data-shim-role");
    if (role) control.setAttribute("role", role);
    else control.removeAttribute("role");
  }

  private pressed(event: Event): void {
    if (this.blocked) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    // A task later, when every listener of the page has had its say: preventDefault() keeps the form from being sent.
    setTimeout(() => {
      if (event.defaultPrevented) return;
      const type = this.str("type");
      if (!this.has("href") && type === "submit") this.internals.form?.requestSubmit();
      if (!this.has("href") && type === "reset") this.internals.form?.reset();
      runCommand(this);
    });
  }
}

const BUTTON_CSS = `
  :host { display: inline-flex; vertical-align: middle; inline-size: fit-content; max-inline-size: 100%; }
  :host([inlinesize="fill"]) { display: flex; inline-size: 100%; }
  .control { all: unset; box-sizing: border-box; position: relative; display: inline-flex; inline-size: 100%; align-items: center; justify-content: center; gap: 2px; cursor: pointer;
    min-block-size: 28px; padding: 6px 12px; border-radius: 8px; font-size: 12px; line-height: 16px; font-weight: var(--p-font-weight-medium); white-space: nowrap; user-select: none; text-align: center;
    background: var(--p-color-bg-fill); color: var(--p-color-text); box-shadow: var(--p-shadow-button); }
  .control:hover { background: var(--p-color-bg-fill-hover); }
  .control:active { background: var(--p-color-bg-fill-active); box-shadow: var(--p-shadow-button-inset); }
  .control:focus-visible { ${FOCUS_RING} }
  .icon svg { inline-size: 20px; block-size: 20px; margin: -2px 0 -2px -4px; }
  .only { padding: 4px; }
  .only .icon svg { margin: 0; }
  :host([data-look="primary"]) .control { background: var(--p-color-button-gradient-bg-fill), var(--p-color-bg-fill-brand); color: var(--p-color-text-brand-on-bg-fill); box-shadow: var(--p-shadow-button-primary); }
  :host([data-look="primary"]) .control:hover { background: var(--p-color-button-gradient-bg-fill), var(--p-color-bg-fill-brand-hover); box-shadow: var(--p-shadow-button-primary-hover); }
  :host([data-look="primary"]) .control:active { box-shadow: var(--p-shadow-button-primary-inset); }
  :host([data-look="primary"][tone="critical"]) .control { background: var(--p-color-button-gradient-bg-fill), var(--p-color-bg-fill-critical); box-shadow: var(--p-shadow-button-primary-critical); color: var(--p-color-text-critical-on-bg-fill); }
  :host([data-look="secondary"][tone="critical"]) .control { color: var(--p-color-text-critical); }
  :host([data-look="header"]) .control { background: var(--p-color-bg-fill-tertiary); box-shadow: none; }
  :host([data-look="header"]) .control:hover { background: var(--p-color-bg-fill-tertiary-hover); }
  :host([data-look="header"][tone="critical"]) .control { color: var(--p-color-text-critical); }
  :host([data-look="tertiary"]) .control { background: transparent; box-shadow: none; }
  :host([data-look="tertiary"]) .control:hover { background: var(--p-color-bg-fill-transparent-hover); }
  :host([data-look="tertiary"]) .control:active { background: var(--p-color-bg-fill-transparent-active); }
  :host([data-look="tertiary"][tone="critical"]) .control { color: var(--p-color-text-critical); }
  :host([data-look="item"]) { display: flex; inline-size: 100%; }
  :host([data-look="item"]) .control { justify-content: flex-start; gap: 8px; padding: 6px; font-size: 13px; line-height: 20px; font-weight: var(--p-font-weight-regular); background: transparent; box-shadow: none; }
  :host([data-look="item"]) .control:hover { background: var(--p-color-bg-surface-secondary-hover); }
  :host([data-look="item"]) .control:active { background: var(--p-color-bg-surface-secondary-active); }
  :host([data-look="item"]) .icon svg { margin: 0; color: var(--p-color-icon); }
  :host([data-look="item"][tone="critical"]) .control, :host([data-look="item"][tone="critical"]) .icon svg { color: var(--p-color-text-critical); }
  :host([disabled]) .control, :host([disabled]) .control:hover { background: var(--p-color-bg-fill-disabled) !important; color: var(--p-color-text-disabled) !important; box-shadow: none !important; cursor: default; }
  :host([disabled][data-look="item"]) .control, :host([disabled][data-look="tertiary"]) .control { background: transparent !important; }
  :host([disabled][data-look="primary"]) .control { background: var(--p-color-bg-fill-brand-disabled) !important; color: var(--p-color-text-brand-on-bg-fill-disabled) !important; }
  :host([loading]) .control { cursor: default; }
  :host([loading]) .label, :host([loading]) .icon { opacity: 0; }
  .spin { display: none; }
  :host([loading]) .spin { display: flex; position: absolute; inset: 0; align-items: center; justify-content: center; }
  .spin i { inline-size: 16px; block-size: 16px; border-radius: 50%; border: 2px solid currentColor; border-inline-end-color: transparent; animation: turn 0.7s linear infinite; }
  @keyframes turn { to { transform: rotate(1turn); } }
`;

class SButton extends Pressable {
  static override attrs: Attrs = {
    ...ACTION_ATTRS,
    variant: text("auto"),
    tone: text("auto"),
    icon: text(),
    loading: flag(),
    inlineSize: text("auto"),
    lang: text(),
  };
  static override css = BUTTON_CSS;
  private watching = false;

  protected content(): string {
    const icon = this.str("icon");
    const bare = icon && !this.textContent?.trim() ? " only" : "";
    const drawn = icon ? `<span class="icon">${iconSvg(icon)}</span>` : "";
    return `<span class="spin${bare}" aria-hidden="true"><i></i></span>${drawn}<span class="label"><slot></slot></span>`;
  }

  protected override update(): void {
    const look = this.look();
    if (this.getAttribute("data-look") !== look) this.setAttribute("data-look", look);
    super.update();
    this.el(".control").classList.toggle("only", this.has("icon") && !this.textContent?.trim());
    if (this.watching) return;
    this.watching = true;
    this.root.addEventListener("slotchange", () => this.update());
  }

  /** `auto` depends on where the button stands, as it does in the admin. */
  private look(): string {
    const parent = this.parentElement;
    if (this.closest("s-menu")) return "item";
    const variant = this.str("variant") || "auto";
    if (variant !== "auto" && !(variant === "secondary" && parent?.localName === "s-page")) return variant;
    const slot = this.getAttribute("slot") ?? "";
    if (slot === "primary-action" && parent?.localName !== "s-section") return "primary";
    if (slot === "secondary-actions" && parent?.localName === "s-page") return "header";
    return "secondary";
  }
}

class SButtonGroup extends PolarisElement {
  static override attrs: Attrs = { gap: text("base"), accessibilityLabel: text() };
  static override css = `
    :host { display: inline-flex; flex-wrap: wrap; gap: 8px; align-items: center; }
    :host([gap="none"]) { gap: 0; }
  `;

  protected build(): void {
    this.root.innerHTML = `<slot></slot><slot name="secondary-actions"></slot><slot name="primary-action"></slot>`;
    hostRole(this, "group");
  }

  protected override update(): void {
    applyAria(this);
  }
}

class SLink extends Pressable {
  static override attrs: Attrs = {
    href: text(),
    target: text("auto"),
    download: text(),
    commandFor: text(),
    command: text("--auto"),
    interestFor: text(),
    accessibilityLabel: text(),
    tone: text("auto"),
    lang: text(),
  };
  static override css = `
    :host { display: inline; }
    .control { all: unset; cursor: pointer; color: var(--p-color-text-link); text-decoration: underline; }
    .control:hover { color: var(--p-color-text-link-hover); }
    .control:focus-visible { ${FOCUS_RING} border-radius: 4px; }
    :host([tone="neutral"]) .control { color: inherit; }
    :host([tone="critical"]) .control { color: var(--p-color-text-critical); }
    :host([data-plain]) .control { text-decoration: none; }
  `;

  protected content(): string {
    return "<slot></slot>";
  }

  protected override update(): void {
    super.update();
    // Breadcrumbs are drawn without an underline.
    this.toggleAttribute("data-plain", this.getAttribute("slot") === "breadcrumb-actions");
  }
}

class SClickable extends Pressable {
  static override attrs: Attrs = { ...BOX_ATTRS, ...ACTION_ATTRS, loading: flag(), lang: text() };
  static override css = `
    :host { display: block; border-radius: 8px; }
    .control { all: unset; box-sizing: border-box; display: block; inline-size: 100%; cursor: pointer; border-radius: inherit; }
    .control:hover { background: var(--p-color-bg-fill-transparent-hover); }
    .control:focus-visible { ${FOCUS_RING} }
    :host([disabled]) .control { cursor: default; background: none; color: var(--p-color-text-disabled); }
  `;

  protected content(): string {
    return "<slot></slot>";
  }

  protected override update(): void {
    super.update();
    // Padding belongs to what is pressed, or its rim would not answer.
    this.el("style").textContent = boxCss(this, "block").replace(/:host\{(padding[^}]*)\}/g, ".control{$1}");
  }
}

const CHIP_CSS = `
  :host { display: inline-flex; inline-size: fit-content; max-inline-size: 100%; vertical-align: middle; }
  .chip { all: unset; box-sizing: border-box; display: inline-flex; align-items: center; gap: 4px; min-inline-size: 0; padding: 2px 8px; border-radius: 8px; font-size: 12px; line-height: 16px; font-weight: var(--p-font-weight-medium);
    background: var(--p-color-bg-fill-tertiary); color: var(--p-color-text); }
  :host([color="subdued"]) .chip { background: var(--p-color-bg-fill-secondary); color: var(--p-color-text-secondary); }
  :host([color="strong"]) .chip { background: var(--p-color-bg-fill-brand); color: var(--p-color-text-brand-on-bg-fill); }
  a.chip, button.chip { cursor: pointer; }
  a.chip:hover, button.chip:hover { background: var(--p-color-bg-fill-tertiary-hover); }
  .chip:focus-visible, .remove:focus-visible { ${FOCUS_RING} }
  .text { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .remove { all: unset; cursor: pointer; display: flex; border-radius: 4px; margin-inline-end: -4px; }
  .remove svg { inline-size: 16px; block-size: 16px; }
  :host([disabled]) .chip { background: var(--p-color-bg-fill-disabled); color: var(--p-color-text-disabled); cursor: default; }
  .removable { border-start-end-radius: 0; border-end-end-radius: 0; }
`;

class SChip extends PolarisElement {
  static override attrs: Attrs = { color: text("base"), accessibilityLabel: text(), removable: flag() };
  static override css = CHIP_CSS;
  protected clickable = false;

  protected build(): void {
    // The words may come after the element, as they do while a page is parsed.
    this.root.addEventListener("slotchange", () => this.nameRemoval());
  }

  protected override update(): void {
    const label = escapeHtml(this.str("accessibilitylabel"));
    const aria = label ? ` aria-label="${label}"` : "";
    const inside = `<slot name="graphic"></slot><span class="text"><slot></slot></span>`;
    const remove = this.has("removable") ? `<button class="remove" type="button">${iconSvg("x")}</button>` : "";
    const off = this.has("disabled") ? " disabled" : "";
    if (!this.clickable) this.root.innerHTML = `<span class="chip"${aria}>${inside}${remove}</span>`;
    else if (this.has("href") && !off) this.root.innerHTML = `<a class="chip" href="${escapeHtml(this.str("href"))}"${aria}>${inside}</a>${remove}`;
    else this.root.innerHTML = `<button class="chip" type="button"${aria}${off}>${inside}</button>${remove}`;
    this.root.querySelector(".remove")?.addEventListener("click", (event) => {
      event.stopPropagation();
      this.emit("remove");
      if (this.clickable) this.emit("afterhide");
    });
    this.nameRemoval();
  }

  private nameRemoval(): void {
    this.root.querySelector(".remove")?.setAttribute("aria-label", `Remove ${(this.textContent ?? "").trim()}`);
  }
}

class SClickableChip extends SChip {
  static override attrs: Attrs = {
    color: text("base"),
    accessibilityLabel: text(),
    removable: flag(),
    disabled: flag(),
    href: text(),
    commandFor: text(),
    command: text("--auto"),
    interestFor: text(),
  };
  static override delegatesFocus = true;
  protected override clickable = true;

  protected override build(): void {
    super.build();
    this.addEventListener("click", (event) => {
      if (!event.defaultPrevented && !this.has("disabled")) runCommand(this);
    });
  }
}

export function defineActions(): void {
  define("s-button", SButton);
  define("s-button-group", SButtonGroup);
  define("s-link", SLink);
  define("s-clickable", SClickable);
  define("s-chip", SChip);
  define("s-clickable-chip", SClickableChip);
}
