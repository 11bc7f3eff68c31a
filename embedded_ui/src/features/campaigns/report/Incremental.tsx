import type { CampaignEffect, CampaignReport } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, day } from "@/shared/format/dates";
import { interval, signed } from "@/shared/format/intervals";
import { wholeMoney } from "@/shared/format/money";
import { count, counted, estimate, fixed, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { VERDICTS } from "./verdicts";

/** What the campaign added, measured against customers whom a coin left without it; or when that can be known. */
export function Incremental({ report, effect }: { report: CampaignReport; effect: CampaignEffect }) {
  const { timezone } = useShop();
  const verdict = VERDICTS[effect.verdict];
  return (
    <s-section heading="What it added">
      <s-stack gap="base">
        <s-stack direction="inline" gap="small" alignItems="center">
          <s-badge tone={verdict.tone}>{verdict.words}</s-badge>
          <s-text>{verdict.says}</s-text>
        </s-stack>
        {effect.verdict !== "collecting" && <Sizes effect={effect} />}
        {effect.verdict !== "adds" && <Outlook report={report} effect={effect} />}
        <s-text color="subdued">
          {count(effect.treated)} customers whom the coin let through against {count(effect.held_out)} whom it held out,
          each followed for {effect.window_days} days after their first decision ({count(effect.complete)} are through).
          Capped and failed e-mails count as mailed, so that both groups stay alike. {asOf(report.as_of, timezone)}.
        </s-text>
      </s-stack>
    </s-section>
  );
}

function Sizes({ effect }: { effect: CampaignEffect }) {
  const { currency } = useShop();
  const { orders, revenue, product_orders: own } = effect;
  const money = (minor: number) => wholeMoney(minor, currency);
  return (
    <Figures>
      <Figure
        label="Incremental orders"
        value={signed(orders.total.estimate ?? 0, estimate)}
        detail={`95% interval ${interval(orders.total, estimate) ?? "unbounded"}`}
      />
      <Figure
        label="Incremental revenue"
        value={signed(revenue.total.estimate ?? 0, money)}
        detail={`95% interval ${interval(revenue.total, money) ?? "unbounded"}`}
      />
      <Figure
        label="Of the product itself"
        value={signed(own.total.estimate ?? 0, estimate)}
        detail={`orders; 95% interval ${interval(own.total, estimate) ?? "unbounded"}`}
      />
      <Figure
        label="Orders per 100 customers"
        value={`${fixed(orders.treated_mean * 100, 1)} mailed`}
        detail={`${fixed(orders.held_out_mean * 100, 1)} held out`}
      />
    </Figures>
  );
}

/** How many customers it takes, and when there will be that many. */
function Outlook({ report, effect }: { report: CampaignReport; effect: CampaignEffect }) {
  const { timezone } = useShop();
  const { rules } = report;
  if (effect.customers_needed === null) {
    return (
      <s-paragraph>
        An interval needs at least {rules.least_held_out} customers in each group, some of whom bought. So far{" "}
        {counted(effect.held_out, "customer was", "customers were")} held out.
      </s-paragraph>
    );
  }
  const compared = effect.treated + effect.held_out;
  if (effect.verdict !== "collecting" && effect.customers_needed <= compared) {
    return (
      <s-paragraph>
        About {count(effect.customers_needed)} customers would have shown a lift of {percent(rules.useful_lift)} by now;
        there are {count(compared)}. If the campaign adds orders, it adds fewer than that.
      </s-paragraph>
    );
  }
  const when =
    effect.plausible_at === null
      ? "At today's pace that takes more than two years; a wider audience would tell sooner."
      : `At today's pace of ${estimate(effect.customers_per_day)} a day that is around ${day(effect.plausible_at, timezone)}.`;
  return (
    <s-paragraph>
      To know a lift of {percent(rules.useful_lift)}, it takes about {count(effect.customers_needed)} customers in all;
      there are {count(compared)}. {when}
    </s-paragraph>
  );
}
