import type { DecisionOfCustomer, Profile } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { percent } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { useDecisionsOfCustomer } from "./useCustomer";
import { OUTCOMES } from "./words";

/** What campaigns decided about the customer: e-mailed, or why not. */
export function CustomerDecisions({ profile }: { profile: Profile }) {
  const decisions = useDecisionsOfCustomer(profile.customer_no);
  return (
    <s-section heading="Campaign decisions" padding="none">
      <Loaded query={decisions} noun="the decisions" lines={3}>
        {(found) =>
          found.length === 0 ? (
            <s-box padding="base">
              <s-paragraph color="subdued">No campaign has considered this customer yet.</s-paragraph>
            </s-box>
          ) : (
            <Decisions decisions={found} timezone={profile.timezone} />
          )
        }
      </Loaded>
    </s-section>
  );
}

function Decisions({ decisions, timezone }: { decisions: DecisionOfCustomer[]; timezone: string }) {
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Campaign</s-table-header>
        <s-table-header listSlot="inline">Outcome</s-table-header>
        <s-table-header listSlot="secondary">Why</s-table-header>
        <s-table-header listSlot="labeled">Product</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Probability</s-table-header>
        <s-table-header listSlot="labeled">From</s-table-header>
        <s-table-header listSlot="labeled">To</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {decisions.map((one) => (
          <s-table-row key={`${one.campaign_id} ${one.since} ${one.product ?? ""}`}>
            <s-table-cell>
              <s-link href={`/campaigns/${one.campaign_id}`}>{one.campaign ?? "Campaign without a name"}</s-link>
            </s-table-cell>
            <s-table-cell>
              <s-badge tone={OUTCOMES[one.outcome].tone}>{OUTCOMES[one.outcome].words}</s-badge>
            </s-table-cell>
            <s-table-cell>
              <div className="encore-reason">
                {one.message_state === null ? one.text : `Message ${one.message_state.replaceAll("_", " ")}`}
              </div>
            </s-table-cell>
            <s-table-cell>{one.product ?? "–"}</s-table-cell>
            <s-table-cell>{percent(one.probability)}</s-table-cell>
            <s-table-cell>{moment(one.since, timezone)}</s-table-cell>
            <s-table-cell>{one.current ? "now" : moment(one.last_tick, timezone)}</s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}
