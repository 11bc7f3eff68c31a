/** s-table and its parts. Wide: rows and columns; narrow: each row becomes an item laid out by the headers' listSlot. */
import { define, flag, FOCUS_RING, hostRole, PolarisElement, text, type Attrs } from "./core";
import { iconSvg } from "./media";

/** Below this width, `variant="auto"` turns into a list. */
const LIST_BELOW = 490;

interface Column {
  readonly slot: string;
  readonly format: string;
  readonly words: string;
}

class STable extends PolarisElement {
  static override attrs: Attrs = { variant: text("auto"), loading: flag(), paginate: flag(), hasNextPage: flag(), hasPreviousPage: flag() };
  static override css = `
    :host { display: block; position: relative; min-inline-size: 0; }
    .scroll { overflow-x: auto; }
    .table { display: table; inline-size: 100%; border-collapse: collapse; }
    .list .table { display: block; }
    .loading .scroll { opacity: 0.5; }
    .bar { display: none; position: absolute; inset: 0 0 auto; block-size: 2px; overflow: hidden; z-index: 1; }
    .loading .bar { display: block; }
    .bar::after { content: ""; display: block; inline-size: 40%; block-size: 100%; background: var(--p-color-border-focus); animation: slide 1s linear infinite; }
    @keyframes slide { from { translate: -100%; } to { translate: 250%; } }
    .filters { padding: 8px 12px; border-block-end: 1px solid var(--p-color-border-secondary); }
    .filters[hidden] { display: none; }
    footer { display: flex; gap: 2px; align-items: center; justify-content: center; padding: 8px; background: var(--p-color-bg-surface-secondary); border-block-start: 1px solid var(--p-color-border-secondary); }
    footer[hidden] { display: none; }
    button { all: unset; cursor: pointer; display: flex; padding: 4px; background: var(--p-color-bg-fill-tertiary); }
    button:first-child { border-radius: 8px 0 0 8px; }
    button:last-child { border-radius: 0 8px 8px 0; }
    button:hover { background: var(--p-color-bg-fill-tertiary-hover); }
    button:focus-visible { ${FOCUS_RING} }
    button:disabled { color: var(--p-color-icon-disabled); cursor: default; background: var(--p-color-bg-fill-disabled); }
  `;
  private readonly sizes = new ResizeObserver(() => this.arrange());
  private readonly rows = new MutationObserver(() => this.arrange());

  protected build(): void {
    this.root.innerHTML = `
      <div class="all"><div class="bar"></div>
        <div class="filters" hidden><slot name="filters"></slot></div>
        <div class="scroll"><div class="table"><slot></slot></div></div>
        <footer hidden><button type="button" aria-label="Previous page">${iconSvg("chevron-left")}</button><button type="button" aria-label="Next page">${iconSvg("chevron-right")}</button></footer>
      </div>`;
    hostRole(this, "table");
    const [previous, next] = this.root.querySelectorAll("button");
    previous?.addEventListener("click", () => this.emit("previouspage"));
    next?.addEventListener("click", () => this.emit("nextpage"));
    const filters = this.el<HTMLSlotElement>('slot[name="filters"]');
    filters.addEventListener("slotchange", () => {
      this.el<HTMLElement>(".filters").hidden = filters.assignedNodes().length === 0;
    });
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.sizes.observe(this);
    this.rows.observe(this, { childList: true, subtree: true, characterData: true });
  }

  disconnectedCallback(): void {
    this.sizes.disconnect();
    this.rows.disconnect();
  }

  protected override update(): void {
    const [previous, next] = this.root.querySelectorAll("button");
    this.el<HTMLElement>("footer").hidden = !this.has("paginate");
    if (previous) previous.disabled = !this.has("haspreviouspage") || this.has("loading");
    if (next) next.disabled = !this.has("hasnextpage") || this.has("loading");
    this.el(".all").classList.toggle("loading", this.has("loading"));
    this.setAttribute("aria-busy", String(this.has("loading")));
    this.arrange();
  }

  /** Tells each part how it stands: as a table or as a list, and under which header. */
  private arrange(): void {
    const list = this.str("variant") === "list" || (this.clientWidth > 0 && this.clientWidth < LIST_BELOW);
    this.el(".all").classList.toggle("list", list);
    const columns = [...this.querySelectorAll("s-table-header")].map<Column>((header) => ({
      slot: header.getAttribute("listslot") ?? "labeled",
      format: header.getAttribute("format") ?? "base",
      words: (header.textContent ?? "").trim(),
    }));
    for (const part of this.querySelectorAll<Part>("s-table-header-row, s-table-body, s-table-row, s-table-header"))
      if (part instanceof Part) part.stand(list);
    for (const row of this.querySelectorAll("s-table-row")) {
      [...row.children].filter((cell): cell is STableCell => cell instanceof STableCell)
        .forEach((cell, i) => cell.under(list, columns[i]));
    }
  }
}

abstract class Part extends PolarisElement {
  protected role_ = "";

  protected build(): void {
    this.root.innerHTML = `<slot></slot>`;
    if (this.role_) hostRole(this, this.role_);
  }

  /** Switches between table and list; only a change touches the document. */
  stand(list: boolean): void {
    if (this.hasAttribute("data-list") !== list) this.toggleAttribute("data-list", list);
  }
}

class STableHeaderRow extends Part {
  protected override role_ = "row";
  static override css = `
    :host { display: table-row; background: var(--p-color-bg-surface-secondary); }
    :host([data-list]) { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); display: block; }
  `;
}

class STableHeader extends Part {
  protected override role_ = "columnheader";
  static override attrs: Attrs = { listSlot: text("labeled"), format: text("base") };
  static override css = `
    :host { display: table-cell; padding: 8px 6px; text-align: start; vertical-align: middle; font-size: 12px; line-height: 16px; font-weight: var(--p-font-weight-medium); color: var(--p-color-text-secondary); white-space: nowrap; }
    :host(:first-child) { padding-inline-start: 12px; }
    :host(:last-child) { padding-inline-end: 12px; }
    :host([format="numeric"]), :host([format="currency"]) { text-align: end; }
  `;
}

class STableBody extends Part {
  protected override role_ = "rowgroup";
  static override css = `:host { display: table-row-group; } :host([data-list]) { display: block; }`;
}

const INTERACTIVE = "a, button, input, select, textarea, s-button, s-link, s-checkbox, s-clickable, s-switch, s-select";

class STableRow extends Part {
  protected override role_ = "row";
  static override attrs: Attrs = { clickDelegate: text() };
  static override css = `
    :host { display: table-row; }
    :host([clickdelegate]) { cursor: pointer; }
    :host(:hover) { background: var(--p-color-bg-surface-hover); }
    :host([data-list]) { display: grid; grid-template-columns: 1fr auto; gap: 2px 8px; padding: 10px 12px; border-block-start: 1px solid var(--p-color-border-secondary); }
    :host([data-list]:first-child) { border-block-start: 0; }
  `;

  protected override build(): void {
    super.build();
    this.addEventListener("click", (event) => {
      const id = this.str("clickdelegate");
      const inside = event.composedPath().some((node) => node !== this && node instanceof Element && this.contains(node) && node.matches(INTERACTIVE));
      if (!id || inside) return;
      const target = (this.getRootNode() as Document | ShadowRoot).getElementById(id);
      // Through the inner control, so that links navigate and boxes tick as if they had been pressed.
      (target?.shadowRoot?.querySelector<HTMLElement>(".control, #control") ?? target)?.click();
    });
  }
}

class STableCell extends PolarisElement {
  static override css = `
    :host { display: table-cell; padding: 6px; text-align: start; vertical-align: middle; block-size: 32px; border-block-start: 1px solid var(--p-color-border-secondary); }
    :host(:first-child) { padding-inline-start: 12px; }
    :host(:last-child) { padding-inline-end: 12px; }
    :host([data-format="numeric"]), :host([data-format="currency"]) { text-align: end; font-variant-numeric: tabular-nums; }
    :host([data-list]) { display: block; padding: 0; border: 0; block-size: auto; grid-column: 1 / -1; text-align: start; }
    :host([data-list][data-slot="kicker"]) { order: -2; font-size: 12px; line-height: 16px; color: var(--p-color-text-secondary); }
    :host([data-list][data-slot="primary"]) { order: -1; grid-column: 1; font-weight: var(--p-font-weight-semibold); }
    :host([data-list][data-slot="inline"]) { order: -1; grid-column: 2; }
    :host([data-list][data-slot="secondary"]) { color: var(--p-color-text-secondary); }
    :host([data-list][data-slot="labeled"]) { display: flex; justify-content: space-between; gap: 8px; }
    :host([data-list][data-slot="labeled"])::before { content: attr(data-name); color: var(--p-color-text-secondary); }
  `;

  protected build(): void {
    this.root.innerHTML = "<slot></slot>";
    hostRole(this, "cell");
  }

  under(list: boolean, column: Column | undefined): void {
    if (this.hasAttribute("data-list") !== list) this.toggleAttribute("data-list", list);
    const set = (name: string, value: string) => {
      if (this.getAttribute(name) !== value) this.setAttribute(name, value);
    };
    set("data-format", column?.format ?? "base");
    set("data-slot", column?.slot ?? "labeled");
    set("data-name", column?.words ?? "");
  }
}

export function defineTable(): void {
  define("s-table-header-row", STableHeaderRow);
  define("s-table-header", STableHeader);
  define("s-table-body", STableBody);
  define("s-table-cell", STableCell);
  define("s-table-row", STableRow);
  define("s-table", STable);
}
