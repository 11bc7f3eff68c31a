/**
 * What every element shares: reflected properties, one shadow root, shared style sheets.
 *
 * Attribute and property names, values and events follow custom-elements.json of
 * @shopify/polaris-types 1.1.0. The shadow DOM is ours: pages must not reach into it.
 */
import tokens from "virtual:tokens";

/** A property that mirrors the lower-cased attribute of the same name. */
export type AttrKind = "string" | "boolean" | "number";
export interface Attr {
  readonly kind: AttrKind;
  /** What the property answers while the attribute is absent. */
  readonly fallback: string | boolean | number;
}
export type Attrs = Readonly<Record<string, Attr>>;

export const text = (fallback = ""): Attr => ({ kind: "string", fallback });
export const flag = (): Attr => ({ kind: "boolean", fallback: false });
export const num = (fallback: number): Attr => ({ kind: "number", fallback });

/**
 * Turns one of our style texts into a sheet; the published `--p-` names become the built ones.
 *
 * In a layer, because adopted sheets come after a shadow root's own <style>: unlayered, the element's
 * ordinary look would win over what its attributes ask for.
 */
export function sheet(css: string): CSSStyleSheet {
  const made = new CSSStyleSheet();
  made.replaceSync(`@layer ordinary {${css.replaceAll("--p-", "--shim-")}}`);
  return made;
}

export const FOCUS_RING = "outline:2px solid var(--p-color-border-focus);outline-offset:1px;";

const SHARED = sheet(`
  :host { box-sizing: border-box; }
  :host([hidden]) { display: none !important; }
  *, *::before, *::after { box-sizing: border-box; }
  button, input, select, textarea { font: inherit; color: inherit; letter-spacing: inherit; }
  svg { display: block; fill: currentColor; }
  .sr { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`);

const PAGE = sheet(`
  :where(html) { font-size: 16px; }
  :where(body) {
    margin: 0;
    background: var(--p-color-bg);
    color: var(--p-color-text);
    font: var(--p-font-weight-regular) 13px/20px var(--p-font-family-sans);
    -webkit-font-smoothing: antialiased;
  }
`);

/** Puts the tokens and the page's ground style into the document, once. */
export function styleDocument(): void {
  const variables = new CSSStyleSheet();
  variables.replaceSync(tokens);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, variables, PAGE];
}

export interface ElementClass {
  new (): PolarisElement;
  attrs: Attrs;
  css: string;
  sheets?: CSSStyleSheet[];
  delegatesFocus?: boolean;
}

export abstract class PolarisElement extends HTMLElement {
  static attrs: Attrs = {};
  static css = "";
  static sheets?: CSSStyleSheet[];
  static delegatesFocus?: boolean;
  static get observedAttributes(): string[] {
    return Object.keys(this.attrs).map((name) => name.toLowerCase());
  }

  protected readonly root: ShadowRoot;
  private built = false;

  constructor() {
    super();
    const type = this.constructor as unknown as ElementClass;
    this.root = this.attachShadow({ mode: "open", delegatesFocus: type.delegatesFocus ?? false });
    // Own property: a subclass must not share its parent's list.
    if (!Object.hasOwn(type, "sheets")) type.sheets = [SHARED, sheet(type.css)];
    this.root.adoptedStyleSheets = type.sheets ?? [];
  }

  connectedCallback(): void {
    this.takeEarlyProperties();
    if (!this.built) {
      this.built = true;
      this.build();
    }
    this.update();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (this.built && before !== after) this.update(name);
  }

  /** Lays out the shadow root, once, on first connection. */
  protected abstract build(): void;

  /** Brings the shadow root in line with the attributes. `changed`: the attribute, if one did. */
  protected update(_changed?: string): void {}

  protected el<T extends Element>(selector: string): T {
    const found = this.root.querySelector<T>(selector);
    if (!found) throw new Error(`${this.localName}: no ${selector} in its shadow root`);
    return found;
  }

  /** The value of a text attribute; "" when absent. */
  protected str(name: string): string {
    return this.getAttribute(name) ?? "";
  }

  protected has(name: string): boolean {
    return this.hasAttribute(name);
  }

  /** Sends an event to the page. React hears `change` and `input` only if they bubble. */
  protected emit(name: string, options: { bubbles?: boolean; cancelable?: boolean; detail?: unknown } = {}): boolean {
    return this.dispatchEvent(new CustomEvent(name, { bubbles: false, ...options }));
  }

  /** Properties that a framework set before the element was defined shadow our accessors: take them over. */
  private takeEarlyProperties(): void {
    const type = this.constructor as unknown as ElementClass;
    for (const name of [...Object.keys(type.attrs), "value", "checked", "values", "files"]) {
      if (!Object.hasOwn(this, name) || !(name in Object.getPrototypeOf(this))) continue;
      const self = this as unknown as Record<string, unknown>;
      const early = self[name];
      delete self[name];
      self[name] = early;
    }
  }
}

function reflect(prototype: object, name: string, attr: Attr): void {
  const attribute = name.toLowerCase();
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    get(this: HTMLElement) {
      const raw = this.getAttribute(attribute);
      if (attr.kind === "boolean") return raw !== null;
      if (raw === null) return attr.fallback;
      return attr.kind === "number" ? Number(raw) : raw;
    },
    set(this: HTMLElement, value: unknown) {
      if (attr.kind === "boolean") this.toggleAttribute(attribute, Boolean(value));
      else if (value === null || value === undefined) this.removeAttribute(attribute);
      else this.setAttribute(attribute, String(value));
    },
  });
}

/** Registers an element, with a reflecting accessor for each attribute that has no accessor of its own. */
export function define(tag: string, type: ElementClass): void {
  for (const [name, attr] of Object.entries(type.attrs)) {
    let owner: object | null = type.prototype;
    let taken = false;
    while (owner && owner !== HTMLElement.prototype) {
      taken ||= Object.hasOwn(owner, name);
      owner = Object.getPrototypeOf(owner) as object | null;
    }
    if (!taken) reflect(type.prototype, name, attr);
  }
  if (!customElements.get(tag)) customElements.define(tag, type);
}

export function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** Gives the host a role for assistive technology, unless the page set one itself. */
export function hostRole(element: HTMLElement, role: string): void {
  if (!element.hasAttribute("role")) element.setAttribute("role", role);
}
