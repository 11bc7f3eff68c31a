import { useState } from "react";
import type { Campaign } from "@/shared/api/types";
import { Loaded } from "@/shared/states/Loaded";
import { TestEmail } from "./TestEmail";
import { useCampaignPreview } from "./useCampaigns";

type View = "desktop" | "mobile" | "text";
const VIEWS: Record<View, string> = { desktop: "Desktop", mobile: "Mobile", text: "Text" };

/** The message as one real member would get it, made by the renderer that sends. */
export function PreviewPanel({ campaign }: { campaign: Campaign }) {
  const [member, setMember] = useState<number | null>(null);
  const [view, setView] = useState<View>("desktop");
  const preview = useCampaignPreview(campaign, member);
  return (
    <s-section heading="Preview">
      <s-stack gap="base">
        <Loaded query={preview} noun="the preview" lines={8}>
          {(mail) => (
            <s-stack gap="base">
              <div className="encore-fields">
                <s-select
                  label="View as"
                  value={String(mail.customer_no ?? "")}
                  onChange={(event) => setMember(Number(event.currentTarget.value))}
                >
                  {mail.members.map((one) => (
                    <s-option key={one.customer_no} value={String(one.customer_no)}>
                      {one.label}
                    </s-option>
                  ))}
                </s-select>
                <s-select label="Show as" value={view} onChange={(event) => setView(event.currentTarget.value as View)}>
                  {Object.entries(VIEWS).map(([key, words]) => (
                    <s-option key={key} value={key}>
                      {words}
                    </s-option>
                  ))}
                </s-select>
              </div>
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
              <div className="encore-preview" data-width={view}>
                {view === "text" ? (
                  <pre>{mail.text}</pre>
                ) : (
                  // No scripts, no links that lead away: a mail is looked at here, not used.
                  <iframe title="E-mail preview" sandbox="" srcDoc={mail.html} />
                )}
              </div>
              <TestEmail campaignId={campaign.id} customerNo={mail.customer_no} />
            </s-stack>
          )}
        </Loaded>
      </s-stack>
    </s-section>
  );
}
