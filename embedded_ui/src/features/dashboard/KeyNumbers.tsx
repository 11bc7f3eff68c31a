import type { Dashboard } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { wholeMoney } from "@/shared/format/money";
import { count, counted, estimate, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

/** The shop in five numbers. */
export function KeyNumbers({ dashboard }: { dashboard: Dashboard }) {
  const { currency, timezone } = useShop();
  const share = (part: number | null) =>
    part === null || !dashboard.customers ? null : part / dashboard.customers;
  return (
    <s-section heading="Your customers">
      <s-stack gap="base">
        <Figures>
          <Figure label="Customers" value={count(dashboard.customers)} />
          <Figure
            label="Buyers"
            value={count(dashboard.buyers)}
            detail={`${percent(share(dashboard.buyers))} have an order`}
          />
          <Figure
            label="Reachable by e-mail"
            value={count(dashboard.reachable)}
            detail={`${percent(share(dashboard.reachable))} of customers`}
          />
          <Figure
            label="Net sales, last 30 days"
            value={wholeMoney(dashboard.net_sales_30d_minor, currency)}
            detail={counted(dashboard.orders_30d ?? 0, "order")}
          />
          <Figure
            label="Likely buyers, next 30 days"
            value={estimate(dashboard.expected_buyers_30d)}
            detail="expected to place an order"
          />
        </Figures>
        <s-text color="subdued">{asOf(dashboard.as_of, timezone)}</s-text>
      </s-stack>
    </s-section>
  );
}
