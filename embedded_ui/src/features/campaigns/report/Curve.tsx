import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { CampaignEffect } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { fixed } from "@/shared/format/numbers";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };

/** Orders per 100 customers since their first decision, mailed against held out. */
export function Curve({ effect, campaignId }: { effect: CampaignEffect; campaignId: string }) {
  if (effect.curve.length < 2) return null;
  return (
    <ChartCard
      heading="Mailed and held out, day by day"
      caption="Orders per 100 customers, summed from the first decision on. Each day counts only those who could be followed so far."
      columns={["Day", "Mailed", "Held out"]}
      rows={effect.curve.map((one) => [one.day, fixed(one.mailed, 1), fixed(one.held_out, 1)])}
      file={`${campaignId}-mailed-and-held-out`}
    >
      <ResponsiveContainer width="100%" height={220}>
        <LineChart data={effect.curve} margin={{ top: 8, right: 8, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="day" tick={AXIS} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} minTickGap={24} />
          <YAxis tick={AXIS} width={44} tickLine={false} axisLine={false} />
          <Tooltip
            isAnimationActive={false}
            labelFormatter={(label) => (typeof label === "number" ? `Day ${label.toString()}` : "")}
            formatter={(value, name) => [fixed(Number(value), 1), name === "mailed" ? "Mailed" : "Held out"]}
          />
          <Line dataKey="mailed" stroke="var(--encore-data)" strokeWidth={2} dot={false} isAnimationActive={false} />
          <Line dataKey="held_out" stroke="var(--encore-dormant)" strokeWidth={2} dot={false} isAnimationActive={false} />
        </LineChart>
      </ResponsiveContainer>
      <ul className="encore-legend">
        <li><span className="encore-key" /> Mailed</li>
        <li><span className="encore-key encore-key-all" /> Held out</li>
      </ul>
    </ChartCard>
  );
}
