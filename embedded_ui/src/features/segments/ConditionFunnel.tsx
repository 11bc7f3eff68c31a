import type { LeafResult, SegmentDetails } from "@/shared/api/types";
import { ConditionBars } from "@/shared/charts/ConditionBars";
import { count, counted } from "@/shared/format/numbers";

interface Props {
  leaves: LeafResult[];
  fromMissing: number;
  pins: SegmentDetails["pins"];
  size: number;
}

/** How many customers each condition keeps: shows which one removed everyone. */
export function ConditionFunnel({ leaves, fromMissing, pins, size }: Props) {
  return (
    <s-section heading="Condition by condition">
      <s-stack gap="base">
        <ConditionBars leaves={leaves} fromMissing={fromMissing} />
        {pins.added + pins.removed > 0 && (
          <s-text>
            {count(size - pins.added + pins.removed)} by the rule + {count(pins.added)} pinned in − {count(pins.removed)}{" "}
            pinned out = {counted(size, "customer")}
          </s-text>
        )}
      </s-stack>
    </s-section>
  );
}
