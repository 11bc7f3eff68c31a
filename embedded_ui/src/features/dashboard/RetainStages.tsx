import type { Dashboard } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { Columns } from "@/shared/charts/Columns";
import { asOf } from "@/shared/format/dates";
import { change, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

type Stage = Dashboard["stages"][number];

/** From fresh to gone, in the order in which the app lists the stages. */
const COLORS = [
  "var(--encore-active)",
  "var(--encore-due)",
  "var(--encore-at-risk)",
  "var(--encore-lapsed)",
  "var(--encore-dormant)",
];

interface Props {
  stages: Stage[];
  asOf: string | null;
}

/** Every buyer in exactly one stage, cut by their own usual gap between orders. */
export function RetainStages({ stages, asOf: instant }: Props) {
  const { timezone } = useShop();
  const buyers = stages.reduce((sum, stage) => sum + stage.size, 0);
  const rows = stages.map((stage) => [
    stage.name,
    stage.size,
    percent(buyers === 0 ? null : stage.size / buyers),
    change(stage.change),
  ]);
  return (
    <ChartCard
      heading="Retain stages"
      caption={`Every buyer is in exactly one. ${asOf(instant, timezone)}.`}
      columns={["Stage", "Customers", "Share of buyers", "Change"]}
      rows={rows}
      file="retain-stages"
    >
      <Columns
        noun="customers"
        labelled
        columns={stages.map((stage, index) => ({
          label: stage.name,
          value: stage.size,
          color: COLORS[index % COLORS.length],
        }))}
      />
      <s-stack direction="inline" gap="base">
        {stages.map((stage) => (
          <s-link key={stage.key} href={`/segments/${stage.segment_id}`}>
            {stage.name}
          </s-link>
        ))}
      </s-stack>
    </ChartCard>
  );
}
