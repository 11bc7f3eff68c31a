/** s-box, s-stack, s-grid, s-grid-item, s-query-container, s-divider. */
import { define, PolarisElement, text, type Attrs } from "./core";
import { applyAria, BOX_ATTRS, boxCss, declare, space } from "./values";

const same = (value: string): string => value;

/** An element whose look is wholly computed from its attributes, on the host itself. */
abstract class Box extends PolarisElement {
  static override attrs: Attrs = BOX_ATTRS;
  static override css = ":host{display:block}";
  protected ordinaryDisplay = "block";

  protected build(): void {
    this.root.innerHTML = "<style></style><slot></slot>";
  }

  protected override update(): void {
    applyAria(this);
    this.el("style").textContent = boxCss(this, this.ordinaryDisplay) + this.ownCss();
  }

  protected ownCss(): string {
    return this.rules([]);
  }

  protected rules(table: readonly (readonly [string, string, (value: string) => string])[]): string {
    return table
      .map(([attribute, property, convert]) => {
        const raw = this.getAttribute(attribute);
        return raw ? declare(property, raw, convert) : "";
      })
      .join("");
  }
}

class SBox extends Box {}

const FLOW = [
  ["gap", "gap", space],
  ["rowgap", "row-gap", space],
  ["columngap", "column-gap", space],
  ["justifycontent", "justify-content", same],
  ["alignitems", "align-items", same],
  ["aligncontent", "align-content", same],
] as const;

class SStack extends Box {
  static override attrs: Attrs = {
    ...BOX_ATTRS,
    direction: text("block"),
    gap: text("none"),
    rowGap: text(),
    columnGap: text(),
    justifyContent: text("normal"),
    alignItems: text("normal"),
    alignContent: text("normal"),
  };
  static override css = ":host{display:flex;flex-direction:column}";
  protected override ordinaryDisplay = "flex";

  protected override ownCss(): string {
    const direction = this.getAttribute("direction") ?? "block";
    const flow = declare("flex-flow", direction, (value) => (value.trim() === "inline" ? "row wrap" : "column nowrap"));
    // A row centres nothing by itself; `normal` would stretch buttons and badges to the row's height.
    const align = this.has("alignitems") ? "" : declare("align-items", direction, (value) => (value.trim() === "inline" ? "start" : "stretch"));
    return flow + align + this.rules(FLOW);
  }
}

class SGrid extends Box {
  static override attrs: Attrs = {
    ...BOX_ATTRS,
    gap: text("none"),
    rowGap: text(),
    columnGap: text(),
    gridTemplateColumns: text("none"),
    gridTemplateRows: text("none"),
    justifyItems: text(),
    alignItems: text(),
    placeItems: text("normal normal"),
    justifyContent: text(),
    alignContent: text(),
    placeContent: text("normal normal"),
  };
  static override css = ":host{display:grid}";
  protected override ordinaryDisplay = "grid";

  protected override ownCss(): string {
    return this.rules([
      ["placeitems", "place-items", same],
      ["placecontent", "place-content", same],
      ...FLOW,
      ["justifyitems", "justify-items", same],
      ["gridtemplatecolumns", "grid-template-columns", same],
      ["gridtemplaterows", "grid-template-rows", same],
    ]);
  }
}

class SGridItem extends Box {
  static override attrs: Attrs = { ...BOX_ATTRS, gridColumn: text("auto"), gridRow: text("auto") };
  static override css = ":host{display:block;min-width:0}";

  protected override ownCss(): string {
    return this.rules([
      ["gridcolumn", "grid-column", same],
      ["gridrow", "grid-row", same],
    ]);
  }
}

class SQueryContainer extends PolarisElement {
  static override attrs: Attrs = { containerName: text() };
  static override css = ":host{display:block;container-type:inline-size}";

  protected build(): void {
    this.root.innerHTML = "<style></style><slot></slot>";
  }

  protected override update(): void {
    this.el("style").textContent = `:host{container-name:s-default ${this.str("containername")}}`;
  }
}

class SDivider extends PolarisElement {
  static override attrs: Attrs = { direction: text("inline"), color: text("base") };
  static override css = `
    :host { display: block; block-size: 1px; inline-size: 100%; background: var(--p-color-border-secondary); }
    :host([color="strong"]) { background: var(--p-color-border-tertiary); }
    :host([direction="block"]) { block-size: auto; align-self: stretch; inline-size: 1px; }
  `;

  protected build(): void {
    if (!this.has("role")) this.setAttribute("role", "separator");
  }
}

export function defineLayout(): void {
  define("s-box", SBox);
  define("s-stack", SStack);
  define("s-grid", SGrid);
  define("s-grid-item", SGridItem);
  define("s-query-container", SQueryContainer);
  define("s-divider", SDivider);
}

export { Box };
