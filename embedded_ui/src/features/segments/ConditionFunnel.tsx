import type { LeafResult } from "@/shared/api/types";
import { ConditionBars } from "@/shared/charts/ConditionBars";

interface Props {
  leaves: LeafResult[];
  fromMissing: number;
}

/** How many customers each condition keeps: shows which one removed everyone. */
export function ConditionFunnel({ leaves, fromMissing }: Props) {
  return (
    <s-section heading="Condition by condition">
      <ConditionBars leaves={leaves} fromMissing={fromMissing} />
    </s-section>
  );
}
