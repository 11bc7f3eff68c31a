import { Area, AreaChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { SegmentDetails } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { Columns } from "@/shared/charts/Columns";
import { asOf, day, moment } from "@/shared/format/dates";
import { count, percent } from "@/shared/format/numbers";

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

/** How large the segment was, with who joined and who left. */
export function SizeHistory({ segment }: Props) {
  const points = segment.history.map((point) => ({ ...point, label: day(point.at, segment.timezone) }));
  return (
    <ChartCard
      heading="Size over time"
      caption={`Each time it was worked out. ${asOf(segment.evaluated_at, segment.timezone)}.`}
      columns={["Worked out", "Size", "Joined", "Left"]}
      rows={segment.history.map((point) => [moment(point.at, segment.timezone), point.size, point.entered, point.left])}
      file={`${segment.id}-size`}
    >
      <ResponsiveContainer width="100%" height={200}>
        <AreaChart data={points} margin={{ top: 8, right: 8, bottom: 0, left: 0 }}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={{ fontSize: 12 }} tickLine={false} />
          <YAxis tick={{ fontSize: 12 }} width={44} tickLine={false} axisLine={false} tickFormatter={(v: number) => count(v)} />
          <Tooltip isAnimationActive={false} formatter={(value) => [count(Number(value)), "members"]} />
          <Area dataKey="size" stroke="var(--encore-data)" fill="var(--encore-data-soft)" isAnimationActive={false} />
        </AreaChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
