import type { CampaignResult, CampaignResults, CampaignSummary } from "@/shared/api/types";
import { age, moment } from "@/shared/format/dates";
import { interval, signed } from "@/shared/format/intervals";
import { count, estimate } from "@/shared/format/numbers";
import { RecommendationBanner } from "@/shared/recommendations/RecommendationBanner";
import { SendingBanner } from "@/shared/sending/SendingBanner";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { CAMPAIGN_STATES } from "./campaignState";
import { SendsPerDay } from "./report/SendsPerDay";
import { useCampaignResults } from "./report/useReports";
import { VERDICTS } from "./report/verdicts";
import { useCampaigns } from "./useCampaigns";

/** The shop's campaigns. */
export function CampaignsPage() {
  const campaigns = useCampaigns();
  const results = useCampaignResults();
  return (
    <s-page heading="Campaigns" inlineSize="large">
      <s-button slot="primary-action" variant="primary" href="/campaigns/new">
        New campaign
      </s-button>
      <s-stack gap="base">
        <SendingBanner />
        <RecommendationBanner />
        <Loaded query={campaigns} noun="campaigns" lines={6}>
          {(list) =>
            list.length === 0 ? (
              <HowItWorks />
            ) : (
              <>
                <CampaignTable campaigns={list} results={results.data} />
                <PriorityOrder />
                {results.data !== undefined && <SendsPerDay results={results.data} campaigns={list} />}
              </>
            )
          }
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

/** How one e-mail is chosen when several campaigns want the same customer. */
function PriorityOrder() {
  return (
    <s-section heading="Who wins when several campaigns want the same customer">
      <s-ordered-list>
        <s-list-item>Whoever can't be mailed now drops out, with a reason: consent, wait, repeats, stock, weekly cap.</s-list-item>
        <s-list-item>A product that the customer is due to buy again goes first; the likeliest before others.</s-list-item>
        <s-list-item>Else the new product with the highest lift; at equal lift the likelier one, then the older campaign.</s-list-item>
        <s-list-item>Then a coin falls: some of the winners are held out, so that you see what the e-mail adds.</s-list-item>
      </s-ordered-list>
    </s-section>
  );
}

interface TableProps {
  campaigns: CampaignSummary[];
  results: CampaignResults | undefined;
}

function CampaignTable({ campaigns, results }: TableProps) {
  const byId = new Map((results?.items ?? []).map((one) => [one.campaign_id, one]));
  return (
    <s-section padding="none" accessibilityLabel="Campaigns">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Campaign</s-table-header>
          <s-table-header listSlot="inline">Status</s-table-header>
          <s-table-header listSlot="secondary">Audience</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Sent</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Clicked</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Orders after it</s-table-header>
          <s-table-header listSlot="labeled">Incremental orders</s-table-header>
          <s-table-header listSlot="labeled">Next sends</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {campaigns.map((campaign) => (
            <Row key={campaign.id} campaign={campaign} result={byId.get(campaign.id)} />
          ))}
        </s-table-body>
      </s-table>
      <s-box padding="base">
        <s-text color="subdued">
          One e-mail per customer in any 168 hours. “Orders after it” are attributed by code, click or time; incremental
          orders are measured against customers held out.
        </s-text>
      </s-box>
    </s-section>
  );
}

/** What it added with its interval, or that this is not known yet. */
function Added({ result }: { result: CampaignResult | undefined }) {
  if (result === undefined) return "–";
  const total = result.incremental_orders;
  if (total === null || total.estimate === null) return VERDICTS[result.verdict].words;
  return (
    <div className="encore-name">
      {signed(total.estimate, estimate)}
      <span>
        {interval(total, estimate) ?? ""} · {VERDICTS[result.verdict].words.toLowerCase()}
      </span>
    </div>
  );
}

function Row({ campaign, result }: { campaign: CampaignSummary; result: CampaignResult | undefined }) {
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
      <s-table-cell>{count(result?.clicked)}</s-table-cell>
      <s-table-cell>{count(result?.ordered)}</s-table-cell>
      <s-table-cell>
        <Added result={campaign.state === "draft" ? undefined : result} />
      </s-table-cell>
      <s-table-cell>
        <div className="encore-name" title={moment(counts.last_tick, timezone)}>
          {campaign.state === "active" ? `${count(result?.waiting ?? counts.queued)} waiting` : "none"}
          {counts.last_tick !== null && ` · decided ${age(counts.last_tick, new Date())}`}
          {mainReason !== undefined && (
            <span>
              {count(counts.skipped)} skipped, most: {mainReason.text} ({count(mainReason.count)})
            </span>
          )}
        </div>
      </s-table-cell>
    </s-table-row>
  );
}
