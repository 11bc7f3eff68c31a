import type { SegmentDetails } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { Columns } from "@/shared/charts/Columns";
import { asOf } from "@/shared/format/dates";
import { percent } from "@/shared/format/numbers";

interface Props {
  segment: SegmentDetails;
}

/** How likely the members are to buy. */
export function ProbabilityChart({ segment }: Props) {
  const bins = segment.probabilities.map((bin) => ({
    label: `${percent(bin.low)}–${percent(bin.high)}`,
    value: bin.count,
  }));
  const what = segment.expected === null ? "buy" : segment.expected.what;
  const horizon = segment.expected === null ? "" : ` within ${segment.expected.horizon_days} days`;
  return (
    <ChartCard
      heading="How likely members are to buy"
      caption={`Members by their probability to ${what}${horizon}. ${asOf(segment.evaluated_at, segment.timezone)}.`}
      columns={["Probability", "Members"]}
      rows={bins.map((bin) => [bin.label, bin.value])}
      file={`${segment.id}-probability`}
    >
      <Columns columns={bins} noun="members" />
    </ChartCard>
  );
}
