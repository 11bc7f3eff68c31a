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
          {count(products)} products with at least 10 buyers, best first.
        </s-text>
      </s-box>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Way to predict</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Average precision</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">AUC</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Lift, best 5%</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Lift, best 10%</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Buyers in best 10%</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">In customer's 10 best</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Brier score</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Calibration error</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {kind.scorers.map((one) => (
            <s-table-row key={one.key}>
              <s-table-cell>
                <s-stack direction="inline" gap="small-200" alignItems="center">
                  <s-text type={one.served ? "strong" : "generic"}>{one.name}</s-text>
                  {one.served && <s-badge tone="success">Used</s-badge>}
                </s-stack>
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
