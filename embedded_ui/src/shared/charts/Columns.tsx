import { Bar, BarChart, CartesianGrid, LabelList, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { count } from "@/shared/format/numbers";

export interface Column {
  label: string;
  value: number;
  /** A CSS colour; left out = the one data colour. */
  color?: string;
}

interface Props {
  columns: Column[];
  /** What the height counts: "customers". */
  noun: string;
  height?: number;
  labelled?: boolean;
}

const DATA_COLOR = "var(--encore-data)";
const AXIS = { fontSize: 12, fill: "var(--encore-subdued)" };

/** Upright bars for a few named groups or the bins of a distribution. */
export function Columns({ columns, noun, height = 220, labelled = false }: Props) {
  const data = columns.map(({ label, value, color }) => ({ label, value, fill: color ?? DATA_COLOR }));
  return (
    <ResponsiveContainer width="100%" height={height}>
      <BarChart data={data} margin={{ top: labelled ? 20 : 8, right: 8, bottom: 0, left: 0 }}>
        <CartesianGrid vertical={false} stroke="var(--encore-line)" />
        <XAxis dataKey="label" tick={AXIS} tickLine={false} axisLine={{ stroke: "var(--encore-line)" }} />
        <YAxis tick={AXIS} tickLine={false} axisLine={false} width={44} tickFormatter={(v: number) => count(v)} allowDecimals={false} />
        <Tooltip
          cursor={{ fill: "var(--encore-hover)" }}
          formatter={(value) => [count(Number(value)), noun]}
          isAnimationActive={false}
        />
        <Bar dataKey="value" radius={[4, 4, 0, 0]} maxBarSize={64} isAnimationActive={false}>
          {labelled && <LabelList dataKey="value" position="top" formatter={(v) => count(Number(v))} style={AXIS} />}
        </Bar>
      </BarChart>
    </ResponsiveContainer>
  );
}
