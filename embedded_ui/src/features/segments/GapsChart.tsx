import type { SegmentDetails, SegmentGaps } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { Columns } from "@/shared/charts/Columns";
import { asOf } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { useGaps } from "./useSegmentFigures";

/** How long a purchase lasts the members: days until the next one. */
export function GapsChart({ segment }: { segment: SegmentDetails }) {
  const gaps = useGaps(segment);
  if (gaps.data === undefined) {
    return (
      <s-section heading="Days between purchases">
        <Loaded query={gaps} noun="the purchases" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  return (
    <Loaded query={gaps} noun="the purchases">
      {(found) => <Card found={found} segment={segment} />}
    </Loaded>
  );
}

function Card({ found, segment }: { found: SegmentGaps; segment: SegmentDetails }) {
  if (found.median_days === null) {
    return (
      <s-section heading="Days between purchases">
        <s-paragraph color="subdued">None of these customers has bought {bought(found, segment)} twice yet.</s-paragraph>
      </s-section>
    );
  }
  const bins = found.bins.map((bin) => ({ label: span(bin), value: bin.count }));
  return (
    <ChartCard
      heading="Days between purchases"
      caption={`Half of ${counted(found.gaps, "pause")} between two purchases of ${bought(found, segment)} last at most ${counted(found.median_days, "day")}. ${asOf(found.as_of, found.timezone)}.`}
      columns={["Days", "Pauses"]}
      rows={bins.map((bin) => [bin.label, bin.value])}
      file={`${segment.id}-gaps`}
    >
      <Columns columns={bins} noun="pauses" />
    </ChartCard>
  );
}

function bought(found: SegmentGaps, segment: SegmentDetails): string {
  if (found.of === "product") return segment.product?.title ?? "the product";
  return found.of === "type" ? `anything of type “${found.product_type ?? ""}”` : "anything";
}

/** [14, 21) → 14–20; the open end → 84+. */
function span({ low, high }: SegmentGaps["bins"][number]): string {
  if (high === null) return `${count(low)}+`;
  return high - low === 1 ? count(low) : `${count(low)}–${count(high - 1)}`;
}
