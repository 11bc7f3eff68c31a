import type { Dashboard } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { interval, signed } from "@/shared/format/intervals";
import { wholeMoney } from "@/shared/format/money";
import { count, counted, estimate } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";

type WholeShop = NonNullable<Dashboard["campaigns"]["whole_shop"]>;

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };

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

/** Net sales of customers whom campaigns may mail, and of those whom none does. */
export function WithAndWithout({ whole }: { whole: WholeShop }) {
  const { currency } = useShop();
  if (whole.curve.length < 2) return null;
  const money = (minor: number) => wholeMoney(minor, currency);
  const range = interval(whole.revenue, money);
  const surely = whole.verdict === "adds" || whole.verdict === "takes_away";
  return (
    <ChartCard
      heading="With and without your campaigns"
      caption={
        `Net sales per 100 customers since their first decision: ${count(whole.treated)} whom campaigns may mail, ` +
        `${count(whole.held_out)} whom none does. ` +
        (range === null || whole.verdict === "collecting"
          ? "Too few of the latter for an interval."
          : `All campaigns together: ${range} in ${whole.window_days.toString()} days${surely ? "" : ", not yet certain"}.`)
      }
      columns={["Day", "With campaigns", "Without"]}
      rows={whole.curve.map((one) => [one.day, money(one.mailed_minor), money(one.held_out_minor)])}
      file="with-and-without-campaigns"
    >
      <ResponsiveContainer width="100%" height={200}>
        <LineChart data={whole.curve} margin={{ top: 8, right: 8, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="day" tick={AXIS} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} minTickGap={24} />
          <YAxis tick={AXIS} width={64} tickLine={false} axisLine={false} tickFormatter={money} />
          <Tooltip
            isAnimationActive={false}
            formatter={(value, name) => [money(Number(value)), name === "mailed_minor" ? "With campaigns" : "Without"]}
          />
          <Line dataKey="mailed_minor" stroke="var(--encore-data)" strokeWidth={2} dot={false} isAnimationActive={false} />
          <Line dataKey="held_out_minor" stroke="var(--encore-dormant)" strokeWidth={2} dot={false} isAnimationActive={false} />
        </LineChart>
      </ResponsiveContainer>
      <ul className="encore-legend">
        <li><span className="encore-key" /> With campaigns</li>
        <li><span className="encore-key encore-key-all" /> Without</li>
      </ul>
    </ChartCard>
  );
}
