import { Area, AreaChart, Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { SegmentDetails, SegmentTrend } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { asOf, day, shortDay } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { useTrend } from "./useSegmentFigures";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };
const MARGIN = { top: 8, right: 8, bottom: 0, left: 0 };

/** How large the segment was day by day, with who entered and who left. */
export function TrendChart({ segment }: { segment: SegmentDetails }) {
  const trend = useTrend(segment);
  if (trend.data === undefined) {
    return (
      <s-section heading="Size over time">
        <Loaded query={trend} noun="the days" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  if (trend.data.days.length < 2) {
    return (
      <s-section heading="Size over time">
        <s-paragraph color="subdued">From tomorrow on, this shows the size of each day, and who entered and left.</s-paragraph>
      </s-section>
    );
  }
  return (
    <Loaded query={trend} noun="the days">
      {(found) => <Card found={found} segment={segment} />}
    </Loaded>
  );
}

/** A store day is a date without a clock: read as UTC, it stays the same day everywhere. */
const DATE_ZONE = "UTC";

function Card({ found, segment }: { found: SegmentTrend; segment: SegmentDetails }) {
  const entered = found.days.reduce((sum, one) => sum + one.entered, 0);
  const left = found.days.reduce((sum, one) => sum + one.left, 0);
  const points = found.days.map((one) => ({
    label: shortDay(one.day, DATE_ZONE),
    size: one.size,
    entered: one.entered,
    left: -one.left,
  }));
  return (
    <ChartCard
      heading="Size over time"
      caption={`${counted(found.days.length, "day")}: ${count(entered)} entered, ${count(left)} left. Who came and went within one day counts in neither. ${asOf(found.evaluated_at, found.timezone)}.`}
      columns={["Day", "Size", "Entered", "Left"]}
      rows={found.days.map((one) => [day(one.day, DATE_ZONE), one.size, one.entered, one.left])}
      file={`${segment.id}-size`}
    >
      <ResponsiveContainer width="100%" height={180}>
        <AreaChart data={points} margin={MARGIN} syncId="segment-days" accessibilityLayer={false}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" hide />
          <YAxis tick={AXIS} width={52} tickLine={false} axisLine={false} tickFormatter={(v: number) => count(v)} allowDecimals={false} />
          <Tooltip isAnimationActive={false} formatter={(value) => [count(Number(value)), "members"]} />
          <Area dataKey="size" stroke="var(--encore-data)" fill="var(--encore-data-soft)" fillOpacity={0.4} isAnimationActive={false} />
        </AreaChart>
      </ResponsiveContainer>
      <ResponsiveContainer width="100%" height={130}>
        <BarChart data={points} margin={MARGIN} syncId="segment-days" stackOffset="sign" accessibilityLayer={false}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={AXIS} tickLine={false} axisLine={false} minTickGap={28} />
          <YAxis tick={AXIS} width={52} tickLine={false} axisLine={false} tickFormatter={(v: number) => count(Math.abs(v))} allowDecimals={false} />
          <Tooltip
            isAnimationActive={false}
            cursor={{ fill: "var(--encore-hover)" }}
            formatter={(value, name) => [count(Math.abs(Number(value))), name]}
          />
          <Bar dataKey="entered" stackId="moved" fill="var(--encore-active)" isAnimationActive={false} />
          <Bar dataKey="left" stackId="moved" fill="var(--encore-lapsed)" isAnimationActive={false} />
        </BarChart>
      </ResponsiveContainer>
      <ul className="encore-legend">
        <li><span className="encore-key" /> Size</li>
        <li><span className="encore-key encore-key-entered" /> Entered, above the line</li>
        <li><span className="encore-key encore-key-left" /> Left, below it</li>
      </ul>
    </ChartCard>
  );
}
