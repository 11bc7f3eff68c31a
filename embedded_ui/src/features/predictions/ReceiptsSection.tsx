import type { ShopReceipts } from "@/shared/api/types";
import { day } from "@/shared/format/dates";
import { count, counted, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { useShopReceipts } from "./usePredictions";

/** What product segments promised, and what came, by month. */
export function ReceiptsSection() {
  const receipts = useShopReceipts();
  return (
    <Loaded query={receipts} noun="promises and receipts" lines={3}>
      {(data) => (data.totals.receipts === 0 ? <NoReceipts receipts={data} /> : <Months receipts={data} />)}
    </Loaded>
  );
}

function NoReceipts({ receipts }: { receipts: ShopReceipts }) {
  const { timezone } = useShop();
  const { look_back, open, next_due_at } = receipts;
  const working = look_back.state === "waiting" || look_back.state === "running";
  return (
    <s-section heading="Promises and receipts">
      <s-paragraph>
        {working
          ? `What segments would have promised 30, 60 and 90 days ago is being worked out: ${look_back.done} of ${look_back.wanted} done.`
          : open === 0
            ? "No product segment has promised buyers yet. Each does with the next update of predictions."
            : `${counted(open, "product segment")} promised buyers. The first receipt comes on ${day(next_due_at, timezone)}.`}
      </s-paragraph>
    </s-section>
  );
}

function Months({ receipts }: { receipts: ShopReceipts }) {
  const { timezone } = useShop();
  const { totals, coverage, open, expected_open, next_due_at } = receipts;
  return (
    <s-section heading="Promises and receipts" padding="none">
      <s-box padding="base">
        <s-stack gap="small-200">
          <s-paragraph>
            Product segments expected {count(Math.round(totals.expected))} buyers, and {count(totals.buyers)} came.{" "}
            {count(totals.inside)} of {counted(totals.receipts, "receipt")} lay inside the promised range; of{" "}
            {percent(coverage)} that is to be expected.
          </s-paragraph>
          {open > 0 && (
            <s-text color="subdued">
              {open === 1 ? "One more promise waits for its" : `${count(open)} more promises wait for their`} 30 days:{" "}
              {counted(Math.round(expected_open), "buyer")} expected in all, the next receipt on {day(next_due_at, timezone)}.
            </s-text>
          )}
        </s-stack>
      </s-box>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Month</s-table-header>
          <s-table-header listSlot="labeled">Made</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Receipts</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Inside the range</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Expected</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">Came</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {receipts.months.map((one) => (
            <s-table-row key={`${one.month}-${String(one.back_dated)}`}>
              <s-table-cell>{one.month}</s-table-cell>
              <s-table-cell>{one.back_dated ? "Back-dated" : "Beforehand"}</s-table-cell>
              <s-table-cell>{count(one.receipts)}</s-table-cell>
              <s-table-cell>{count(one.inside)}</s-table-cell>
              <s-table-cell>{count(Math.round(one.expected))}</s-table-cell>
              <s-table-cell>{count(one.buyers)}</s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}
