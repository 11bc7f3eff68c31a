/** s-heading, s-paragraph, s-text, s-unordered-list, s-ordered-list, s-list-item. */
import { define, hostRole, num, PolarisElement, text, type Attrs } from "./core";
import { applyAria, EXCLUSIVE } from "./values";

const TONES = `
  :host([color="subdued"]) { color: var(--p-color-text-secondary); }
  :host([tone="info"]) { color: var(--p-color-text-info); }
  :host([tone="success"]) { color: var(--p-color-text-success); }
  :host([tone="caution"]) { color: var(--p-color-text-caution); }
  :host([tone="warning"]) { color: var(--p-color-text-warning); }
  :host([tone="critical"]) { color: var(--p-color-text-critical); }
  :host([tone="neutral"]) { color: var(--p-color-text-secondary); }
  :host([fontweight="medium"]) { font-weight: var(--p-font-weight-medium); }
  :host([fontweight="semibold"]) { font-weight: var(--p-font-weight-semibold); }
  :host([fontweight="bold"]) { font-weight: var(--p-font-weight-bold); }
  :host([fontvariantnumeric="tabular-nums"]) { font-variant-numeric: tabular-nums; }
  :host([fontsize="small-200"]) { font-size: 11px; line-height: 12px; }
  :host([fontsize="small-100"]), :host([fontsize="small"]) { font-size: 12px; line-height: 16px; }
  :host([fontsize="base"]) { font-size: 13px; line-height: 20px; }
  :host([fontsize="large"]) { font-size: 14px; line-height: 20px; }
  :host([fontsize="large-100"]) { font-size: 16px; line-height: 24px; }
`;

const TEXT_ATTRS: Attrs = {
  color: text("base"),
  tone: text("auto"),
  fontSize: text("auto"),
  fontWeight: text("auto"),
  fontVariantNumeric: text("auto"),
  accessibilityVisibility: text("visible"),
  dir: text(),
};

function clampCss(element: HTMLElement): string {
  const lines = Number(element.getAttribute("lineclamp"));
  return lines > 0
    ? `:host{display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:${lines};overflow:hidden}`
    : "";
}

abstract class Words extends PolarisElement {
  protected build(): void {
    this.root.innerHTML = "<style></style><slot></slot>";
  }

  protected override update(): void {
    applyAria(this);
    const hidden = this.str("accessibilityvisibility") === "exclusive" ? EXCLUSIVE : "";
    this.el("style").textContent = clampCss(this) + hidden;
  }
}

class SText extends Words {
  static override attrs: Attrs = { ...TEXT_ATTRS, type: text("generic"), interestFor: text() };
  static override css = `
    ${TONES}
    :host([type="strong"]) { font-weight: var(--p-font-weight-semibold); }
    :host([type="address"]) { font-style: normal; }
    :host([type="redundant"]) { text-decoration: line-through; }
  `;
}

class SNumber extends Words {
  static override attrs: Attrs = {
    tone: text("auto"),
    color: text("base"),
    fontSize: text("auto"),
    fontWeight: text("auto"),
    accessibilityVisibility: text("visible"),
    dir: text(),
  };
  static override css = `:host { font-variant-numeric: tabular-nums; } ${TONES}`;
}

class SParagraph extends Words {
  static override attrs: Attrs = { ...TEXT_ATTRS, lineClamp: num(Infinity) };
  static override css = `:host { display: block; overflow-wrap: anywhere; } ${TONES}`;

  protected override build(): void {
    super.build();
    hostRole(this, "paragraph");
  }
}

/** How deep in sections a heading stands decides its level and size, as in the admin. */
export function sectionDepth(element: Element): number {
  let depth = 0;
  for (let at = element.parentElement; at; at = at.parentElement) if (at.localName === "s-section") depth += 1;
  return depth;
}

class SHeading extends Words {
  static override attrs: Attrs = {
    fontSize: text("auto"),
    accessibilityRole: text("heading"),
    accessibilityVisibility: text("visible"),
    lineClamp: num(Infinity),
  };
  static override css = `
    :host { display: block; font-size: 14px; line-height: 20px; font-weight: var(--p-font-weight-semibold); }
    :host([aria-level="3"]), :host([aria-level="4"]) { font-size: 13px; }
    :host([fontsize="small"]) { font-size: 12px; line-height: 16px; }
    :host([fontsize="base"]) { font-size: 13px; line-height: 20px; }
    :host([fontsize="large"]) { font-size: 14px; line-height: 20px; }
    :host([fontsize="large-100"]) { font-size: 16px; line-height: 24px; }
    :host([fontsize="large-200"]) { font-size: 20px; line-height: 24px; letter-spacing: -0.2px; }
    :host([fontsize="large-300"]) { font-size: 24px; line-height: 32px; letter-spacing: -0.2px; font-weight: 700; }
    :host([fontsize="large-400"]) { font-size: 30px; line-height: 40px; letter-spacing: -0.3px; font-weight: 700; }
  `;

  protected override update(): void {
    if (!this.has("accessibilityrole")) {
      hostRole(this, "heading");
      this.setAttribute("aria-level", String(Math.min(4, 2 + sectionDepth(this))));
    }
    super.update();
  }
}

abstract class List extends PolarisElement {
  protected build(): void {
    this.root.innerHTML = "<slot></slot>";
    hostRole(this, "list");
  }
}

class SUnorderedList extends List {
  static override css = ":host{display:flex;flex-direction:column;gap:4px;padding-inline-start:20px;list-style:disc}";
}

class SOrderedList extends List {
  static override css = ":host{display:flex;flex-direction:column;gap:4px;padding-inline-start:20px;list-style:decimal}";
}

class SListItem extends PolarisElement {
  static override css = ":host{display:list-item}";

  protected build(): void {
    this.root.innerHTML = "<slot></slot>";
    hostRole(this, "listitem");
  }
}

export function defineTypography(): void {
  define("s-text", SText);
  define("s-number", SNumber);
  define("s-paragraph", SParagraph);
  define("s-heading", SHeading);
  define("s-unordered-list", SUnorderedList);
  define("s-ordered-list", SOrderedList);
  define("s-list-item", SListItem);
}
