/** s-page, s-section, s-empty-state. Embedded, the page's heading and actions stand in the host's title bar. */
import { define, hostRole, PolarisElement, text, type Attrs } from "./core";
import { sectionDepth } from "./typography";

/** Hides a slot's surroundings while nothing is slotted, so that no gap is left. */
function hideEmptySlots(root: ShadowRoot): void {
  for (const slot of root.querySelectorAll<HTMLSlotElement>("slot[data-optional]")) {
    const holder = slot.closest<HTMLElement>("[data-holder]");
    const show = () => {
      if (holder) holder.hidden = slot.assignedNodes().length === 0;
    };
    slot.addEventListener("slotchange", show);
    show();
  }
}

/** True inside the admin's iframe, where the App Bridge shim takes the heading out of the page. */
const embedded = (): boolean =>
  (window as { shopify?: { environment?: { embedded?: boolean } } }).shopify?.environment?.embedded === true;

class SPage extends PolarisElement {
  static override attrs: Attrs = { heading: text(), inlineSize: text("base") };
  static override css = `
    :host { display: block; container: s-page / inline-size; }
    .page { max-inline-size: 998px; margin-inline: auto; padding: 16px 24px 32px; }
    :host([inlinesize="small"]) .page { max-inline-size: 662px; }
    :host([inlinesize="large"]) .page { max-inline-size: none; }
    header { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-block-end: 16px; min-block-size: 28px; }
    header[hidden] { display: none; }
    h1 { margin: 0; font-size: 20px; line-height: 24px; font-weight: var(--p-font-weight-semibold); letter-spacing: -0.2px; }
    .grow { flex: 1; }
    .crumbs { color: var(--p-color-text-secondary); }
    .actions { display: flex; gap: 8px; flex-wrap: wrap; }
    .columns { display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); }
    .main, .aside { display: flex; flex-direction: column; gap: 16px; min-inline-size: 0; }
    .aside[hidden] { display: none; }
    @container s-page (inline-size > 760px) {
      .columns.two { grid-template-columns: minmax(0, 2fr) minmax(0, 1fr); }
    }
    @container s-page (inline-size <= 490px) { .page { padding-inline: 0; } header { padding-inline: 16px; } }
  `;

  protected build(): void {
    this.root.innerHTML = `
      <div class="page">
        <header>
          <span class="crumbs"><slot name="breadcrumb-actions"></slot></span>
          <h1></h1><slot name="accessory"></slot><span class="grow"></span>
          <span class="actions"><slot name="secondary-actions"></slot><slot name="primary-action"></slot></span>
        </header>
        <slot name="supplemental-start"></slot>
        <div class="columns"><div class="main"><slot></slot></div><div class="aside" data-holder hidden><slot name="aside" data-optional></slot></div></div>
      </div>`;
    hideEmptySlots(this.root);
    const columns = this.el(".columns");
    const aside = this.el<HTMLSlotElement>('slot[name="aside"]');
    aside.addEventListener("slotchange", () => columns.classList.toggle("two", aside.assignedNodes().length > 0));
  }

  protected override update(): void {
    this.el("h1").textContent = this.str("heading");
    this.el<HTMLElement>("header").hidden = embedded();
  }
}

class SSection extends PolarisElement {
  static override attrs: Attrs = {
    heading: text(),
    subheading: text(),
    padding: text("base"),
    accessibilityLabel: text(),
  };
  static override css = `
    :host { display: block; }
    section { display: flex; flex-direction: column; gap: 12px; }
    section.card { position: relative; background: var(--p-color-bg-surface); border-radius: 12px; padding: 16px; box-shadow: var(--p-shadow-100); }
    section.card::before { content: ""; position: absolute; inset: 0; z-index: 32; border-radius: inherit; box-shadow: var(--p-shadow-bevel-100); pointer-events: none; mix-blend-mode: luminosity; }
    section.card.flush { padding: 0; gap: 0; overflow: clip; }
    section.flush header { padding: 16px 16px 12px; }
    header { display: flex; gap: 8px; align-items: center; }
    header[hidden] { display: none; }
    .titles { flex: 1; min-inline-size: 0; }
    h2, h3, h4 { margin: 0; font-size: 14px; line-height: 20px; font-weight: var(--p-font-weight-semibold); }
    h3, h4 { font-size: 13px; }
    p { margin: 0; color: var(--p-color-text-secondary); }
    p:empty { display: none; }
    .body { display: flex; flex-direction: column; gap: 12px; min-inline-size: 0; }
    .flush .body { gap: 0; }
  `;

  protected build(): void {
    const depth = sectionDepth(this);
    const tag = `h${Math.min(4, 2 + depth)}`;
    this.root.innerHTML = `
      <section class="${depth === 0 ? "card" : ""}">
        <header><slot name="graphic"></slot><div class="titles"><${tag} class="heading"></${tag}><p></p></div>
          <slot name="accessory"></slot><slot name="secondary-actions"></slot><slot name="primary-action"></slot></header>
        <div class="body"><slot></slot></div><slot name="supplemental"></slot>
      </section>`;
    for (const slot of this.root.querySelectorAll<HTMLSlotElement>("header slot"))
      slot.addEventListener("slotchange", () => this.update());
  }

  protected override update(): void {
    const heading = this.str("heading");
    const section = this.el("section");
    this.el(".heading").textContent = heading;
    this.el("p").textContent = this.str("subheading");
    const actions = [...this.root.querySelectorAll<HTMLSlotElement>("header slot")];
    this.el<HTMLElement>("header").hidden = !heading && actions.every((slot) => slot.assignedNodes().length === 0);
    section.classList.toggle("flush", this.str("padding") === "none");
    const label = this.str("accessibilitylabel") || heading;
    if (label) section.setAttribute("aria-label", label);
    else section.removeAttribute("aria-label");
  }
}

class SEmptyState extends PolarisElement {
  static override attrs: Attrs = { heading: text() };
  static override css = `
    :host { display: flex; flex-direction: column; align-items: center; gap: 8px; padding: 32px 20px; text-align: center; }
    h2 { margin: 0; font-size: 14px; line-height: 20px; font-weight: var(--p-font-weight-semibold); }
    .sub { color: var(--p-color-text-secondary); max-inline-size: 400px; }
    .actions { display: flex; gap: 8px; margin-block-start: 8px; }
  `;

  protected build(): void {
    this.root.innerHTML = `<slot name="graphic"></slot><h2></h2><div class="sub"><slot name="subheading"></slot><slot></slot></div>
      <div class="actions"><slot name="secondary-actions"></slot><slot name="primary-action"></slot></div>`;
    hostRole(this, "group");
  }

  protected override update(): void {
    this.el("h2").textContent = this.str("heading");
  }
}

export function definePage(): void {
  define("s-page", SPage);
  define("s-section", SSection);
  define("s-empty-state", SEmptyState);
}
