import type { CustomersCard } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { count, fixed, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { CalibrationChart } from "./CalibrationChart";

interface Props {
  customers: CustomersCard;
  asOf: string;
}

/** What predicts when customers order again and what they are worth. */
export function CustomersSection({ customers, asOf: instant }: Props) {
  const { timezone } = useShop();
  const { check, bg_nbd: rate, gamma_gamma: value } = customers;
  return (
    <>
      <s-section heading="Orders and value of customers">
        <s-stack gap="base">
          <s-paragraph>
            When customers order next, how likely they are to lapse and what a year of them is worth comes from two models of
            all {count(customers.customers)} buyers: BG/NBD for how often and how long they order, Gamma-Gamma for how much.
          </s-paragraph>
          {check === null ? (
            <s-paragraph color="subdued">There is no complete month yet to check them by.</s-paragraph>
          ) : (
            <Figures>
              <Figure
                label="Orders expected"
                value={count(check.orders_expected)}
                detail={`${count(check.orders_actual)} came in the last 30 days`}
              />
              <Figure
                label="Customers expected to order"
                value={count(check.buyers_expected)}
                detail={`${count(check.buyers_actual)} of ${count(check.customers)} did`}
              />
              <Figure
                label="Calibration error"
                value={percent(check.ece)}
                detail={check.calibrated ? "by a curve from the month before" : "not calibrated: too few customers"}
              />
            </Figures>
          )}
          <s-text color="subdued">
            BG/NBD: r {fixed(rate.r, 3)}, α {fixed(rate.alpha, 3)}, a {fixed(rate.a, 3)}, b {fixed(rate.b, 3)}, log-likelihood{" "}
            {count(rate.log_likelihood)}.
            {value !== null &&
              ` Gamma-Gamma: p ${fixed(value.p, 3)}, q ${fixed(value.q, 3)}, γ ${fixed(value.v, 2)}, log-likelihood ${count(value.log_likelihood)}.`}{" "}
            {asOf(instant, timezone)}.
          </s-text>
        </s-stack>
      </s-section>
      {check !== null && (
        <CalibrationChart
          heading="Do customers order as expected?"
          caption="Customers in ten groups of equal size by their probability to order within 30 days; the bars say between what the true share lies (95%)."
          bins={check.table}
          counted="Customers"
          file="calibration-customers"
        />
      )}
    </>
  );
}
