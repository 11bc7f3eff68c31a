import type { Campaign } from "@/shared/api/types";
import { otherMessages } from "../steps";
import { SuggestedBadge } from "../SuggestedBadge";
import type { StepProps } from "../WizardPage";
import { BlocksEditor } from "./BlocksEditor";
import { LineWithPlaceholders } from "./InsertMenu";
import { PreviewPanel } from "./PreviewPanel";
import { UtmFields } from "./UtmFields";

const FALLBACK_FOR = "Customer First Name";
const FIELDS = ["subject", "preview_text", "first_name_fallback", "blocks"];

/** The content, and how it looks to one real member. */
export function ContentStep({ campaign, messages, change, saved }: StepProps & { saved: Campaign }) {
  const { content } = campaign;
  const ofBlocks = Object.keys(messages).filter((field) => field.startsWith("blocks.") || field.startsWith("utm."));
  return (
    <s-stack gap="base">
      <s-section heading="Content">
        <s-stack gap="base">
          <SuggestedBadge campaign={campaign} fields={["content.subject", "content.blocks", "content.preview_text"]} />
          {otherMessages(messages, [...FIELDS, ...ofBlocks]).map((message) => (
            <s-text key={message} tone="critical">
              {message}
            </s-text>
          ))}
          <LineWithPlaceholders
            id="subject"
            label="Subject"
            value={content.subject}
            error={messages.subject}
            placeholders={campaign.placeholders}
            onChange={(subject) => change({ content: { subject } })}
          />
          <LineWithPlaceholders
            id="preview-text"
            label="Preview text"
            value={content.preview_text}
            error={messages.preview_text}
            placeholders={campaign.placeholders}
            onChange={(preview_text) => change({ content: { preview_text } })}
          />
          <BlocksEditor
            blocks={content.blocks}
            messages={messages}
            placeholders={campaign.placeholders}
            change={(blocks) => change({ content: { blocks } })}
          />
          <s-text-field
            label={`Instead of [${FALLBACK_FOR}] when no name is known`}
            value={content.first_name_fallback}
            error={messages.first_name_fallback ?? ""}
            onInput={(event) => change({ content: { first_name_fallback: event.currentTarget.value } })}
          />
          <UtmFields utm={campaign.utm} messages={messages} change={change} />
          <s-box>
            <s-button variant="tertiary" icon="reset" onClick={() => change({ reset_content: true })}>
              Put the suggested content back
            </s-button>
          </s-box>
        </s-stack>
      </s-section>
      <PreviewPanel campaign={saved} />
    </s-stack>
  );
}
