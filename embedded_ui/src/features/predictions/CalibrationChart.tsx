import { CartesianGrid, ComposedChart, ErrorBar, Line, ResponsiveContainer, Scatter, Tooltip, XAxis, YAxis } from "recharts";
import type { CalibrationBin } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { count, percent } from "@/shared/format/numbers";

interface Props {
  heading: string;
  caption: string;
  bins: CalibrationBin[];
  file: string;
  /** What the groups are made of. */
  counted?: string;
}

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };
const LABEL = { fontSize: 12, fill: "var(--encore-subdued)" };

/** Predicted against observed shares by decile; on the line, a probability is exactly true. */
export function CalibrationChart({ heading, caption, bins, file, counted = "Pairs" }: Props) {
  const points = bins.map((bin) => ({
    ...bin,
    exact: bin.predicted,
    around: [Math.max(0, bin.observed - bin.low), Math.max(0, bin.high - bin.observed)],
  }));
  const most = Math.max(...bins.map((bin) => Math.max(bin.predicted, bin.high)), 0.01);
  return (
    <ChartCard
      heading={heading}
      caption={caption}
      columns={["Group", counted, "Predicted", "Came true", "95% interval"]}
      rows={bins.map((bin, place) => [
        String(place + 1),
        bin.pairs,
        percent(bin.predicted),
        percent(bin.observed),
        `${percent(bin.low)}–${percent(bin.high)}`,
      ])}
      file={file}
    >
      <ResponsiveContainer width="100%" height={280}>
        <ComposedChart data={points} margin={{ top: 8, right: 16, bottom: 24, left: 8 }}>
          <CartesianGrid stroke="var(--encore-line)" />
          <XAxis
            type="number"
            dataKey="predicted"
            domain={[0, most]}
            tick={AXIS}
            tickLine={false}
            tickFormatter={(v: number) => percent(v)}
            label={{ value: "Predicted", position: "insideBottom", offset: -12, style: LABEL }}
          />
          <YAxis
            type="number"
            domain={[0, most]}
            tick={AXIS}
            tickLine={false}
            axisLine={false}
            width={60}
            tickFormatter={(v: number) => percent(v)}
            label={{ value: "Came true", angle: -90, position: "insideLeft", style: LABEL }}
          />
          <Tooltip
            isAnimationActive={false}
            content={({ payload }) => {
              const bin = payload[0]?.payload as CalibrationBin | undefined;
              return bin === undefined ? null : (
                <div className="encore-tooltip">
                  Predicted {percent(bin.predicted)}, came true {percent(bin.observed)} ({percent(bin.low)}–
                  {percent(bin.high)}), {count(bin.pairs)} {counted.toLowerCase()}
                </div>
              );
            }}
          />
          <Line dataKey="exact" stroke="var(--encore-dormant)" strokeDasharray="4 4" dot={false} isAnimationActive={false} />
          <Scatter dataKey="observed" fill="var(--encore-data)" isAnimationActive={false}>
            <ErrorBar dataKey="around" width={6} strokeWidth={1.5} stroke="var(--encore-data)" direction="y" />
          </Scatter>
        </ComposedChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
