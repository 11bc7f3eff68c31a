import { Bar, BarChart, CartesianGrid, Legend, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { Campaign, CampaignLookBack } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { day, shortDay } from "@/shared/format/dates";
import { count, counted, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { useLookBack } from "./useBeforeYouSend";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };
const HEADING = "Had it been active for the last 12 months";

/** Whom the campaign would have targeted at past weeks, and what they bought. */
export function LookBackSection({ campaign }: { campaign: Campaign }) {
  const found = useLookBack(campaign);
  if (found.data === undefined) {
    return (
      <s-section heading={HEADING}>
        <Loaded query={found} noun="past weeks" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  return (
    <Loaded query={found} noun="past weeks">
      {(data) => (data.weeks.length === 0 ? <NoWeeks found={data} /> : <Weeks found={data} campaign={campaign} />)}
    </Loaded>
  );
}

function NoWeeks({ found }: { found: CampaignLookBack }) {
  const { timezone } = useShop();
  const says: Record<CampaignLookBack["state"], string> = {
    none: "It is worked out after the next update of predictions.",
    working: "Past weeks are being worked out.",
    too_short: `Too little history yet. A past week can be checked once 120 days of orders lie before it and 30 days after it: from ${day(found.first_at, timezone)} on.`,
    failed: "It could not be worked out. Encore tries again after the next update of predictions.",
    ready: "No week of the last 12 months can be checked.",
  };
  return (
    <s-section heading={HEADING}>
      <s-paragraph>{says[found.state]}</s-paragraph>
    </s-section>
  );
}

function Weeks({ found, campaign }: { found: CampaignLookBack; campaign: Campaign }) {
  const { timezone } = useShop();
  const points = found.weeks.map((week) => ({ ...week, label: shortDay(week.at, timezone) }));
  const part = found.share === 1 ? "" : ` Counted on ${percent(found.share)} of customers, drawn by chance.`;
  const today = found.members_of_today ? " Who was in this segment then is not known: its members of today are looked at." : "";
  const more = found.state === "working" ? " More weeks are being worked out." : "";
  return (
    <>
      <ChartCard
        heading={HEADING}
        caption={`Every fourth week: customers it would have e-mailed, and how many of them bought what it recommends within 30 days. They bought without it: nobody was e-mailed, so none of this was caused by the campaign.${today}${part}${more}`}
        columns={["Week of", "Customers", "Expected to buy", "Range", "Bought"]}
        rows={found.weeks.map((week) => [
          day(week.at, timezone),
          week.targeted,
          Math.round(week.expected),
          `${count(week.low)} to ${count(week.high)}`,
          week.bought,
        ])}
        file={`${campaign.id}-past-weeks`}
      >
        <ResponsiveContainer width="100%" height={220}>
          <BarChart data={points} margin={{ top: 8, right: 8, bottom: 0, left: 0 }}>
            <CartesianGrid vertical={false} stroke="var(--encore-line)" />
            <XAxis dataKey="label" tick={AXIS} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} minTickGap={16} />
            <YAxis tick={AXIS} tickLine={false} axisLine={false} width={52} tickFormatter={(v: number) => count(v)} allowDecimals={false} />
            <Tooltip
              cursor={{ fill: "var(--encore-hover)" }}
              isAnimationActive={false}
              formatter={(value, name) => [count(Math.round(Number(value))), name]}
            />
            <Legend position="top" />
            <Bar dataKey="targeted" name="Customers" fill="var(--encore-data-soft)" radius={[4, 4, 0, 0]} maxBarSize={32} isAnimationActive={false} />
            <Bar dataKey="expected" name="Expected to buy" fill="var(--encore-data)" radius={[4, 4, 0, 0]} maxBarSize={32} isAnimationActive={false} />
            <Bar dataKey="bought" name="Bought" fill="var(--encore-active)" radius={[4, 4, 0, 0]} maxBarSize={32} isAnimationActive={false} />
          </BarChart>
        </ResponsiveContainer>
        {found.reachable_share !== null && (
          <s-paragraph color="subdued">
            {percent(found.reachable_share)} of the last week's customers can be e-mailed today; who could then is not kept.
          </s-paragraph>
        )}
      </ChartCard>
      {found.products.length > 1 && <Mix found={found} />}
    </>
  );
}

function Mix({ found }: { found: CampaignLookBack }) {
  return (
    <s-section heading="What they would have been recommended">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Product</s-table-header>
          <s-table-header listSlot="labeled">Times</s-table-header>
          <s-table-header listSlot="labeled">Expected to buy</s-table-header>
          <s-table-header listSlot="labeled">Bought</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {found.products.map((one) => (
            <s-table-row key={one.product_no}>
              <s-table-cell>{one.title}</s-table-cell>
              <s-table-cell>{count(one.targeted)}</s-table-cell>
              <s-table-cell>{count(one.expected)}</s-table-cell>
              <s-table-cell>{count(one.bought)}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
      {found.other_products > 0 && <s-text color="subdued">And {counted(found.other_products, "other product")}.</s-text>}
    </s-section>
  );
}
