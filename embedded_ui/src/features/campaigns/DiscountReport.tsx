import type { DiscountFigures } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { money } from "@/shared/format/money";
import { count, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { useDiscountFigures, useMarketing } from "./useDiscount";

/** What managed discounts cost and brought. */
export function DiscountReport({ campaignId }: { campaignId: string }) {
  const figures = useDiscountFigures(campaignId);
  return (
    <s-section heading="Discounts">
      <Loaded query={figures} noun="the discounts' figures" lines={4}>
        {(found) => <Costs figures={found} />}
      </Loaded>
    </s-section>
  );
}

function Costs({ figures }: { figures: DiscountFigures }) {
  const { currency } = useShop();
  const { effect } = figures;
  return (
    <s-stack gap="base">
      <Figures>
        <Figure label="Cost" value={money(figures.redeemed_minor, currency)} detail={`${count(figures.redeemed)} codes used`} />
        <Figure label="Given" value={money(figures.given_minor, currency)} detail={`${count(figures.given)} codes`} />
        <Figure
          label="Saved"
          value={money(figures.saved_minor, currency)}
          detail={`${count(figures.bought_without)} bought without a code`}
        />
        <Figure
          label="What a code adds"
          value={effect === null ? "Not yet known" : `${effect.estimate.toFixed(1)} in 100`}
          detail={
            effect === null
              ? "too few offers are over"
              : `more buyers, ${effect.low.toFixed(1)} to ${effect.high.toFixed(1)}, against none by chance`
          }
        />
      </Figures>
      {figures.levels.length > 0 && <LevelTable figures={figures} />}
    </s-stack>
  );
}

function LevelTable({ figures }: { figures: DiscountFigures }) {
  const { currency } = useShop();
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header>Offered</s-table-header>
        <s-table-header>Customers</s-table-header>
        <s-table-header>Whose time is over</s-table-header>
        <s-table-header>Of these, bought</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {figures.levels.map((level) => (
          <s-table-row key={level.amount_minor}>
            <s-table-cell>{level.amount_minor === 0 ? "No code" : money(level.amount_minor, currency)}</s-table-cell>
            <s-table-cell>{count(level.offered)}</s-table-cell>
            <s-table-cell>{count(level.settled)}</s-table-cell>
            <s-table-cell>
              {level.settled === 0 ? "–" : `${count(level.bought)} (${percent(level.bought / level.settled)})`}
            </s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}

/** Whether Shopify's marketing pages know of the campaign, and why not. */
export function MarketingNote({ campaignId }: { campaignId: string }) {
  const marketing = useMarketing(campaignId);
  const { timezone } = useShop();
  if (marketing.data === undefined) return null;
  const { told_at, days, problem } = marketing.data;
  if (problem !== null) {
    return (
      <s-banner tone="warning" heading="Shopify's marketing pages are behind">
        <s-paragraph>{problem} The campaign itself runs on; Encore tries again every hour.</s-paragraph>
      </s-banner>
    );
  }
  if (told_at === null) return null;
  return (
    <s-text color="subdued">
      {`In Shopify under Marketing, with ${count(days)} ${days === 1 ? "day" : "days"} of figures. ${asOf(told_at, timezone)}.`}
    </s-text>
  );
}
