import type { Dashboard } from "@/shared/api/types";
import { asOf } from "@/shared/format/dates";
import { change, count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";

interface Props {
  movers: Dashboard["movers"];
  asOf: string | null;
}

/** The segments whose size changed most since the run before. */
export function Movers({ movers, asOf: instant }: Props) {
  const { timezone } = useShop();
  return (
    <s-section heading="Segments that moved most" padding={movers.length === 0 ? "base" : "none"}>
      {movers.length === 0 ? (
        <s-paragraph color="subdued">
          No segment has changed yet. Movements show from the second time segments are worked out.
        </s-paragraph>
      ) : (
        <>
          <s-table>
            <s-table-header-row>
              <s-table-header listSlot="primary">Segment</s-table-header>
              <s-table-header listSlot="labeled" format="numeric">Size</s-table-header>
              <s-table-header listSlot="labeled" format="numeric">Joined</s-table-header>
              <s-table-header listSlot="labeled" format="numeric">Left</s-table-header>
              <s-table-header listSlot="labeled" format="numeric">Net</s-table-header>
            </s-table-header-row>
            <s-table-body>
              {movers.map((mover) => (
                <s-table-row key={mover.segment_id}>
                  <s-table-cell>
                    <s-link href={`/segments/${mover.segment_id}`}>{mover.name}</s-link>
                  </s-table-cell>
                  <s-table-cell>{count(mover.size)}</s-table-cell>
                  <s-table-cell>{count(mover.entered)}</s-table-cell>
                  <s-table-cell>{count(mover.left)}</s-table-cell>
                  <s-table-cell>{change(mover.entered - mover.left)}</s-table-cell>
                </s-table-row>
              ))}
            </s-table-body>
          </s-table>
          <s-box padding="base">
            <s-text color="subdued">{asOf(instant, timezone)}</s-text>
          </s-box>
        </>
      )}
    </s-section>
  );
}
