import type { SegmentDetails } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, moment, zoneName } from "@/shared/format/dates";
import { money, wholeMoney } from "@/shared/format/money";
import { count, counted, decimal, estimate, percent } from "@/shared/format/numbers";
import { CATEGORY_NAMES } from "@/shared/format/words";

interface Props {
  segment: SegmentDetails;
}

/** What the segment is, why it matters, what to do, and how many of it can be e-mailed. */
export function AboutSegment({ segment }: Props) {
  const { statistics, expected } = segment;
  return (
    <s-section>
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          <s-badge>{CATEGORY_NAMES[segment.category]}</s-badge>
          {segment.product !== null && <s-badge tone="info">{segment.product.title}</s-badge>}
        </s-stack>
        <s-paragraph>{segment.definition}</s-paragraph>
        {segment.why !== null && (
          <s-paragraph>
            <s-text type="strong">Why it matters: </s-text>
            {segment.why}
          </s-paragraph>
        )}
        {segment.action !== null && (
          <s-paragraph>
            <s-text type="strong">What to do: </s-text>
            {segment.action}
          </s-paragraph>
        )}
        <Figures>
          <Figure label="Size" value={count(statistics.size)} detail={`${percent(statistics.share_of_customers)} of customers`} />
          <Figure
            label="Reachable by e-mail"
            value={count(statistics.reachable)}
            detail={`${count(statistics.size - statistics.reachable)} are not`}
          />
          {expected !== null && (
            <Figure
              label={`Expected to ${expected.what}`}
              value={estimate(expected.buyers)}
              detail={`${estimate(expected.low)} to ${estimate(expected.high)} within ${expected.horizon_days} days`}
            />
          )}
        </Figures>
        {statistics.not_reachable.length > 0 && (
          <s-text color="subdued">
            Not reachable:{" "}
            {statistics.not_reachable.map((one) => `${one.label} ${count(one.count)}`).join(" · ")}
          </s-text>
        )}
        <s-text color="subdued">{asOf(segment.evaluated_at, segment.timezone)}</s-text>
      </s-stack>
    </s-section>
  );
}

/** What the members mean for the business. */
export function HowItBehaves({ segment }: Props) {
  const { statistics, currency } = segment;
  return (
    <s-section heading="How these customers behave">
      <s-stack gap="base">
        <Figures>
          <Figure
            label="Net sales"
            value={wholeMoney(statistics.net_sales_minor, currency)}
            detail={`${percent(statistics.net_share)} of the shop's`}
          />
          <Figure label="Orders" value={count(statistics.orders)} detail={`${percent(statistics.order_share)} of the shop's`} />
          {statistics.margin_minor !== null && (
            <Figure
              label="Margin"
              value={wholeMoney(statistics.margin_minor, currency)}
              detail={marginDetail(statistics.margin_minor, statistics.margin_of_minor, statistics.net_sales_minor)}
            />
          )}
          <Figure label="Average order" value={money(statistics.average_order_minor, currency)} />
          <Figure label="Repeat rate" value={percent(statistics.repeat_rate)} detail="of buyers ordered twice or more" />
          <Figure
            label="Usual gap between orders"
            value={statistics.median_gap_days === null ? "–" : `${decimal(statistics.median_gap_days)} days`}
            detail="median"
          />
          <Figure label="Orders per buyer" value={decimal(statistics.orders_per_buyer)} detail={counted(statistics.buyers, "buyer")} />
          {statistics.predicted_value_12m_minor !== null && (
            <Figure
              label="Predicted, next 12 months"
              value={wholeMoney(statistics.predicted_value_12m_minor, currency)}
              detail="net sales of these members"
            />
          )}
        </Figures>
        <s-text color="subdued">{asOf(segment.evaluated_at, segment.timezone)}. All orders in the imported history.</s-text>
      </s-stack>
    </s-section>
  );
}

/** How much of which sales the margin is: costs are known of some products only. */
function marginDetail(margin: number, of: number, all: number): string {
  const rate = of > 0 ? `${percent(margin / of)} of ` : "of ";
  return of >= all ? `${rate}net sales` : `${rate}the ${percent(all > 0 ? of / all : 0)} of sales with a known cost`;
}

const DEPENDENT_PATHS = { segment: "/segments/", campaign: "/campaigns/", sync: "/connections?sync=" } as const;
const DEPENDENT_NAMES = { segment: "Segment", campaign: "Campaign", sync: "Sync", download: "Scheduled file" } as const;

function address(segment: SegmentDetails, user: SegmentDetails["used_by"][number]): string {
  if (user.kind === "download") return `/segments/${segment.id}?panel=download`;
  return `${DEPENDENT_PATHS[user.kind]}${user.id}`;
}

/** What uses a segment, each with a link to it. */
export function DependentList({ segment }: { segment: SegmentDetails }) {
  return (
    <s-unordered-list>
      {segment.used_by.map((one) => (
        <s-list-item key={`${one.kind}-${one.id}`}>
          {DEPENDENT_NAMES[one.kind]}: <s-link href={address(segment, one)}>{one.name}</s-link>
        </s-list-item>
      ))}
    </s-unordered-list>
  );
}

/** What uses the segment, and which run its numbers are from. */
export function RunAndUse({ segment }: Props) {
  return (
    <s-section heading="Used by and worked out">
      <s-stack gap="base">
        {segment.used_by.length === 0 ? (
          <s-paragraph color="subdued">No campaign, sync, scheduled file or other segment uses it.</s-paragraph>
        ) : (
          <DependentList segment={segment} />
        )}
        <s-unordered-list>
          <s-list-item>
            Worked out {moment(segment.evaluated_at, segment.timezone)}
            {segment.duration_ms !== null && ` in ${count(segment.duration_ms)} ms`}
          </s-list-item>
          {segment.watermark !== null && (
            <s-list-item>From all orders up to {moment(segment.watermark, segment.timezone)}</s-list-item>
          )}
          {segment.next_flip_at !== null && (
            <s-list-item>
              Changes by time alone from {moment(segment.next_flip_at, segment.timezone)}, or when someone orders
            </s-list-item>
          )}
          <s-list-item>Version {segment.version}</s-list-item>
          <s-list-item>Times are in {zoneName(segment.timezone)}</s-list-item>
        </s-unordered-list>
      </s-stack>
    </s-section>
  );
}
