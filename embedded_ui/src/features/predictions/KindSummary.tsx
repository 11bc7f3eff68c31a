import type { KindCard } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { count, decimal, percent } from "@/shared/format/numbers";
import { KIND_NAMES } from "@/shared/format/predictions";

interface Props {
  kind: KindCard;
  horizon: number;
}

/** Which scorer serves and why, with its main figures. */
export function KindSummary({ kind, horizon }: Props) {
  const served = kind.scorers.find((one) => one.served);
  const { calibration } = kind;
  return (
    <s-section heading={`${KIND_NAMES[kind.kind]}: what is used, and why`}>
      <s-stack gap="base">
        <s-paragraph>{kind.basis_reason}</s-paragraph>
        {calibration !== null && served !== undefined && (
          <Figures>
            <Figure
              label="Expected buyers"
              value={count(calibration.expected)}
              detail={`${count(calibration.observed)} came within ${horizon} days`}
            />
            <Figure
              label="Best 5% of customers"
              value={`${decimal(served.lift_top5)}×`}
              detail="as likely to buy a product as all of its customers"
            />
            <Figure
              label="Caught in the best 10%"
              value={percent(served.recall_top10)}
              detail="of a product's buyers"
            />
            <Figure
              label="Calibration error"
              value={percent(calibration.error)}
              detail={`of probability; ${percent(kind.base_rate)} buy on average`}
            />
            <Figure
              label="Checked on"
              value={count(kind.pairs)}
              detail={`pairs of customer and product; learned from ${count(kind.training_pairs)}`}
            />
          </Figures>
        )}
      </s-stack>
    </s-section>
  );
}
