import type { Profile } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, day, moment } from "@/shared/format/dates";
import { money, wholeMoney } from "@/shared/format/money";
import { count, counted, decimal, estimate, percent } from "@/shared/format/numbers";
import { SOURCES } from "./words";

interface Props {
  profile: Profile;
}

/** Who the customer is, whether they can be mailed or why not, and what they allow. */
export function ConsentCard({ profile }: Props) {
  const { timezone } = profile;
  return (
    <s-section>
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          {profile.reachable ? (
            <s-badge tone="success">Reachable by e-mail</s-badge>
          ) : (
            <s-badge tone="warning">Not reachable: {profile.why_not}</s-badge>
          )}
          <s-text>{profile.email ?? "No e-mail address"}</s-text>
        </s-stack>
        <s-text color="subdued">
          {profile.customer_id === null ? "Guest, no account" : `Shopify customer ${profile.customer_id}`} · Number{" "}
          {profile.customer_no} · Known since {day(profile.since, timezone)}
          {profile.merged.length > 0 && ` · Merged with ${profile.merged.map((no) => `number ${no.toString()}`).join(", ")}`}
        </s-text>
        <s-unordered-list>
          {profile.consent.map((one) => (
            <s-list-item key={one.channel}>
              {one.channel === "email" ? "E-mail" : "Text messages"}: {one.state.replaceAll("_", " ")}
              {one.at !== null && ` since ${moment(one.at, timezone)}`}
              {one.source !== null && `, from ${SOURCES[one.source] ?? one.source}`}
              {one.opt_in_level !== null && `, ${one.opt_in_level.replaceAll("_", " ").toLowerCase()}`}
            </s-list-item>
          ))}
          <s-list-item>
            {profile.messages.sent === 0
              ? "No marketing e-mail was sent yet"
              : `${counted(profile.messages.sent, "marketing e-mail")} sent, the last on ${moment(profile.messages.last_sent_at, timezone)}`}
            {profile.messages.held_out > 0 && ` · held out ${counted(profile.messages.held_out, "time")} to measure what e-mail does`}
          </s-list-item>
        </s-unordered-list>
      </s-stack>
    </s-section>
  );
}

/** Orders, money and rhythm so far; what is expected next. */
export function KeyFacts({ profile }: Props) {
  const { facts, values, currency, timezone } = profile;
  return (
    <s-section heading="Key facts">
      <s-stack gap="base">
        {facts === null ? (
          <s-paragraph color="subdued">No order that counts yet.</s-paragraph>
        ) : (
          <Figures>
            <Figure label="Orders" value={count(facts.orders)} detail={`since ${day(facts.first_order_at, timezone)}`} />
            <Figure label="Net spend" value={money(facts.net_minor, currency)} detail={`${money(facts.average_order_minor, currency)} per order`} />
            <Figure label="Last order" value={day(facts.last_order_at, timezone)} detail={`${counted(facts.days_since_order, "day")} ago`} />
            <Figure
              label="Usual gap"
              value={facts.median_gap_days === null ? "–" : `${decimal(facts.median_gap_days)} days`}
              detail={`${decimal(facts.expected_gap_days)} days expected; ${decimal(facts.gap_ratio)} gaps passed`}
            />
          </Figures>
        )}
        {values !== null && (
          <Figures>
            <Figure
              label="Next order expected"
              value={values.next_order_at === null ? "–" : day(values.next_order_at, timezone)}
              detail={
                values.next_order_low !== null && values.next_order_high !== null
                  ? `${day(values.next_order_low, timezone)} to ${day(values.next_order_high, timezone)}`
                  : undefined
              }
            />
            <Figure label="Orders within 30 days" value={percent(values.p_order_30d)} detail="chance" />
            <Figure label="No order for 90 days" value={percent(values.p_order_90d === null ? null : 1 - values.p_order_90d)} detail="chance" />
            <Figure
              label="Expected, 12 months"
              value={wholeMoney(values.value_12m_minor, currency)}
              detail={`${estimate(values.orders_12m)} orders`}
            />
          </Figures>
        )}
        <s-text color="subdued">{asOf(profile.as_of, timezone)}. Money is net of refunds, without tax and shipping.</s-text>
      </s-stack>
    </s-section>
  );
}

/** The products that the customer is likely to buy within 30 days. */
export function LikelyProducts({ profile }: Props) {
  const { repurchase, cross_sell } = profile;
  return (
    <s-section heading="Likely to buy within 30 days">
      {repurchase.length + cross_sell.length === 0 ? (
        <s-paragraph color="subdued">Nothing is predicted for this customer.</s-paragraph>
      ) : (
        <s-stack gap="base">
          {repurchase.length > 0 && <Again products={repurchase} />}
          {cross_sell.length > 0 && <FirstTime products={cross_sell} />}
        </s-stack>
      )}
    </s-section>
  );
}

function Again({ products }: { products: Profile["repurchase"] }) {
  return (
    <s-stack gap="small-200">
      <s-text type="strong">Again</s-text>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Product</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Chance</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {products.map((one) => (
            <s-table-row key={one.product_id}>
              <s-table-cell>{one.title}</s-table-cell>
              <s-table-cell>{percent(one.probability)}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-stack>
  );
}

/** A first purchase rests on an earlier one of something else, and on how much more likely that makes it. */
function FirstTime({ products }: { products: Profile["cross_sell"] }) {
  return (
    <s-stack gap="small-200">
      <s-text type="strong">For the first time</s-text>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Product</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Chance</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Lift</s-table-header>
          <s-table-header listSlot="secondary">Because of</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {products.map((one) => (
            <s-table-row key={one.product_id}>
              <s-table-cell>{one.title}</s-table-cell>
              <s-table-cell>{percent(one.probability)}</s-table-cell>
              <s-table-cell>{decimal(one.lift)}</s-table-cell>
              <s-table-cell>{one.because === null ? "–" : `Bought ${one.because}`}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-stack>
  );
}
