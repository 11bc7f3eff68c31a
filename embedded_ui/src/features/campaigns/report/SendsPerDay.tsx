import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { CampaignResults, CampaignSummary } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { asOf, day, shortDay } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };
/** A store day is a date without a clock: read as UTC, it stays the same day everywhere. */
const DATE_ZONE = "UTC";
const COLORS = ["--encore-data", "--encore-active", "--encore-at-risk", "--encore-lapsed", "--encore-data-soft"];
const OTHERS = "Other campaigns";

interface Point {
  day: string;
  sent: Record<string, number>;
}

/** Per day and name; beyond the colours there are, campaigns that sent least go together. */
export function perDay(results: CampaignResults, names: Map<string, string>): { shown: string[]; points: Point[] } {
  const totals = new Map<string, number>();
  for (const one of results.days) totals.set(one.campaign_id, (totals.get(one.campaign_id) ?? 0) + one.sent);
  const ranked = [...totals.keys()].sort((a, b) => (totals.get(b) ?? 0) - (totals.get(a) ?? 0));
  const own = new Set(ranked.length <= COLORS.length ? ranked : ranked.slice(0, COLORS.length - 1));
  const nameOf = (id: string) => (own.has(id) ? (names.get(id) ?? `Deleted campaign ${id.replace("cmp_", "")}`) : OTHERS);
  const points = new Map<string, Point>();
  for (const one of results.days) {
    const point = points.get(one.day) ?? { day: one.day, sent: {} };
    const name = nameOf(one.campaign_id);
    point.sent[name] = (point.sent[name] ?? 0) + one.sent;
    points.set(one.day, point);
  }
  return { shown: [...new Set(ranked.map(nameOf))], points: [...points.values()] };
}

/** How many e-mails went out on each day, by campaign. */
export function SendsPerDay({ results, campaigns }: { results: CampaignResults; campaigns: CampaignSummary[] }) {
  const { timezone } = useShop();
  if (results.days.length === 0) return null;
  const names = new Map(campaigns.map((one) => [one.id, one.name ?? "Unnamed draft"]));
  const { shown, points } = perDay(results, names);
  const color = (index: number) => `var(${COLORS[index % COLORS.length] ?? "--encore-data"})`;
  return (
    <ChartCard
      heading="E-mails sent per day"
      caption={`By campaign, the last days with any. ${asOf(results.as_of, timezone)}.`}
      columns={["Day", ...shown]}
      rows={points.map((one) => [day(one.day, DATE_ZONE), ...shown.map((name) => one.sent[name] ?? 0)])}
      file="sends-per-day"
    >
      <ResponsiveContainer width="100%" height={200}>
        <BarChart
          data={points.map((one) => ({ ...one, label: shortDay(one.day, DATE_ZONE) }))}
          margin={{ top: 8, right: 8, bottom: 0, left: 0 }}
          accessibilityLayer={false}
        >
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={AXIS} tickLine={false} minTickGap={28} axisLine={{ stroke: "var(--encore-line)" }} />
          <YAxis tick={AXIS} width={44} tickLine={false} axisLine={false} allowDecimals={false} tickFormatter={(v: number) => count(v)} />
          <Tooltip isAnimationActive={false} cursor={{ fill: "var(--encore-hover)" }} formatter={(value) => count(Number(value))} />
          {shown.map((name, index) => (
            <Bar
              key={name}
              name={name}
              dataKey={(point: Point) => point.sent[name] ?? 0}
              stackId="sent"
              fill={color(index)}
              maxBarSize={48}
              isAnimationActive={false}
            />
          ))}
        </BarChart>
      </ResponsiveContainer>
      <ul className="encore-legend">
        {shown.map((name, index) => (
          <li key={name}>
            <span className="encore-key" style={{ background: color(index) }} /> {name}
          </li>
        ))}
      </ul>
    </ChartCard>
  );
}
