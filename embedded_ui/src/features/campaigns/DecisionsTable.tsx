import { useState } from "react";
import type { Campaign, Decision } from "@/shared/api/types";
import { moment, zoneName } from "@/shared/format/dates";
import { decimal, percent } from "@/shared/format/numbers";
import { Pager } from "@/shared/paging/Pager";
import { usePaging } from "@/shared/paging/usePaging";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { MESSAGE_STATES, OUTCOMES } from "./campaignState";
import { type DecisionQuery, useDecisions } from "./useCampaigns";

const PAGE = 25;

interface Filters {
  search: string;
  outcome: string;
  reason: string;
}

function toQuery(filters: Filters, cursor: string | undefined): DecisionQuery {
  return {
    limit: PAGE,
    ...(filters.search.trim() === "" ? {} : { search: filters.search.trim() }),
    ...(filters.outcome === "" ? {} : { outcome: filters.outcome as NonNullable<DecisionQuery["outcome"]> }),
    ...(filters.reason === "" ? {} : { reason: filters.reason as NonNullable<DecisionQuery["reason"]> }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

/** Who was mailed or not, and why; searchable. */
export function DecisionsTable({ campaign }: { campaign: Campaign }) {
  const { timezone } = useShop();
  const [filters, setFilters] = useState<Filters>({ search: "", outcome: "", reason: "" });
  const paging = usePaging(JSON.stringify(filters));
  const decisions = useDecisions(campaign.id, toQuery(filters, paging.cursor));
  return (
    <s-section heading="Decisions" padding="none">
      <s-box paddingInline="base" paddingBlockEnd="base">
        <FilterFields campaign={campaign} filters={filters} setFilters={setFilters} />
      </s-box>
      <Loaded query={decisions} noun="decisions" lines={6}>
        {(page) =>
          page.items.length === 0 ? (
            <s-box padding="base">
              <s-paragraph color="subdued">
                {emptyWords(campaign, filters)}
              </s-paragraph>
            </s-box>
          ) : (
            <>
              <Decisions decisions={page.items} timezone={timezone} />
              <Pager
                summary={`Page ${paging.page}, newest first. Times are in ${zoneName(timezone)}.`}
                hasPrevious={paging.hasPrevious}
                next={page.next}
                forward={paging.forward}
                back={paging.back}
              />
            </>
          )
        }
      </Loaded>
    </s-section>
  );
}

/** Why no decision shows: none fits what was asked for, or none was made yet. */
function emptyWords(campaign: Campaign, filters: Filters): string {
  if (filters.search.trim() !== "" || filters.outcome !== "" || filters.reason !== "") return "No decision matches.";
  return campaign.state === "active"
    ? "No decision yet. The first appear here within a minute."
    : "No decision yet. They appear here once the campaign is active.";
}

interface FilterProps {
  campaign: Campaign;
  filters: Filters;
  setFilters: (filters: Filters) => void;
}

function FilterFields({ campaign, filters, setFilters }: FilterProps) {
  return (
    <div className="encore-fields">
      <s-search-field
        label="Find a customer"
        placeholder="E-mail address or number"
        value={filters.search}
        onChange={(event) => setFilters({ ...filters, search: event.currentTarget.value })}
      />
      <s-select label="Outcome" value={filters.outcome} onChange={(event) => setFilters({ ...filters, outcome: event.currentTarget.value })}>
        <s-option value="">All outcomes</s-option>
        {Object.entries(OUTCOMES).map(([outcome, { words }]) => (
          <s-option key={outcome} value={outcome}>
            {words}
          </s-option>
        ))}
      </s-select>
      <s-select label="Reason" value={filters.reason} onChange={(event) => setFilters({ ...filters, reason: event.currentTarget.value })}>
        <s-option value="">All reasons</s-option>
        {campaign.counts.reasons.map((one) => (
          <s-option key={one.reason} value={one.reason}>
            {one.text}
          </s-option>
        ))}
      </s-select>
    </div>
  );
}

/** Both counts that the limit of repeats goes by: a purchase starts a repurchase campaign's count anew. */
function received(decision: Decision): string {
  const ever = decision.received.toString();
  return decision.kind === "repurchase" && decision.received > 0
    ? `${ever}, ${decision.received_since_purchase.toString()} since the last purchase`
    : ever;
}

/** The wait that the app drew for the customer, and how likely the draw was. */
function wait(decision: Decision): string {
  if (decision.wait_days === null) return "–";
  return `${decision.wait_days.toString()} days, drawn at ${percent(decision.wait_probability)}`;
}

function Decisions({ decisions, timezone }: { decisions: Decision[]; timezone: string }) {
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Customer</s-table-header>
        <s-table-header listSlot="inline">Outcome</s-table-header>
        <s-table-header listSlot="secondary">Why</s-table-header>
        <s-table-header listSlot="labeled">Product</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Probability</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Lift</s-table-header>
        <s-table-header listSlot="labeled">E-mails so far</s-table-header>
        <s-table-header listSlot="labeled">Next after</s-table-header>
        <s-table-header listSlot="labeled">Since</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {decisions.map((decision) => (
          <s-table-row key={decision.id}>
            <s-table-cell>
              <s-link href={`/customers/${decision.customer_no.toString()}`}>{decision.label}</s-link>
            </s-table-cell>
            <s-table-cell>
              <s-badge tone={OUTCOMES[decision.outcome].tone}>{OUTCOMES[decision.outcome].words}</s-badge>
            </s-table-cell>
            <s-table-cell>
              <div className="encore-reason">
                {decision.message_state === null ? decision.reason_text : `Message ${MESSAGE_STATES[decision.message_state]}`}
              </div>
            </s-table-cell>
            <s-table-cell>{decision.product_title ?? "–"}</s-table-cell>
            <s-table-cell>{percent(decision.probability)}</s-table-cell>
            <s-table-cell>{decimal(decision.lift)}</s-table-cell>
            <s-table-cell>{received(decision)}</s-table-cell>
            <s-table-cell>{wait(decision)}</s-table-cell>
            <s-table-cell>{moment(decision.since, timezone)}</s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}
