import { useRef, useState } from "react";
import type { Campaign } from "@/shared/api/types";
import { bracketed, toHtml, toText } from "./bodyText";
import { PreviewPanel } from "./PreviewPanel";
import { otherMessages } from "./steps";
import { SuggestedBadge } from "./SuggestedBadge";
import type { StepProps } from "./WizardPage";

const FIELDS = ["subject", "preview_text", "body_html", "button_label", "first_name_fallback"];
const FALLBACK_FOR = "Customer First Name";

/** The words, and how they look to one real member. */
export function ContentStep({ campaign, messages, change, saved }: StepProps & { saved: Campaign }) {
  const { content } = campaign;
  return (
    <s-stack gap="base">
      <s-section heading="Content">
        <s-stack gap="base">
          <SuggestedBadge campaign={campaign} fields={["content.subject", "content.body_html", "content.preview_text"]} />
          {otherMessages(messages, FIELDS).map((message) => (
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
          <BodyField
            html={content.body_html}
            error={messages.body_html}
            placeholders={campaign.placeholders}
            onChange={(body_html) => change({ content: { body_html } })}
          />
          <s-text-field
            label="Button"
            details="Leads to the recommended product"
            value={content.button_label}
            error={messages.button_label ?? ""}
            onInput={(event) => change({ content: { button_label: event.currentTarget.value } })}
          />
          <s-text-field
            label={`Instead of [${FALLBACK_FOR}] when no name is known`}
            value={content.first_name_fallback}
            error={messages.first_name_fallback ?? ""}
            onInput={(event) => change({ content: { first_name_fallback: event.currentTarget.value } })}
          />
          <s-checkbox
            label="Show the product's image"
            checked={content.show_image}
            onChange={(event) => change({ content: { show_image: event.currentTarget.checked } })}
          />
          <s-box>
            <s-button variant="tertiary" icon="reset" onClick={() => change({ reset_content: true })}>
              Put the suggested text back
            </s-button>
          </s-box>
        </s-stack>
      </s-section>
      <PreviewPanel campaign={saved} />
    </s-stack>
  );
}

interface InsertMenuProps {
  id: string;
  label: string;
  placeholders: string[];
  insert: (placeholder: string) => void;
}

function InsertMenu({ id, label, placeholders, insert }: InsertMenuProps) {
  return (
    <s-box>
      <s-button variant="tertiary" commandFor={`insert-${id}`} accessibilityLabel={`Insert a placeholder into the ${label.toLowerCase()}`}>
        Insert placeholder
      </s-button>
      <s-menu id={`insert-${id}`} accessibilityLabel={`Placeholders for the ${label.toLowerCase()}`}>
        {placeholders.map((placeholder) => (
          <s-button key={placeholder} onClick={() => insert(bracketed(placeholder))}>
            {bracketed(placeholder)}
          </s-button>
        ))}
      </s-menu>
    </s-box>
  );
}

interface LineProps {
  id: string;
  label: string;
  value: string;
  error: string | undefined;
  placeholders: string[];
  onChange: (value: string) => void;
}

function LineWithPlaceholders({ id, label, value, error, placeholders, onChange }: LineProps) {
  return (
    <s-stack gap="small-200">
      <s-text-field label={label} value={value} error={error ?? ""} onInput={(event) => onChange(event.currentTarget.value)} />
      <InsertMenu
        id={id}
        label={label}
        placeholders={placeholders}
        insert={(text) => onChange(value === "" || value.endsWith(" ") ? value + text : `${value} ${text}`)}
      />
    </s-stack>
  );
}

interface BodyProps {
  html: string;
  error: string | undefined;
  placeholders: string[];
  onChange: (html: string) => void;
}

/**
 * The text of the mail. A field of our own rather than Polaris's, because a placeholder goes in
 * where the cursor stands and s-text-area does not tell where that is.
 */
function BodyField({ html, error, placeholders, onChange }: BodyProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const plain = toText(html);
  const [typed, setTyped] = useState(plain);
  // What is typed stays as typed (a trailing empty line is no paragraph yet) unless the text was put back.
  const text = plain === null ? html : typed !== null && toHtml(typed) === html ? typed : plain;
  const write = (next: string) => {
    setTyped(next);
    onChange(plain === null ? next : toHtml(next));
  };
  const insert = (placeholder: string) => {
    const start = area.current?.selectionStart ?? text.length;
    const end = area.current?.selectionEnd ?? start;
    write(text.slice(0, start) + placeholder + text.slice(end));
  };
  return (
    <div className="encore-field">
      <label htmlFor="campaign-body">{plain === null ? "Text (HTML)" : "Text"}</label>
      <textarea
        id="campaign-body"
        ref={area}
        rows={10}
        value={text}
        aria-invalid={error !== undefined}
        aria-describedby="campaign-body-details"
        onChange={(event) => write(event.target.value)}
      />
      <span id="campaign-body-details" data-error={error !== undefined}>
        {error ?? (plain === null ? "This text holds formatting, so it is shown as HTML." : "An empty line starts a new paragraph.")}
      </span>
      <InsertMenu id="body" label="Text" placeholders={placeholders} insert={insert} />
    </div>
  );
}
