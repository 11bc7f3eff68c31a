import type { Dashboard } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { interval, signed } from "@/shared/format/intervals";
import { wholeMoney } from "@/shared/format/money";
import { count, counted, estimate } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

/** What all campaigns added, and, labelled apart, what followed them. */
export function CampaignFigures({ campaigns }: { campaigns: Dashboard["campaigns"] }) {
  const { currency, timezone } = useShop();
  const money = (minor: number) => wholeMoney(minor, currency);
  const { incremental_revenue: revenue, incremental_orders: orders } = campaigns;
  const more = campaigns.collecting > 0 ? `; ${counted(campaigns.collecting, "campaign is", "campaigns are")} still collecting` : "";
  return (
    <s-section heading="Your campaigns">
      <s-stack gap="base">
        <Figures>
          <Figure
            label="Incremental revenue (measured)"
            value={revenue === null ? "Not yet known" : signed(revenue.estimate, money)}
            detail={
              revenue === null
                ? "too few customers were held out so far"
                : `95% interval ${interval(revenue, money) ?? ""}${known(revenue)}`
            }
          />
          <Figure
            label="Incremental orders (measured)"
            value={orders === null ? "Not yet known" : signed(orders.estimate, estimate)}
            detail={orders === null ? "" : `95% interval ${interval(orders, estimate) ?? ""}`}
          />
          <Figure
            label="Attributed revenue"
            value={money(campaigns.attributed_revenue_minor)}
            detail={`${counted(campaigns.attributed_orders, "order")} after an e-mail; not all because of it`}
          />
          <Figure label="E-mails sent" value={count(campaigns.emails_sent)} />
        </Figures>
        <s-text color="subdued">
          Measured over {counted(campaigns.measured, "campaign")}
          {more}. {asOf(campaigns.as_of, timezone)}
        </s-text>
      </s-stack>
    </s-section>
  );
}

/** Whether the sign would stand however often it is looked at. */
function known({ sure_low, sure_high }: { sure_low: number; sure_high: number }): string {
  return sure_low > 0 || sure_high < 0 ? "" : ", not yet certain";
}
