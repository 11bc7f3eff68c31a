import type { Block } from "./blocks";
import { TextBlockForm } from "./TextBlockForm";

type Of<T extends Block["type"]> = Extract<Block, { type: T }>;

interface Props<B extends Block = Block> {
  place: number;
  block: B;
  messages: Record<string, string>;
  placeholders: string[];
  onChange: (block: Block) => void;
}

/** What can be said of one block. */
export function BlockForm(props: Props) {
  const { block, place, messages, placeholders, onChange } = props;
  switch (block.type) {
    case "text":
      return (
        <TextBlockForm
          place={place}
          html={block.html}
          error={messages.html}
          placeholders={placeholders}
          onChange={(html) => onChange({ ...block, html })}
        />
      );
    case "image":
      return <ImageForm {...props} block={block} />;
    case "product":
      return <ProductForm {...props} block={block} />;
    case "button":
      return <ButtonForm {...props} block={block} />;
    case "discount":
      return (
        <s-text-field
          label="Words above the code"
          details="Optional. A message without a code leaves the whole block out."
          value={block.heading}
          maxLength={200}
          error={messages.heading ?? ""}
          onInput={(event) => onChange({ ...block, heading: event.currentTarget.value })}
        />
      );
    case "divider":
      return <s-text color="subdued">A thin line between two blocks.</s-text>;
  }
}

function ImageForm({ block, messages, onChange }: Props<Of<"image">>) {
  return (
    <s-stack gap="small">
      <s-url-field
        label="Address of the picture"
        details="Starts with https://, for example from Content › Files in your Shopify admin"
        value={block.url}
        error={messages.url ?? ""}
        onInput={(event) => onChange({ ...block, url: event.currentTarget.value.trim() })}
      />
      <s-text-field
        label="What the picture shows"
        details="Read out loud, and shown where pictures are off"
        value={block.alt}
        maxLength={300}
        error={messages.alt ?? ""}
        onInput={(event) => onChange({ ...block, alt: event.currentTarget.value })}
      />
      <s-url-field
        label="A click leads to"
        details="Optional"
        value={block.href}
        error={messages.href ?? ""}
        onInput={(event) => onChange({ ...block, href: event.currentTarget.value.trim() })}
      />
      <s-select
        label="Width"
        value={String(block.width)}
        error={messages.width ?? ""}
        onChange={(event) => onChange({ ...block, width: Number(event.currentTarget.value) })}
      >
        {[100, 75, 50, 25].map((width) => (
          <s-option key={width} value={String(width)}>
            {width}%
          </s-option>
        ))}
      </s-select>
    </s-stack>
  );
}

const DESTINATIONS = {
  product: "The product's page",
  cart: "A cart with the product in it",
  url: "An address of your own",
} as const;

interface DestinationProps<T extends keyof typeof DESTINATIONS> {
  value: T;
  among: readonly T[];
  onChange: (to: T) => void;
}

function Destination<T extends keyof typeof DESTINATIONS>({ value, among, onChange }: DestinationProps<T>) {
  return (
    <s-select
      label="A click leads to"
      details={value === "cart" ? "The variant and quantity bought last, with the discount code if there is one" : ""}
      value={value}
      onChange={(event) => {
        const to = among.find((one) => one === event.currentTarget.value);
        if (to !== undefined) onChange(to);
      }}
    >
      {among.map((to) => (
        <s-option key={to} value={to}>
          {DESTINATIONS[to]}
        </s-option>
      ))}
    </s-select>
  );
}

function ProductForm({ block, messages, onChange }: Props<Of<"product">>) {
  return (
    <s-stack gap="small">
      <s-text color="subdued">The product that Encore picks for each customer, with its name.</s-text>
      <s-checkbox
        label="Show the product's picture"
        checked={block.show_image}
        onChange={(event) => onChange({ ...block, show_image: event.currentTarget.checked })}
      />
      <s-text-field
        label="Button"
        details="Leave empty for no button"
        value={block.button_label}
        maxLength={100}
        error={messages.button_label ?? ""}
        onInput={(event) => onChange({ ...block, button_label: event.currentTarget.value })}
      />
      <Destination value={block.to} among={["product", "cart"]} onChange={(to) => onChange({ ...block, to })} />
    </s-stack>
  );
}

function ButtonForm({ block, messages, onChange }: Props<Of<"button">>) {
  return (
    <s-stack gap="small">
      <s-text-field
        label="Label"
        value={block.label}
        maxLength={100}
        error={messages.label ?? ""}
        onInput={(event) => onChange({ ...block, label: event.currentTarget.value })}
      />
      <Destination value={block.to} among={["product", "cart", "url"]} onChange={(to) => onChange({ ...block, to })} />
      {block.to === "url" && (
        <s-url-field
          label="Address"
          details="Starts with https://"
          value={block.url}
          error={messages.url ?? ""}
          onInput={(event) => onChange({ ...block, url: event.currentTarget.value.trim() })}
        />
      )}
    </s-stack>
  );
}
