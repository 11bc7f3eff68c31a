import type { CampaignSummary } from "@/shared/api/types";
import { age, moment } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { RecommendationBanner } from "@/shared/recommendations/RecommendationBanner";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { CAMPAIGN_STATES } from "./campaignState";
import { useCampaigns } from "./useCampaigns";

/** The shop's campaigns. */
export function CampaignsPage() {
  const campaigns = useCampaigns();
  return (
    <s-page heading="Campaigns" inlineSize="large">
      <s-button slot="primary-action" variant="primary" href="/campaigns/new">
        New campaign
      </s-button>
      <s-stack gap="base">
        <RecommendationBanner />
        <Loaded query={campaigns} noun="campaigns" lines={6}>
          {(list) => (list.length === 0 ? <HowItWorks /> : <CampaignTable campaigns={list} />)}
        </Loaded>
      </s-stack>
    </s-page>
  );
}

function HowItWorks() {
  return (
    <s-section heading="Campaigns send by themselves">
      <s-stack gap="base">
        <s-paragraph>
          Set one up once. Encore then mails each customer when a product becomes due or likely, and stops when it no
          longer is.
        </s-paragraph>
        <s-unordered-list>
          <s-list-item>
            Weekly cap: nobody gets more than one e-mail in any 168 hours, across all your campaigns.
          </s-list-item>
          <s-list-item>
            Who wins: a product that a customer is due to buy again goes first, the likeliest before others; else the new
            product with the highest lift.
          </s-list-item>
          <s-list-item>
            What it adds: a random tenth is held out, so that you see what would have happened without the e-mail.
          </s-list-item>
        </s-unordered-list>
        <s-box>
          <s-button variant="primary" href="/campaigns/new">
            Start from scratch
          </s-button>
        </s-box>
      </s-stack>
    </s-section>
  );
}

function CampaignTable({ campaigns }: { campaigns: CampaignSummary[] }) {
  return (
    <s-section padding="none" accessibilityLabel="Campaigns">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Campaign</s-table-header>
          <s-table-header listSlot="inline">Status</s-table-header>
          <s-table-header listSlot="secondary">Audience</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Sent</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Held out</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Skipped</s-table-header>
          <s-table-header listSlot="labeled">Last decided</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {campaigns.map((campaign) => (
            <Row key={campaign.id} campaign={campaign} />
          ))}
        </s-table-body>
      </s-table>
      <s-box padding="base">
        <s-text color="subdued">
          One e-mail per customer in any 168 hours. Repurchase goes before cross-sell; the likeliest product wins.
        </s-text>
      </s-box>
    </s-section>
  );
}

function Row({ campaign }: { campaign: CampaignSummary }) {
  const { timezone } = useShop();
  const { counts } = campaign;
  const state = CAMPAIGN_STATES[campaign.state];
  const link = `campaign-${campaign.id}`;
  const path = campaign.state === "draft" ? `/campaigns/${campaign.id}/edit` : `/campaigns/${campaign.id}`;
  const [mainReason] = [...counts.reasons].sort((a, b) => b.count - a.count);
  return (
    <s-table-row clickDelegate={link}>
      <s-table-cell>
        <s-link id={link} href={path}>
          {campaign.name ?? "Unnamed draft"}
        </s-link>
      </s-table-cell>
      <s-table-cell>
        <s-badge tone={state.tone}>{state.words}</s-badge>
      </s-table-cell>
      <s-table-cell>
        {campaign.audience.type === "automatic" ? "Automatic" : (campaign.audience.segment_name ?? "Not chosen")}
      </s-table-cell>
      <s-table-cell>{count(counts.messages_sent)}</s-table-cell>
      <s-table-cell>{count(counts.held_out)}</s-table-cell>
      <s-table-cell>
        <div className="encore-name">
          {count(counts.skipped)}
          {mainReason !== undefined && (
            <span>
              most: {mainReason.text} ({count(mainReason.count)})
            </span>
          )}
        </div>
      </s-table-cell>
      <s-table-cell>
        <span className="encore-age" title={moment(counts.last_tick, timezone)}>{age(counts.last_tick, new Date())}</span>
      </s-table-cell>
    </s-table-row>
  );
}
