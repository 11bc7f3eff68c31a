import type { SegmentDetails, SegmentReceipts } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { day } from "@/shared/format/dates";
import { count, counted, estimate, percent } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { PromiseStrip } from "./PromiseStrip";
import { useSegmentReceipts } from "./useSegments";

const COLUMNS: [string, ...string[]] = [
  "Promised",
  "Until",
  "Members",
  "Expected",
  "From",
  "To",
  "Bought",
  "Inside",
  "Bought after an e-mail",
  "Note",
];

/** What was promised of a product segment, and what came: the open promise, and all receipts as a strip. */
export function Promises({ segment }: { segment: SegmentDetails }) {
  const receipts = useSegmentReceipts(segment.id, segment.product !== null);
  if (segment.product === null || receipts.data?.promised === false) return null;
  if (receipts.data === undefined) {
    return (
      <s-section heading="Promise and receipts">
        <Loaded query={receipts} noun="the receipts" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  return (
    <Loaded query={receipts} noun="the receipts">
      {(found) => <Card found={found} segment={segment} />}
    </Loaded>
  );
}

function Card({ found, segment }: { found: SegmentReceipts; segment: SegmentDetails }) {
  const { receipts, open, timezone } = found;
  return (
    <>
      <s-section heading="Promise and receipts">
        <s-stack gap="base">
          <OpenPromise found={found} />
          <Record found={found} />
        </s-stack>
      </s-section>
      {receipts.length > 0 && (
        <ChartCard
          heading="Promised and bought"
          caption="Each promise is about the members of its day and the 30 days after it. A receipt is written once and never changed."
          columns={COLUMNS}
          rows={[
            ...receipts.map((one) => [
              day(one.as_of, timezone),
              day(one.due_at, timezone),
              one.size,
              estimate(one.expected),
              one.low,
              one.high,
              one.buyers,
              one.inside ? "Yes" : "No",
              one.mailed_buyers,
              [one.back_dated ? "Back-dated" : "", one.gone > 0 ? `${counted(one.gone, "member")} erased or merged since` : ""]
                .filter(Boolean)
                .join(". "),
            ]),
            ...open.map((one) => [
              day(one.as_of, timezone),
              day(one.due_at, timezone),
              one.size,
              estimate(one.expected),
              one.low,
              one.high,
              "–",
              "–",
              "–",
              "Still open",
            ]),
          ]}
          file={`${segment.id}-receipts`}
        >
          <PromiseStrip receipts={receipts} open={open} zone={timezone} />
        </ChartCard>
      )}
    </>
  );
}

/** The newest promise in one sentence, and when its receipt comes. */
function OpenPromise({ found }: { found: SegmentReceipts }) {
  const { open, timezone } = found;
  const live = open.filter((one) => !one.back_dated).at(-1);
  if (live === undefined) {
    return <s-paragraph>No promise is open. The next refresh that shows this segment makes one.</s-paragraph>;
  }
  const rate = live.base_rate === null ? "" : ` Of all who could, ${percent(live.base_rate)} bought in the month before.`;
  return (
    <>
      <p className="encore-promise">
        {`We expect ${estimate(live.expected)} of ${count(live.size)} to buy within 30 days (${count(live.low)} to ${count(live.high)}).`}
      </p>
      <s-text color="subdued">
        {`Promised on ${day(live.as_of, timezone)}; the receipt comes on ${day(live.due_at, timezone)}.${rate} ${WHY[live.basis]}`}
      </s-text>
    </>
  );
}

const WHY = {
  model: "",
  baseline: "From a simple rule, which does as well as the model here.",
  prior: "From general experience, as your shop has too little history yet.",
} as const;

/** Why there is no receipt of earlier months, or not yet. */
function lookedBack({ state, done, wanted }: SegmentReceipts["look_back"]): string {
  if (state === "failed") {
    return "No receipt yet: what Encore would have promised 30, 60 and 90 days ago could not be worked out. It tries again after the next refresh; promises made from now on are kept.";
  }
  return state === "done"
    ? "No receipt yet: 30, 60 and 90 days ago this would not have been one of the product segments shown."
    : `Encore is working out what it would have promised 30, 60 and 90 days ago (${done} of ${wanted} done).`;
}

/** How often earlier promises held, or when that can first be said. */
function Record({ found }: { found: SegmentReceipts }) {
  const { totals, receipts, open, coverage, timezone, look_back } = found;
  const dated = receipts.filter((one) => one.back_dated).length;
  if (totals.receipts === 0) {
    const first = open.filter((one) => !one.back_dated)[0];
    return (
      <s-paragraph color="subdued">
        {lookedBack(look_back)}
        {first !== undefined && ` The first live receipt comes on ${day(first.due_at, timezone)}.`}
      </s-paragraph>
    );
  }
  const waiting = totals.receipts === dated ? open.filter((one) => !one.back_dated)[0] : undefined;
  return (
    <s-paragraph>
      {`Of ${counted(totals.receipts, "receipt")}, ${count(totals.inside)} lay inside the interval; about ${percent(coverage)} should. `}
      {`In all, ${estimate(totals.expected)} were expected and ${count(totals.buyers)} came.`}
      {totals.mailed_buyers > 0 && ` ${counted(totals.mailed_buyers, "buyer")} had got an e-mail from a campaign before.`}
      {dated > 0 &&
        ` ${dated === totals.receipts ? "All" : count(dated)} of them ${dated === 1 ? "is" : "are"} back-dated: worked out later from what was known on that day alone, for all customers, e-mailable or not.`}
      {waiting !== undefined && ` The first live receipt comes on ${day(waiting.due_at, timezone)}.`}
    </s-paragraph>
  );
}
