import type { CampaignReport } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { day, moment } from "@/shared/format/dates";
import { interval, signed } from "@/shared/format/intervals";
import { count, estimate } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };
const DATE_ZONE = "UTC";

/** Every message by where it stands; the parts add up to the whole. */
export function MessageSum({ report }: { report: CampaignReport }) {
  const { messages } = report;
  const parts: [string, number][] = [
    ["sent", messages.sent],
    ["failed", messages.failed],
    ["without an answer", messages.unknown],
    ["stopped by the weekly cap", messages.capped],
    ["cancelled", messages.cancelled],
    ["held out", messages.held_out],
    ["waiting", messages.waiting],
  ];
  return (
    <s-text color="subdued">
      {count(messages.planned)} messages planned ={" "}
      {parts.map(([words, number]) => `${count(number)} ${words}`).join(" + ")}.
    </s-text>
  );
}

/** How many are held out, why, and since when. */
export function HoldoutNotes({ report }: { report: CampaignReport }) {
  const { timezone } = useShop();
  return (
    <s-section heading="Who is held out">
      <s-stack gap="base">
        <s-paragraph>
          {report.holdout_percent}% of the customers who would get this campaign are left without it, by a coin that
          falls after they were chosen. {report.shop_holdout_percent}% of all customers get no campaign at all. Once the
          campaign surely adds orders, fewer are held out, step by step.
        </s-paragraph>
        {report.holdout_changes.length > 0 && (
          <s-unordered-list>
            {report.holdout_changes.map((one) => (
              <s-list-item key={one.at}>
                {moment(one.at, timezone)}: from {one.before}% to {one.percent}%. {one.reason}
              </s-list-item>
            ))}
          </s-unordered-list>
        )}
      </s-stack>
    </s-section>
  );
}

/** How the measurement became what it is. */
export function EarlierMeasurements({ report }: { report: CampaignReport }) {
  const known = report.history.filter((one) => one.estimate !== null);
  if (known.length < 2) return null;
  return (
    <ChartCard
      heading="Incremental orders, as measured each day"
      caption="Earlier figures stay as they were, also when orders arrive late."
      columns={["Day", "Incremental orders", "95% interval"]}
      rows={known.map((one) => [day(one.day, DATE_ZONE), signed(one.estimate ?? 0, estimate), interval(one, estimate) ?? "–"])}
      file={`${report.campaign_id}-measurements`}
    >
      <ResponsiveContainer width="100%" height={180}>
        <LineChart
          data={known.map((one) => ({ ...one, label: day(one.day, DATE_ZONE) }))}
          margin={{ top: 8, right: 8, bottom: 0, left: 0 }}
          accessibilityLayer={false}
        >
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={AXIS} tickLine={false} minTickGap={28} axisLine={{ stroke: "var(--encore-line)" }} />
          <YAxis tick={AXIS} width={44} tickLine={false} axisLine={false} />
          <Tooltip isAnimationActive={false} formatter={(value) => estimate(Number(value))} />
          <Line dataKey="low" stroke="var(--encore-dormant)" strokeDasharray="4 3" dot={false} isAnimationActive={false} />
          <Line dataKey="high" stroke="var(--encore-dormant)" strokeDasharray="4 3" dot={false} isAnimationActive={false} />
          <Line dataKey="estimate" stroke="var(--encore-data)" strokeWidth={2} dot={false} isAnimationActive={false} />
        </LineChart>
      </ResponsiveContainer>
    </ChartCard>
  );
}
