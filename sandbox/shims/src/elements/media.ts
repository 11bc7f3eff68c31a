/** s-icon, s-spinner, s-image, s-thumbnail, s-avatar. */
import icons from "virtual:icons";

import { define, escapeHtml, PolarisElement, text, type Attrs } from "./core";
import { applyAria, boxCss, declare, radius } from "./values";

/** Names that the web components have and the published icon package has under another name. */
const ALIASES: Readonly<Record<string, string>> = {
  "arrow-up-right": "external",
  download: "import",
  "check-circle-filled": "check-circle",
  "chevron-down-circle": "chevron-down",
  circle: "status",
  "filter-active": "filter",
  "image-none": "image",
  "in-progress": "status",
  incomplete: "status",
};

/** The 20×20 drawing of an icon; an empty square for a name that the package lacks. */
export function iconSvg(name: string): string {
  const body = icons[name] ?? icons[ALIASES[name] ?? ""] ?? "";
  return `<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" focusable="false">${body}</svg>`;
}

export const hasIcon = (name: string): boolean => name in icons || name in ALIASES;

class SIcon extends PolarisElement {
  static override attrs: Attrs = {
    type: text(),
    tone: text("auto"),
    color: text("base"),
    size: text("base"),
    interestFor: text(),
  };
  static override css = `
    :host { display: inline-flex; color: var(--p-color-icon); inline-size: 20px; block-size: 20px; flex: none; }
    :host([size="small"]) { inline-size: 16px; block-size: 16px; }
    svg { inline-size: 100%; block-size: 100%; }
    :host([color="subdued"]), :host([tone="neutral"]) { color: var(--p-color-icon-secondary); }
    :host([tone="info"]) { color: var(--p-color-icon-info); }
    :host([tone="success"]) { color: var(--p-color-icon-success); }
    :host([tone="caution"]) { color: var(--p-color-icon-caution); }
    :host([tone="warning"]) { color: var(--p-color-icon-warning); }
    :host([tone="critical"]) { color: var(--p-color-icon-critical); }
  `;

  protected build(): void {}

  protected override update(): void {
    this.root.innerHTML = iconSvg(this.str("type"));
  }
}

class SSpinner extends PolarisElement {
  static override attrs: Attrs = { size: text("base"), accessibilityLabel: text() };
  static override css = `
    :host { display: inline-flex; inline-size: 20px; block-size: 20px; color: var(--p-color-icon-secondary); }
    :host([size="large"]) { inline-size: 32px; block-size: 32px; }
    :host([size="large-100"]) { inline-size: 44px; block-size: 44px; }
    svg { inline-size: 100%; block-size: 100%; fill: none; stroke: currentColor; stroke-width: 2.2; stroke-linecap: round; animation: spin 0.7s linear infinite; }
    @keyframes spin { to { transform: rotate(1turn); } }
    @media (prefers-reduced-motion: reduce) { svg { animation-duration: 3s; } }
  `;

  protected build(): void {
    this.root.innerHTML = `<span role="status"><span class="sr"></span></span><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 2.5a7.5 7.5 0 1 1-7.1 5.1"/></svg>`;
  }

  protected override update(): void {
    this.el(".sr").textContent = this.str("accessibilitylabel");
  }
}

/** Shows a picture, passing on its load and error; without a source, a grey placeholder. */
abstract class Picture extends PolarisElement {
  protected build(): void {}

  protected picture(extra = ""): void {
    const src = this.str("src");
    if (!src) {
      this.root.innerHTML = `${extra}<span class="empty">${iconSvg("image")}</span>`;
      return;
    }
    const more = ["srcset", "sizes", "loading"]
      .filter((name) => this.has(name))
      .map((name) => ` ${name}="${escapeHtml(this.str(name))}"`)
      .join("");
    this.root.innerHTML = `${extra}<img src="${escapeHtml(src)}" alt="${escapeHtml(this.str("alt"))}"${more}>`;
    const image = this.el<HTMLImageElement>("img");
    image.addEventListener("load", () => this.emit("load"));
    image.addEventListener("error", () => this.emit("error"));
  }
}

class SImage extends Picture {
  static override attrs: Attrs = {
    src: text(),
    alt: text(),
    srcSet: text(),
    sizes: text(),
    loading: text("eager"),
    inlineSize: text("fill"),
    aspectRatio: text("1/1"),
    objectFit: text("contain"),
    accessibilityRole: text("img"),
    border: text("none"),
    borderColor: text(),
    borderRadius: text("none"),
    borderStyle: text(),
    borderWidth: text(),
  };
  static override css = `
    :host { display: block; overflow: hidden; }
    img { display: block; inline-size: 100%; }
    .empty { display: flex; block-size: 100%; min-block-size: 40px; align-items: center; justify-content: center; background: var(--p-color-bg-surface-secondary); color: var(--p-color-icon-secondary); }
  `;

  protected override update(): void {
    const fill = this.str("inlinesize") !== "auto";
    const sized = fill
      ? `img{aspect-ratio:${this.str("aspectratio") || "auto"};object-fit:${this.str("objectfit") || "contain"}}`
      : ":host{display:inline-block}img{inline-size:auto;max-inline-size:100%}";
    const box = boxCss(this, "block").replace(/:host\{inline-size:[^}]*\}/, "");
    this.picture(`<style>${box}${sized}</style>`);
    applyAria(this);
  }
}

const THUMB_SIZES: Readonly<Record<string, number>> = {
  "small-200": 24,
  "small-100": 32,
  small: 40,
  base: 40,
  large: 60,
  "large-100": 80,
};

class SThumbnail extends Picture {
  static override attrs: Attrs = { src: text(), alt: text(), size: text("base") };
  static override css = `
    :host { display: inline-flex; flex: none; position: relative; overflow: hidden; background: var(--p-color-bg-surface); border-radius: 8px; }
    :host::after { content: ""; position: absolute; inset: 0; border-radius: inherit; box-shadow: var(--p-shadow-border-inset); }
    img { inline-size: 100%; block-size: 100%; object-fit: contain; }
    .empty { display: flex; inline-size: 100%; align-items: center; justify-content: center; color: var(--p-color-icon-secondary); }
  `;

  protected override update(): void {
    const size = THUMB_SIZES[this.str("size") || "base"] ?? 40;
    const corner = size < 40 ? declare("border-radius", "6px", radius) : "";
    this.picture(`<style>:host{inline-size:${size}px;block-size:${size}px}${corner}</style>`);
  }
}

const AVATAR_SIZES: Readonly<Record<string, number>> = {
  "small-200": 20,
  "small-100": 24,
  small: 24,
  base: 28,
  large: 32,
  "large-100": 40,
  "large-200": 48,
};
const AVATAR_COLOURS = ["one", "two", "three", "four", "five", "six", "seven"];

class SAvatar extends PolarisElement {
  static override attrs: Attrs = { initials: text(), src: text(), alt: text(), size: text("base") };
  static override css = `
    :host { display: inline-flex; flex: none; border-radius: 8px; overflow: hidden; align-items: center; justify-content: center; font-weight: var(--p-font-weight-medium); text-transform: uppercase; }
    img { inline-size: 100%; block-size: 100%; object-fit: cover; }
  `;

  protected build(): void {}

  protected override update(): void {
    const size = AVATAR_SIZES[this.str("size") || "base"] ?? 28;
    const initials = this.str("initials");
    const sum = [...initials].reduce((total, char) => total + char.charCodeAt(0), 0);
    const colour = AVATAR_COLOURS[sum % AVATAR_COLOURS.length];
    const paint = initials
      ? `background:var(--shim-color-avatar-${colour}-bg-fill);color:var(--shim-color-avatar-${colour}-text-on-bg-fill)`
      : "background:var(--shim-color-avatar-bg-fill);color:#fff";
    const style = `<style>:host{inline-size:${size}px;block-size:${size}px;font-size:${Math.round(size * 0.42)}px;${paint}}</style>`;
    const src = this.str("src");
    const alt = this.str("alt");
    const inside = src
      ? `<img src="${escapeHtml(src)}" alt="${escapeHtml(alt)}">`
      : `<span aria-hidden="true">${initials ? escapeHtml(initials.slice(0, 2)) : iconSvg("person")}</span><span class="sr">${escapeHtml(alt)}</span>`;
    this.root.innerHTML = style + inside;
    const image = this.root.querySelector("img");
    image?.addEventListener("load", () => this.emit("load"));
    image?.addEventListener("error", () => this.emit("error"));
  }
}

export function defineMedia(): void {
  define("s-icon", SIcon);
  define("s-spinner", SSpinner);
  define("s-image", SImage);
  define("s-thumbnail", SThumbnail);
  define("s-avatar", SAvatar);
}
