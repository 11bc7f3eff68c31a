import { useState } from "react";
import { useParams } from "react-router";
import { ApiError } from "@/shared/api/client";
import type { Campaign } from "@/shared/api/types";
import { asOf } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { SendingBanner } from "@/shared/sending/SendingBanner";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { AudienceSummary } from "./AudienceSummary";
import { CAMPAIGN_STATES, standings } from "./campaignState";
import { DecisionsTable } from "./DecisionsTable";
import { CloneButton, ConfirmDelete, EndCampaign, pauseWithUndo, resumeWithUndo } from "./Lifecycle";
import { DiscountReport, MarketingNote } from "./DiscountReport";
import { NoSuchCampaign } from "./NoSuchCampaign";
import { Report } from "./report/Report";
import { useCampaign, useCampaignActions } from "./useCampaigns";
import { WaitingSection } from "./WaitingSection";

/** One campaign: where its candidates stand, and why each was mailed or not. */
export function CampaignPage() {
  const { campaignId = "" } = useParams();
  const campaign = useCampaign(campaignId);
  if (campaign.error instanceof ApiError && campaign.error.status === 404) return <NoSuchCampaign />;
  if (campaign.data !== undefined) return <Page campaign={campaign.data} failed={campaign.isError ? campaign.error : null} />;
  return (
    <s-page heading="Campaign">
      <Loaded query={campaign} noun="the campaign" lines={6}>
        {() => null}
      </Loaded>
    </s-page>
  );
}

function Page({ campaign, failed }: { campaign: Campaign; failed: Error | null }) {
  const actions = useCampaignActions(campaign.id);
  const [deleting, setDeleting] = useState(false);
  const name = campaign.name ?? "Unnamed draft";
  const problem = actions.pause.error ?? actions.resume.error;
  return (
    <s-page heading={name} inlineSize="large">
      <s-link slot="breadcrumb-actions" href="/campaigns">
        Campaigns
      </s-link>
      <MainAction campaign={campaign} actions={actions} />
      {campaign.state !== "ended" && (
        <s-button slot="secondary-actions" variant="secondary" href={`/campaigns/${campaign.id}/edit`}>
          Edit
        </s-button>
      )}
      <s-button slot="secondary-actions" variant="secondary" tone="critical" onClick={() => setDeleting(true)}>
        Delete
      </s-button>
      <s-stack gap="base">
        <SendingBanner />
        {failed !== null && <Failure what="The campaign could not be refreshed" error={failed} />}
        {problem !== null && <Failure what="That did not work" error={problem} />}
        {deleting && <ConfirmDelete campaign={campaign} actions={actions} keep={() => setDeleting(false)} />}
        <StateLine campaign={campaign} />
        <s-stack direction="inline" gap="small">
          <CloneButton campaign={campaign} />
          <EndCampaign campaign={campaign} />
        </s-stack>
        {campaign.state !== "draft" && <WaitingSection campaign={campaign} />}
        <div className="encore-two">
          <Standings campaign={campaign} />
          <AudienceSummary campaign={campaign} />
        </div>
        {campaign.state !== "draft" && <Report campaign={campaign} />}
        {campaign.discount.mode === "managed" && <DiscountReport campaignId={campaign.id} />}
        <MarketingNote campaignId={campaign.id} />
        <DecisionsTable campaign={campaign} />
      </s-stack>
    </s-page>
  );
}

type Actions = ReturnType<typeof useCampaignActions>;

function MainAction({ campaign, actions }: { campaign: Campaign; actions: Actions }) {
  if (campaign.state === "active") {
    return (
      <s-button
        slot="primary-action"
        variant="primary"
        loading={actions.pause.isPending}
        onClick={() => pauseWithUndo(actions)}
      >
        Pause
      </s-button>
    );
  }
  if (campaign.state === "paused") {
    return (
      <s-button
        slot="primary-action"
        variant="primary"
        loading={actions.resume.isPending}
        onClick={() => resumeWithUndo(actions)}
      >
        Resume
      </s-button>
    );
  }
  if (campaign.state !== "draft") return null;
  return (
    <s-button slot="primary-action" variant="primary" href={`/campaigns/${campaign.id}/edit`}>
      Continue setting up
    </s-button>
  );
}

const STATE_SENTENCES: Record<Campaign["state"], string> = {
  draft: "Nothing is sent before you start it.",
  active: "Encore decides through the day who is due, and sends by itself.",
  paused: "Nothing goes out. What was handed over before is not repeated when you resume.",
  ended: "It is over and sends nothing. Its numbers stay; a copy of it can start anew.",
  deleted: "It sends nothing. What it sent stays in the history.",
};

function StateLine({ campaign }: { campaign: Campaign }) {
  const { timezone } = useShop();
  const state = CAMPAIGN_STATES[campaign.state];
  return (
    <s-stack direction="inline" gap="small" alignItems="center">
      <s-badge tone={state.tone}>{state.words}</s-badge>
      <s-text>{STATE_SENTENCES[campaign.state]}</s-text>
      <s-text color="subdued">{asOf(campaign.counts.last_tick, timezone)}</s-text>
    </s-stack>
  );
}

/** Everyone the campaign considered, by where they stand. The parts add up to the whole. */
function Standings({ campaign }: { campaign: Campaign }) {
  const { counts } = campaign;
  if (counts.candidates === 0 && counts.messages_sent === 0) return <NobodyYet campaign={campaign} />;
  const parts = standings(counts);
  const most = Math.max(1, ...parts.map((part) => part.count));
  return (
    <s-section heading={`${count(counts.candidates)} customers considered`}>
      <s-stack gap="base">
        <div className="encore-share" role="table" aria-label="Customers by where they stand">
          {parts.map((part) => (
            <div key={part.words} role="row" style={{ display: "contents" }}>
              <span role="cell">{part.words}</span>
              <span role="cell" className="encore-bar" aria-hidden="true">
                <span style={{ width: `${(part.count / most) * 100}%` }} />
              </span>
              <span role="cell">{count(part.count)}</span>
            </div>
          ))}
        </div>
        <s-text color="subdued">
          {parts.map((part) => count(part.count)).join(" + ")} = {count(counts.candidates)}. Messages sent over time:{" "}
          {count(counts.messages_sent)}.
        </s-text>
        {counts.reasons.length > 0 && (
          <>
            <s-heading>Why they were skipped</s-heading>
            <s-unordered-list>
              {counts.reasons.map((one) => (
                <s-list-item key={one.reason}>
                  {one.text}: {count(one.count)}
                </s-list-item>
              ))}
            </s-unordered-list>
          </>
        )}
      </s-stack>
    </s-section>
  );
}

/** Before the first decision: a sum of noughts would look like a result. */
function NobodyYet({ campaign }: { campaign: Campaign }) {
  return (
    <s-section heading="Nobody considered yet">
      <s-paragraph color="subdued">
        {campaign.state === "active"
          ? "Encore looks at the whole audience within a minute; whom it mails, holds out or skips shows here."
          : "Once it is active, whom it mails, holds out or skips shows here."}
      </s-paragraph>
    </s-section>
  );
}
