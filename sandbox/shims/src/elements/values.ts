/**
 * Attribute values of layout elements → CSS: spacing words, shorthands, border shorthand, and the
 * responsive form `@container [name] (condition) value, otherwise`.
 */
import { flag, text, type Attrs } from "./core";

/** Spacing words to pixels. The scale's names are Shopify's; its middle, `base`, is 16 px. */
const SPACE: Readonly<Record<string, string>> = {
  none: "0",
  "small-500": "1px",
  "small-400": "2px",
  "small-300": "4px",
  "small-200": "8px",
  "small-100": "12px",
  small: "12px",
  base: "16px",
  large: "20px",
  "large-100": "20px",
  "large-200": "24px",
  "large-300": "32px",
  "large-400": "40px",
  "large-500": "48px",
};

const RADIUS: Readonly<Record<string, string>> = {
  none: "0",
  "small-200": "2px",
  "small-100": "4px",
  small: "4px",
  base: "8px",
  large: "12px",
  "large-100": "12px",
  "large-200": "16px",
  max: "9999px",
};

const BORDER_WIDTH: Readonly<Record<string, string>> = {
  none: "0",
  "small-100": "0.5px",
  small: "0.66px",
  base: "1px",
  large: "2px",
  "large-100": "4px",
};

const BORDER_COLOR: Readonly<Record<string, string>> = {
  subdued: "var(--shim-color-border-secondary)",
  base: "var(--shim-color-border)",
  strong: "var(--shim-color-border-tertiary)",
};

const BACKGROUND: Readonly<Record<string, string>> = {
  transparent: "transparent",
  subdued: "var(--shim-color-bg-surface-secondary)",
  base: "var(--shim-color-bg-surface)",
  strong: "var(--shim-color-bg-surface-tertiary)",
};

const words = (table: Readonly<Record<string, string>>) => (value: string): string =>
  value.trim().split(/\s+/).map((word) => table[word] ?? word).join(" ");

export const space = words(SPACE);
export const radius = words(RADIUS);
export const background = (value: string): string => BACKGROUND[value.trim()] ?? "transparent";

/** Splits at commas outside parentheses. */
function splitTop(value: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < value.length; i += 1) {
    const char = value[i];
    if (char === "(") depth += 1;
    else if (char === ")") depth -= 1;
    else if (char === "," && depth === 0) {
      parts.push(value.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, value.slice(start)].map((part) => part.trim());
}

/** One declaration for the host; a responsive value becomes the plain case plus @container rules. */
export function declare(property: string, raw: string, convert: (value: string) => string): string {
  const host = (value: string) => `:host{${property}:${convert(value)}}`;
  if (!raw.trim().startsWith("@container")) return host(raw);
  const branches = splitTop(raw.trim());
  let css = "";
  for (const branch of branches.reverse()) {
    const match = /^@container\s+(?:([\w-]+)\s+)?((?:\(.*\)|and|or|not|\s)+?)\s+([^()]+)$/.exec(branch);
    // The name is part of each query: an unnamed one would match any container, not ours alone.
    css += match ? `@container ${match[1] ?? "s-default"} ${match[2]}{${host(match[3] ?? "")}}` : host(branch);
  }
  return css;
}

/** `border="base"`, `"base strong"`, `"large-100 strong dashed"`. */
function border(value: string): string {
  const [width = "none", color = "base", style = "auto"] = value.trim().split(/\s+/);
  if (width === "none") return "none";
  return `${BORDER_WIDTH[width] ?? width} ${style === "auto" ? "solid" : style} ${BORDER_COLOR[color] ?? color}`;
}

export const BOX_ATTRS: Attrs = {
  background: text("transparent"),
  border: text("none"),
  borderWidth: text(),
  borderStyle: text(),
  borderColor: text(),
  borderRadius: text("none"),
  padding: text("none"),
  paddingBlock: text(),
  paddingBlockStart: text(),
  paddingBlockEnd: text(),
  paddingInline: text(),
  paddingInlineStart: text(),
  paddingInlineEnd: text(),
  display: text("auto"),
  blockSize: text("auto"),
  minBlockSize: text("0"),
  maxBlockSize: text("none"),
  inlineSize: text("auto"),
  minInlineSize: text("0"),
  maxInlineSize: text("none"),
  accessibilityVisibility: text("visible"),
  accessibilityRole: text("generic"),
  accessibilityLabel: text(),
  overflow: text("visible"),
};

export const ACTION_ATTRS: Attrs = {
  href: text(),
  target: text("auto"),
  download: text(),
  commandFor: text(),
  command: text("--auto"),
  interestFor: text(),
  accessibilityLabel: text(),
  disabled: flag(),
  type: text("button"),
};

const same = (value: string): string => value;
const BOX_RULES: readonly (readonly [string, string, (value: string) => string])[] = [
  ["background", "background", background],
  ["border", "border", border],
  ["borderwidth", "border-width", words(BORDER_WIDTH)],
  ["borderstyle", "border-style", same],
  ["bordercolor", "border-color", words(BORDER_COLOR)],
  ["borderradius", "border-radius", radius],
  ["padding", "padding", space],
  ["paddingblock", "padding-block", space],
  ["paddingblockstart", "padding-block-start", space],
  ["paddingblockend", "padding-block-end", space],
  ["paddinginline", "padding-inline", space],
  ["paddinginlinestart", "padding-inline-start", space],
  ["paddinginlineend", "padding-inline-end", space],
  ["blocksize", "block-size", same],
  ["minblocksize", "min-block-size", same],
  ["maxblocksize", "max-block-size", same],
  ["inlinesize", "inline-size", same],
  ["mininlinesize", "min-inline-size", same],
  ["maxinlinesize", "max-inline-size", same],
  ["overflow", "overflow", same],
];

/** The host's CSS for every box attribute that is present. */
export function boxCss(element: HTMLElement, ordinaryDisplay: string): string {
  let css = "";
  for (const [attribute, property, convert] of BOX_RULES) {
    const raw = element.getAttribute(attribute);
    if (raw) css += declare(property, raw, convert);
  }
  const display = element.getAttribute("display");
  if (display) css += declare("display", display, (value) => (value.trim() === "none" ? "none" : ordinaryDisplay));
  if (element.getAttribute("accessibilityvisibility") === "exclusive") css += EXCLUSIVE;
  return css;
}

/** Seen by assistive technology only. */
export const EXCLUSIVE =
  ":host{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap}";

const ROLES: Readonly<Record<string, string>> = {
  header: "banner",
  footer: "contentinfo",
  section: "region",
  aside: "complementary",
  "ordered-list": "list",
  "unordered-list": "list",
  "list-item": "listitem",
  "list-item-separator": "separator",
};

/** Carries accessibilityRole, -Label and -Visibility over to ARIA. */
export function applyAria(element: HTMLElement): void {
  const role = element.getAttribute("accessibilityrole");
  if (role && role !== "generic") element.setAttribute("role", ROLES[role] ?? role);
  const label = element.getAttribute("accessibilitylabel");
  if (label) element.setAttribute("aria-label", label);
  if (element.getAttribute("accessibilityvisibility") === "hidden") element.setAttribute("aria-hidden", "true");
}
