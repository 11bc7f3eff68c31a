import type { KindCard } from "@/shared/api/types";
import { count, decimal, fixed, percent } from "@/shared/format/numbers";

/** The served scorer beside every simple rule, on the same month. */
export function ScorersTable({ kind }: { kind: KindCard }) {
  const products = kind.scorers[0]?.products ?? 0;
  return (
    <s-section heading="Compared with simple rules" padding="none">
      <s-box paddingInline="base" paddingBlockEnd="base">
        <s-text color="subdued">
          Every row had the same task: to rank the customers of each product by who buys it next. Means over{" "}
          {count(products)} products with at least 10 buyers, best first. Lift: how much more often the best 5% or 10% of
          customers buy than all. Recall: the share of buyers among the best 10%. 10 best: the share of what a customer
          bought among the 10 products ranked highest for them. Brier and calibration error: of probabilities, smaller is
          better.
        </s-text>
      </s-box>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Way to predict</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Avg. precision</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">AUC</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Lift 5%</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Lift 10%</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Recall 10%</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">10 best</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Brier</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Calib. error</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {kind.scorers.map((one) => (
            <s-table-row key={one.key}>
              <s-table-cell>
                <div className="encore-scorer">
                  <s-text type={one.served ? "strong" : "generic"}>{one.name}</s-text>{" "}
                  {one.served && <s-badge tone="success">Used</s-badge>}
                </div>
              </s-table-cell>
              <s-table-cell>{fixed(one.average_precision, 3)}</s-table-cell>
              <s-table-cell>{fixed(one.auc, 3)}</s-table-cell>
              <s-table-cell>{decimal(one.lift_top5)}×</s-table-cell>
              <s-table-cell>{decimal(one.lift_top10)}×</s-table-cell>
              <s-table-cell>{percent(one.recall_top10)}</s-table-cell>
              <s-table-cell>{percent(one.customer_recall10)}</s-table-cell>
              <s-table-cell>{fixed(one.brier, 4)}</s-table-cell>
              <s-table-cell>{percent(one.ece)}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}
