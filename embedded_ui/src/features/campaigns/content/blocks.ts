import type { Campaign } from "@/shared/api/types";

export type Block = Campaign["content"]["blocks"][number];
export type BlockType = Block["type"];

export const MOST_BLOCKS = 40;
export const BLOCK_NAMES: Record<BlockType, string> = {
  text: "Text",
  image: "Picture",
  product: "Product",
  button: "Button",
  discount: "Discount",
  divider: "Line",
};

/** A block as it is added: with what most merchants want. */
export function newBlock(type: BlockType): Block {
  switch (type) {
    case "text":
      return { type, html: "" };
    case "image":
      return { type, url: "", alt: "", href: "", width: 100 };
    case "product":
      return { type, show_image: true, button_label: "Have a look", to: "product" };
    case "button":
      return { type, label: "Have a look", to: "product", url: "" };
    case "discount":
      return { type, heading: "" };
    case "divider":
      return { type };
  }
}

/** "Block 2, text": how a block is called where several are spoken of. Places count from 0. */
export function blockTitle(place: number, block: Block): string {
  return `Block ${place + 1}, ${BLOCK_NAMES[block.type].toLowerCase()}`;
}

/** The blocks with one at another place. */
export function moved(blocks: readonly Block[], from: number, to: number): Block[] {
  const rest = blocks.filter((_, place) => place !== from);
  const block = blocks[from];
  return block === undefined ? [...blocks] : [...rest.slice(0, to), block, ...rest.slice(to)];
}

export function without(blocks: readonly Block[], place: number): Block[] {
  return blocks.filter((_, one) => one !== place);
}

export function put(blocks: readonly Block[], place: number, block: Block): Block[] {
  return [...blocks.slice(0, place), block, ...blocks.slice(place)];
}

export function replaced(blocks: readonly Block[], place: number, block: Block): Block[] {
  return blocks.map((one, index) => (index === place ? block : one));
}

/** The messages of one block by its own fields: "blocks.2.url" is "url" of the third. */
export function blockMessages(messages: Record<string, string>, place: number): Record<string, string> {
  const start = `blocks.${place}.`;
  return Object.fromEntries(
    Object.entries(messages)
      .filter(([field]) => field.startsWith(start))
      .map(([field, message]) => [field.slice(start.length), message]),
  );
}

/** Which block a refusal speaks of: "content.blocks.2.url" → 2; null if of none. */
export function blockOf(field: string | null): number | null {
  const found = /(?:^|\.)blocks\.(\d+)\./.exec(field ?? "");
  return found?.[1] === undefined ? null : Number(found[1]);
}
