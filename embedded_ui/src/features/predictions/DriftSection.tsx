import type { KindCard, ModelCard } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { moment } from "@/shared/format/dates";
import { fixed, percent } from "@/shared/format/numbers";
import { GRADE_NAMES, type Kind } from "@/shared/format/predictions";
import { useShop } from "@/shared/shop/ShopProvider";

interface Props {
  card: ModelCard;
  kind: Kind;
}

const SHOWN = 10;

const LEVELS: Record<NonNullable<NonNullable<KindCard["drift"]>["level"]>, string> = {
  none: "as before",
  some: "somewhat different",
  strong: "very different",
};

const BASES: Record<KindCard["basis"], string> = { model: "Model", baseline: "Simple rule", prior: "Store averages" };

/** How predictions changed since the run before, and the figures of earlier runs. */
export function DriftSection({ card, kind }: Props) {
  const drift = card.kinds.find((one) => one.kind === kind)?.drift ?? null;
  return (
    <>
      <s-section heading="Since the time before">
        {drift === null ? (
          <s-paragraph color="subdued">
            These are the first predictions that can be compared. Changes show from the second time on.
          </s-paragraph>
        ) : (
          <Changes drift={drift} />
        )}
      </s-section>
      {card.earlier.length > 1 && <Earlier card={card} kind={kind} />}
    </>
  );
}

function Changes({ drift }: { drift: NonNullable<KindCard["drift"]> }) {
  const { timezone } = useShop();
  return (
    <s-stack gap="base">
      <Figures>
        <Figure
          label="Probabilities"
          value={drift.level === null ? "–" : LEVELS[drift.level]}
          detail={`stability index ${fixed(drift.stability_index, 3)}; over 0.25 is a lot`}
        />
        <Figure
          label="Came per expected buyer"
          value={fixed(drift.calibration_now, 2)}
          detail={`${fixed(drift.calibration_before, 2)} before; 1.00 is exact`}
        />
        <Figure
          label="Average precision"
          value={fixed(drift.average_precision_now, 3)}
          detail={`${fixed(drift.average_precision_before, 3)} before`}
        />
      </Figures>
      <s-text color="subdued">Compared with predictions as of {moment(drift.since, timezone)}.</s-text>
    </s-stack>
  );
}

function Earlier({ card, kind }: Props) {
  const { timezone } = useShop();
  const rows = card.earlier.slice(0, SHOWN).flatMap((run) =>
    run.kinds.filter((one) => one.kind === kind).map((one) => ({ ...one, run_id: run.run_id, as_of: run.as_of })),
  );
  return (
    <s-section heading="Earlier predictions" padding="none">
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">As of</s-table-header>
          <s-table-header listSlot="inline">Grade</s-table-header>
          <s-table-header listSlot="labeled">Used</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Average precision</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Best other</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Calibration error</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Came per expected</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {rows.map((one) => (
            <s-table-row key={one.run_id}>
              <s-table-cell>{moment(one.as_of, timezone)}</s-table-cell>
              <s-table-cell>{GRADE_NAMES[one.grade]}</s-table-cell>
              <s-table-cell>{BASES[one.basis]}</s-table-cell>
              <s-table-cell>{fixed(one.average_precision, 3)}</s-table-cell>
              <s-table-cell>{fixed(one.best_other_average_precision, 3)}</s-table-cell>
              <s-table-cell>{percent(one.calibration_error)}</s-table-cell>
              <s-table-cell>{fixed(one.calibration_ratio, 2)}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}
