import { useState } from "react";
import {
  type Block,
  BLOCK_NAMES,
  blockMessages,
  blockTitle,
  type BlockType,
  MOST_BLOCKS,
  moved,
  newBlock,
  put,
  replaced,
  without,
} from "./blocks";
import { BlockForm } from "./BlockForm";

interface Props {
  blocks: Block[];
  messages: Record<string, string>;
  placeholders: string[];
  change: (blocks: Block[]) => void;
}

/** What was taken away last, so that it can come back where it was. */
interface Removed {
  place: number;
  block: Block;
}

/** The blocks of the message in their order. The footer follows them by itself. */
export function BlocksEditor({ blocks, messages, placeholders, change }: Props) {
  const [removed, setRemoved] = useState<Removed | null>(null);
  const act = (next: Block[], taken: Removed | null = null) => {
    setRemoved(taken);
    change(next);
  };
  const move = (from: number, to: number) => {
    act(moved(blocks, from, to));
    // The block takes the focus along: who moves it up thrice presses the key thrice.
    requestAnimationFrame(() => document.getElementById(`block-${to}-${to < from ? "up" : "down"}`)?.focus());
  };
  return (
    <s-stack gap="base">
      {messages.blocks !== undefined && <s-text tone="critical">{messages.blocks}</s-text>}
      {blocks.map((block, place) => (
        <section key={place} className="encore-block" aria-label={blockTitle(place, block)}>
          <BlockHead
            block={block}
            place={place}
            last={place === blocks.length - 1}
            move={move}
            remove={() => act(without(blocks, place), { place, block })}
          />
          <BlockForm
            place={place}
            block={block}
            messages={blockMessages(messages, place)}
            placeholders={placeholders}
            onChange={(next) => act(replaced(blocks, place, next))}
          />
        </section>
      ))}
      {removed !== null && (
        <div role="status" className="encore-block-removed">
          <s-text>{BLOCK_NAMES[removed.block.type]} removed.</s-text>
          <s-button variant="tertiary" onClick={() => act(put(blocks, removed.place, removed.block))}>
            Undo
          </s-button>
        </div>
      )}
      <AddMenu full={blocks.length >= MOST_BLOCKS} add={(type) => act([...blocks, newBlock(type)])} />
      <s-text color="subdued">
        Company, postal address and the unsubscribe link stand below every message; they can't be taken out.
      </s-text>
    </s-stack>
  );
}

interface HeadProps {
  block: Block;
  place: number;
  last: boolean;
  move: (from: number, to: number) => void;
  remove: () => void;
}

function BlockHead({ block, place, last, move, remove }: HeadProps) {
  const title = blockTitle(place, block);
  return (
    <div className="encore-block-head">
      <s-heading>{BLOCK_NAMES[block.type]}</s-heading>
      <s-stack direction="inline" gap="small-200">
        <s-button
          id={`block-${place}-up`}
          variant="tertiary"
          icon="arrow-up"
          accessibilityLabel={`Move up: ${title}`}
          disabled={place === 0}
          onClick={() => move(place, place - 1)}
        />
        <s-button
          id={`block-${place}-down`}
          variant="tertiary"
          icon="arrow-down"
          accessibilityLabel={`Move down: ${title}`}
          disabled={last}
          onClick={() => move(place, place + 1)}
        />
        <s-button variant="tertiary" icon="delete" accessibilityLabel={`Remove: ${title}`} onClick={remove} />
      </s-stack>
    </div>
  );
}

function AddMenu({ full, add }: { full: boolean; add: (type: BlockType) => void }) {
  if (full) return <s-text color="subdued">A message has at most {MOST_BLOCKS} blocks.</s-text>;
  return (
    <s-box>
      <s-button icon="plus" commandFor="add-block">
        Add block
      </s-button>
      <s-menu id="add-block" accessibilityLabel="Kinds of blocks">
        {(Object.keys(BLOCK_NAMES) as BlockType[]).map((type) => (
          <s-button key={type} onClick={() => add(type)}>
            {BLOCK_NAMES[type]}
          </s-button>
        ))}
      </s-menu>
    </s-box>
  );
}
