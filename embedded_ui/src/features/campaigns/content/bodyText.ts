/**
 * The words of a text block as plain text with a little formatting, and back. Merchants write
 * `**bold**` and `[words](https://address)`; the campaign stores the HTML that it means.
 */
const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " " };
const LINK = /\[([^[\]\n]+)\]\((https?:\/\/[^\s()"]+)\)/g;
const LINK_HTML = /<a href="(https?:\/\/[^\s()"]+)"(?: rel="[^"]*")?>([^<[\]\n]+)<\/a>/gi;
const BOLD = /\*\*([^*\n]+)\*\*/g;
const BOLD_HTML = /<(b|strong)>([^<*\n]+)<\/\1>/gi;

function unescape(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (entity) => ENTITIES[entity] ?? entity);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Paragraphs separated by an empty line; null when the HTML says more than text can here. */
export function toText(html: string): string | null {
  const marked = html
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replace(BOLD_HTML, "**$2**")
    .replace(LINK_HTML, "[$2]($1)")
    .replace(/<br\s*\/?>\s*/gi, "\n")
    .replace(/<\/p>\s*<p>/gi, "\n\n")
    .replace(/^<p>|<\/p>$/gi, "");
  return /<[a-z/!]/i.test(marked) ? null : unescape(marked);
}

/** The HTML of paragraphs separated by empty lines. */
export function toHtml(text: string): string {
  return text
    .split(/\n{2,}/)
    .map((paragraph) => {
      const rich = escape(paragraph).replace(LINK, '<a href="$2">$1</a>').replace(BOLD, "<b>$1</b>");
      return `<p>${rich.replaceAll("\n", "<br>")}</p>`;
    })
    .join("");
}

/** A placeholder as it stands in a text: "Customer First Name" → "[Customer First Name]". */
export function bracketed(placeholder: string): string {
  return placeholder.startsWith("[") ? placeholder : `[${placeholder}]`;
}
