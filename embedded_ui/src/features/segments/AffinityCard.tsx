import type { SegmentAffinity, SegmentDetails } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { asOf } from "@/shared/format/dates";
import { decimal, percent } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { useAffinity } from "./useSegmentFigures";

const SHOWN = 8;

/** What the members buy more than all customers do. */
export function AffinityCard({ segment }: { segment: SegmentDetails }) {
  const affinity = useAffinity(segment);
  if (affinity.data === undefined) {
    return (
      <s-section heading="What they buy more than others">
        <Loaded query={affinity} noun="their products" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  return (
    <Loaded query={affinity} noun="their products">
      {(found) => <Card found={found} segment={segment} />}
    </Loaded>
  );
}

function Card({ found, segment }: { found: SegmentAffinity; segment: SegmentDetails }) {
  if (found.items.length === 0) {
    return (
      <s-section heading="What they buy more than others">
        <s-paragraph color="subdued">
          {`No product was bought by ${found.least_buyers} members or more in the last ${found.days} days.`}
        </s-paragraph>
      </s-section>
    );
  }
  return (
    <ChartCard
      heading="What they buy more than others"
      caption={`Share of members and of all customers who bought a product in the last ${found.days} days, widest difference first. ${asOf(found.as_of, found.timezone)}.`}
      columns={["Product", "Members", "Share of members", "Share of all customers", "Times as often"]}
      rows={found.items.map((one) => [
        one.title,
        one.members,
        percent(one.member_share),
        percent(one.customer_share),
        decimal(one.index),
      ])}
      file={`${segment.id}-products`}
    >
      <Bars items={found.items.slice(0, SHOWN)} />
      <ul className="encore-legend">
        <li><span className="encore-key" /> Members</li>
        <li><span className="encore-key encore-key-all" /> All customers</li>
      </ul>
    </ChartCard>
  );
}

function Bars({ items }: { items: SegmentAffinity["items"] }) {
  const most = Math.max(...items.map((one) => Math.max(one.member_share, one.customer_share)));
  const width = (share: number) => ({ width: `${(share / most) * 100}%` });
  return (
    <div className="encore-affinity" role="table" aria-label="Products by share of buyers">
      {items.map((one) => (
        <div key={one.product_id} role="row">
          <span role="cell">{one.title}</span>
          <span role="cell" className="encore-pair" aria-hidden="true">
            <span className="encore-bar"><span style={width(one.member_share)} /></span>
            <span className="encore-bar encore-bar-all"><span style={width(one.customer_share)} /></span>
          </span>
          <span role="cell">
            {`${percent(one.member_share)} against ${percent(one.customer_share)} · ${decimal(one.index)}×`}
          </span>
        </div>
      ))}
    </div>
  );
}
