import type { Campaign } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

/** Whom the campaign addresses, beside every step. */
export function AudienceSummary({ campaign }: { campaign: Campaign }) {
  const { timezone } = useShop();
  const { audience } = campaign;
  const name =
    audience.type === null
      ? "Not chosen yet"
      : audience.type === "automatic"
        ? "Automatic: the best product for each customer"
        : (audience.segment_name ?? "Segment");
  return (
    <s-section heading="Audience">
      <s-stack gap="base">
        <s-text>{name}</s-text>
        {audience.size !== null && (
          <>
            <Figures>
              <Figure label="Size" value={count(audience.size)} />
              <Figure label="Reachable" value={count(audience.reachable)} />
            </Figures>
            <s-text color="subdued">{asOf(audience.evaluated_at, timezone)}</s-text>
          </>
        )}
        {campaign.holdout_percent > 0 && (
          <s-text color="subdued">
            {count(campaign.holdout_percent)}% are held out at random, to measure what the campaign adds.
          </s-text>
        )}
      </s-stack>
    </s-section>
  );
}
