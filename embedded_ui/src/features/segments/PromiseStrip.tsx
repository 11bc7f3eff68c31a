import { Bar, CartesianGrid, ComposedChart, Line, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import type { PromiseOut, Receipt } from "@/shared/api/types";
import { shortDay } from "@/shared/format/dates";
import { count, estimate } from "@/shared/format/numbers";

interface Props {
  receipts: Receipt[];
  open: PromiseOut[];
  zone: string;
}

interface Mark {
  label: string;
  note: string;
  interval: [number, number];
  expected: number;
  buyers: number | null;
  inside: boolean;
  fill: string;
}

const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };

/** Each promise as a bar from low to high; what came as a dot on it. Bars of back-dated promises are pale. */
export function PromiseStrip({ receipts, open, zone }: Props) {
  const marks = [...receipts, ...open].map((one) => markOf(one, zone));
  return (
    <>
      <ResponsiveContainer width="100%" height={240}>
        <ComposedChart data={marks} margin={{ top: 8, right: 8, bottom: 16, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid vertical={false} stroke="var(--encore-line)" />
          <XAxis dataKey="label" tick={<Tick marks={marks} />} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} interval="preserveEnd" minTickGap={28} />
          <YAxis tick={AXIS} tickLine={false} axisLine={false} width={44} tickFormatter={(v: number) => count(v)} allowDecimals={false} domain={around(marks)} />
          <Tooltip isAnimationActive={false} cursor={{ fill: "var(--encore-hover)" }} content={<Said marks={marks} />} />
          <Bar dataKey="interval" barSize={28} radius={4} isAnimationActive={false} />
          <Line dataKey="buyers" stroke="none" isAnimationActive={false} dot={<Dot marks={marks} />} activeDot={false} />
        </ComposedChart>
      </ResponsiveContainer>
      <Legend />
    </>
  );
}

/** An axis that shows the widths of intervals: it needs no zero, as bars here have two ends of their own. */
function around(marks: Mark[]): [number, number] {
  const ends = marks.flatMap((mark) => [...mark.interval, ...(mark.buyers === null ? [] : [mark.buyers])]);
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  const room = Math.max(1, Math.ceil((high - low) / 5));
  return [Math.max(0, low - room), high + room];
}

function markOf(one: PromiseOut | Receipt, zone: string): Mark {
  const receipt = "buyers" in one ? one : null;
  return {
    label: shortDay(one.as_of, zone),
    note: one.back_dated ? "back-dated" : receipt === null ? "still open" : "",
    interval: [one.low, one.high],
    expected: one.expected,
    buyers: receipt === null ? null : receipt.buyers,
    inside: receipt?.inside ?? true,
    fill: one.back_dated ? "var(--encore-data-soft)" : "var(--encore-data)",
  };
}

/** The day of a promise, and under it what sets it apart. Recharts gives place and number. */
function Tick({ marks, x, y, index }: { marks: Mark[]; x?: number; y?: number; index?: number }) {
  const mark = marks[index ?? -1];
  if (mark === undefined) return null;
  return (
    <text className="encore-tick" x={x} y={y} textAnchor="middle" {...AXIS}>
      <tspan x={x} dy="0.9em">{mark.label}</tspan>
      <tspan x={x} dy="1.3em">{mark.note}</tspan>
    </text>
  );
}

/** What came: filled where the promise held, hollow where it did not, so that colour alone says nothing. */
function Dot({ marks, cx, cy, index }: { marks: Mark[]; cx?: number; cy?: number; index?: number }) {
  const mark = marks[index ?? -1];
  if (mark === undefined || mark.buyers === null || cx === undefined || cy === undefined) return null;
  return (
    <circle
      cx={cx}
      cy={cy}
      r={6}
      fill={mark.inside ? "var(--encore-active)" : "var(--encore-surface)"}
      stroke={mark.inside ? "var(--encore-surface)" : "var(--encore-lapsed)"}
      strokeWidth={mark.inside ? 2 : 3}
    />
  );
}

function Said({ marks, active, label }: { marks: Mark[]; active?: boolean; label?: string | number }) {
  const mark = marks.find((one) => one.label === label);
  if (active !== true || mark === undefined) return null;
  const [low, high] = mark.interval;
  return (
    <div className="encore-tooltip">
      <strong>{[mark.label, mark.note].filter(Boolean).join(", ")}</strong>
      <div>{`Expected ${estimate(mark.expected)} (${count(low)} to ${count(high)})`}</div>
      {mark.buyers !== null && <div>{`${count(mark.buyers)} bought`}</div>}
    </div>
  );
}

function Legend() {
  return (
    <ul className="encore-legend">
      <li><span className="encore-key encore-key-promise" />Promised, low to high</li>
      <li><span className="encore-key encore-key-back-dated" />Back-dated</li>
      <li><span className="encore-key encore-key-inside" />Bought, as promised</li>
      <li><span className="encore-key encore-key-outside" />Bought, more or fewer</li>
    </ul>
  );
}
