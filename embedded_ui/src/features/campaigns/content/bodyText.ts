/**
 * The words of an e-mail as paragraphs of plain text, and back. Merchants write text; the campaign
 * stores the little HTML that it means.
 */
const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " " };

function unescape(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39|nbsp);/g, (entity) => ENTITIES[entity] ?? entity);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Paragraphs separated by an empty line; null when the HTML says more than paragraphs and line breaks. */
export function toText(html: string): string | null {
  const marked = html
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replace(/<br\s*\/?>\s*/gi, "\n")
    .replace(/<\/p>\s*<p>/gi, "\n\n")
    .replace(/^<p>|<\/p>$/gi, "");
  return /<[a-z/!]/i.test(marked) ? null : unescape(marked);
}

/** The HTML of paragraphs separated by empty lines. */
export function toHtml(text: string): string {
  return text
    .split(/\n{2,}/)
    .map((paragraph) => `<p>${escape(paragraph).replaceAll("\n", "<br>")}</p>`)
    .join("");
}

/** A placeholder as it stands in a text: "Customer First Name" → "[Customer First Name]". */
export function bracketed(placeholder: string): string {
  return placeholder.startsWith("[") ? placeholder : `[${placeholder}]`;
}
