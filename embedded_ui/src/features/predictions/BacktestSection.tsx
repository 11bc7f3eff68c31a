import { Bar, CartesianGrid, ComposedChart, ErrorBar, Legend, Line, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { Backtest } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { day } from "@/shared/format/dates";
import { count, counted, decimal, fixed, percent } from "@/shared/format/numbers";
import { KIND_NAMES, type Kind } from "@/shared/format/predictions";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { useBacktest } from "./usePredictions";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };

/** What predictions frozen at past weeks came to. */
export function BacktestSection({ kind }: { kind: Kind }) {
  const backtest = useBacktest();
  return (
    <Loaded query={backtest} noun="the back-test" lines={4}>
      {(data) => (data.moments.length === 0 ? <NoMoments backtest={data} /> : <Moments backtest={data} kind={kind} />)}
    </Loaded>
  );
}

function NoMoments({ backtest }: { backtest: Backtest }) {
  const { timezone } = useShop();
  const says: Record<Backtest["state"], string> = {
    none: "It is worked out after the next update of predictions.",
    working: `It is being worked out: ${backtest.done} of ${backtest.planned || "the"} past weeks are done.`,
    too_short: `A past week can be checked once 120 days of orders lie before it and 30 days after it. The first result is possible on ${day(backtest.first_at, timezone)}.`,
    failed: "It could not be worked out. Encore tries again after the next update of predictions.",
    ready: "There is no week to check.",
  };
  return (
    <s-section heading="Past predictions and what came of them">
      <s-paragraph>{says[backtest.state]}</s-paragraph>
    </s-section>
  );
}

function Moments({ backtest, kind }: { backtest: Backtest; kind: Kind }) {
  const { timezone } = useShop();
  const points = backtest.moments.flatMap((moment) =>
    moment.kinds
      .filter((one) => one.kind === kind)
      .map((one) => ({
        ...one,
        label: day(moment.at, timezone),
        around: [one.expected - one.expected_low, one.expected_high - one.expected],
      })),
  );
  const first = points[0]?.label ?? "";
  const part = backtest.sample_share === 1 ? "" : ` Counts are of ${percent(backtest.sample_share)} of customers, drawn by chance.`;
  const more = backtest.state === "working" ? ` ${backtest.planned - backtest.done} more are being worked out.` : "";
  return (
    <ChartCard
      heading="Past predictions and what came of them"
      caption={`${KIND_NAMES[kind]}: every fourth week from ${first}, ${counted(points.length, "week")} in all. Each was predicted with nothing but what was known that day, and compared with the 30 days after it.${part}${more}`}
      columns={["Week of", "Expected", "Came", "Calibration error", "Average precision", "Best rule", "Its average precision", "Lift, best 5%"]}
      rows={points.map((one) => [
        one.label,
        Math.round(one.expected),
        one.actual,
        percent(one.calibration_error),
        fixed(one.average_precision, 3),
        one.best_rule,
        fixed(one.best_rule_average_precision, 3),
        `${decimal(one.lift_top5)}×`,
      ])}
      file={`back-test-${kind}`}
    >
      <ResponsiveContainer width="100%" height={260}>
        <ComposedChart data={points} margin={{ top: 8, right: 16, bottom: 0, left: 0 }}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={AXIS} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} />
          <YAxis tick={AXIS} tickLine={false} axisLine={false} width={56} tickFormatter={(v: number) => count(v)} domain={[0, "auto"]} />
          <Tooltip
            cursor={{ fill: "var(--encore-hover)" }}
            isAnimationActive={false}
            formatter={(value, name) => [count(Number(value)), name]}
          />
          <Legend position="top" />
          <Bar dataKey="actual" name="Came" fill="var(--encore-data-soft)" radius={[4, 4, 0, 0]} maxBarSize={56} isAnimationActive={false} />
          <Line dataKey="expected" name="Expected" stroke="var(--encore-data)" strokeWidth={2} dot={{ r: 4 }} isAnimationActive={false}>
            <ErrorBar dataKey="around" width={6} strokeWidth={1.5} stroke="var(--encore-data)" direction="y" />
          </Line>
        </ComposedChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
