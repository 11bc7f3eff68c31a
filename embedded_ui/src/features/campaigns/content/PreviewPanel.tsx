import { useState } from "react";
import { ApiError, explain } from "@/shared/api/client";
import type { Campaign, CampaignPreview } from "@/shared/api/types";
import { FindCustomer } from "@/shared/customers/FindCustomer";
import { Loaded } from "@/shared/states/Loaded";
import { useCampaignPreview } from "../useCampaigns";
import { blockOf, blockTitle } from "./blocks";
import { TestEmail } from "./TestEmail";

type View = "desktop" | "mobile" | "dark" | "text";
const VIEWS: Record<View, string> = { desktop: "Desktop", mobile: "Mobile", dark: "Dark mode", text: "Text" };
const DARK_QUERY = /\(prefers-color-scheme: ?dark\)/g;

/** The message as one real member would get it, made by the renderer that sends. */
export function PreviewPanel({ campaign }: { campaign: Campaign }) {
  const [member, setMember] = useState<number | null>(null);
  const preview = useCampaignPreview(campaign, member);
  if (preview.error instanceof ApiError) {
    return (
      <s-section heading="Preview">
        <NotShown campaign={campaign} error={preview.error} back={member === null ? null : () => setMember(null)} />
      </s-section>
    );
  }
  return (
    <s-section heading="Preview">
      <Loaded query={preview} noun="the preview" lines={8}>
        {(mail) => <Shown mail={mail} campaign={campaign} view={setMember} />}
      </Loaded>
    </s-section>
  );
}

interface NotShownProps {
  campaign: Campaign;
  error: ApiError;
  back: (() => void) | null;
}

/** Why there is nothing to see, and which block it is about. */
function NotShown({ campaign, error, back }: NotShownProps) {
  const place = blockOf(error.field);
  const block = place === null ? undefined : campaign.content.blocks[place];
  const where = place === null || block === undefined ? "" : `${blockTitle(place, block)}: `;
  return (
    <s-banner tone="warning" heading="The preview can't be shown yet">
      <s-paragraph>
        {where}
        {explain(error)}
      </s-paragraph>
      {back !== null && (
        <s-button slot="secondary-actions" variant="secondary" onClick={back}>
          View as the likeliest buyer
        </s-button>
      )}
    </s-banner>
  );
}

interface ShownProps {
  mail: CampaignPreview;
  campaign: Campaign;
  view: (customerNo: number) => void;
}

function Shown({ mail, campaign, view }: ShownProps) {
  const [shape, setShape] = useState<View>("desktop");
  const [searching, setSearching] = useState(false);
  return (
    <s-stack gap="base">
      <div className="encore-fields">
        <s-select
          label="View as"
          value={String(mail.customer_no ?? "")}
          onChange={(event) => view(Number(event.currentTarget.value))}
        >
          {mail.members.map((one) => (
            <s-option key={one.customer_no} value={String(one.customer_no)}>
              {one.label}
            </s-option>
          ))}
        </s-select>
        <s-select label="Show as" value={shape} onChange={(event) => setShape(event.currentTarget.value as View)}>
          {Object.entries(VIEWS).map(([key, words]) => (
            <s-option key={key} value={key}>
              {words}
            </s-option>
          ))}
        </s-select>
        <s-button variant="tertiary" onClick={() => setSearching(!searching)}>
          {searching ? "Close the search" : "Find another member"}
        </s-button>
      </div>
      {searching && <FindCustomer action="View as" choose={(customer) => view(customer.customer_no)} />}
      <dl className="encore-facts">
        <dt>From</dt>
        <dd>{mail.header_from}</dd>
        <dt>Subject</dt>
        <dd>{mail.subject}</dd>
        <dt>Preview text</dt>
        <dd>{mail.preview_text}</dd>
      </dl>
      {mail.fallbacks.length > 0 && (
        <s-text color="subdued">Nothing known for this member, so a fallback stands for: {mail.fallbacks.join(", ")}</s-text>
      )}
      <div className="encore-preview" data-width={shape}>
        {shape === "text" ? (
          <pre>{mail.text}</pre>
        ) : (
          // No scripts, no links that lead away: a mail is looked at here, not used.
          <iframe
            title="E-mail preview"
            sandbox=""
            // The same HTML, as a mailbox in dark mode reads it.
            srcDoc={shape === "dark" ? mail.html.replace(DARK_QUERY, "all") : mail.html}
          />
        )}
      </div>
      {shape === "dark" && (
        <s-text color="subdued">Mailboxes differ in dark mode: some show these colours, some change them their own way.</s-text>
      )}
      <TestEmail campaignId={campaign.id} customerNo={mail.customer_no} testers={mail.testers} />
    </s-stack>
  );
}
