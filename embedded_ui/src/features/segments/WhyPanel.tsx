import { useEffect, useRef } from "react";
import type { Pin, SegmentDetails } from "@/shared/api/types";
import { FindCustomer } from "@/shared/customers/FindCustomer";
import { day } from "@/shared/format/dates";
import { counted } from "@/shared/format/numbers";
import { ExplanationView } from "@/shared/segments/ExplanationView";
import { useExplanation, usePinActions, usePins } from "@/shared/segments/useExplanation";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";

interface Props {
  segment: SegmentDetails;
  /** The customer asked about, if one is chosen. */
  customerNo: number | null;
  choose: (customerNo: number | null) => void;
}

/** "Why in, why not?": one customer looked up and explained, with the pins of the segment. */
export function WhyPanel({ segment, customerNo, choose }: Props) {
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (customerNo !== null) panel.current?.scrollIntoView({ block: "nearest" });
  }, [customerNo]);
  return (
    <s-section heading="Why in, why not?">
      <div ref={panel}>
        <s-stack gap="base">
          <FindCustomer choose={(customer) => choose(customer.customer_no)} action="Explain" />
          {customerNo !== null && <OfCustomer segment={segment} customerNo={customerNo} choose={choose} />}
          {segment.source === "rule" && <Pinned segment={segment} choose={choose} />}
        </s-stack>
      </div>
    </s-section>
  );
}

function OfCustomer({ segment, customerNo, choose }: Props & { customerNo: number }) {
  const explanation = useExplanation(segment.id, customerNo);
  const who = explanation.data;
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="base">
        <s-stack direction="inline" gap="base" alignItems="center" justifyContent="space-between">
          <s-link href={`/customers/${customerNo.toString()}`}>{who?.name ?? `Customer ${customerNo.toString()}`}</s-link>
          <s-button variant="tertiary" icon="x" accessibilityLabel="Close the explanation" onClick={() => choose(null)} />
        </s-stack>
        <ExplanationView segmentId={segment.id} customerNo={customerNo} />
        {segment.source === "rule" && who !== undefined && (
          <PinButtons segmentId={segment.id} customerNo={customerNo} pinned={who.pinned} />
        )}
      </s-stack>
    </s-box>
  );
}

interface PinProps {
  segmentId: string;
  customerNo: number;
  pinned: "in" | "out" | null;
}

function PinButtons({ segmentId, customerNo, pinned }: PinProps) {
  const { pin, unpin } = usePinActions(segmentId);
  const put = (kind: "in" | "out") =>
    pin.mutate({ customer_no: customerNo, kind }, { onSuccess: () => toast(kind === "in" ? "Pinned in" : "Pinned out") });
  const problem = pin.error ?? unpin.error;
  const busy = pin.isPending || unpin.isPending;
  return (
    <s-stack gap="small-200">
      {problem !== null && <Failure what="The pin was not changed" error={problem} />}
      <s-stack direction="inline" gap="small-200">
        {pinned !== "in" && (
          <s-button variant="secondary" loading={busy} onClick={() => put("in")}>
            Always in
          </s-button>
        )}
        {pinned !== "out" && (
          <s-button variant="secondary" loading={busy} onClick={() => put("out")}>
            Never in
          </s-button>
        )}
        {pinned !== null && (
          <s-button
            variant="secondary"
            loading={busy}
            onClick={() => unpin.mutate(customerNo, { onSuccess: () => toast("Left to the rule again") })}
          >
            Leave it to the rule
          </s-button>
        )}
      </s-stack>
    </s-stack>
  );
}

/** Whom the merchant pinned, and how the size adds up with them. */
function Pinned({ segment, choose }: { segment: SegmentDetails; choose: (customerNo: number) => void }) {
  const { pinned_in, pinned_out, added, removed } = segment.pins;
  const pins = usePins(segment.id);
  if (pinned_in + pinned_out === 0) {
    return (
      <s-text color="subdued">
        Nobody is pinned. Find a customer to keep them in or out of this segment, whatever the rule says.
      </s-text>
    );
  }
  return (
    <s-stack gap="small-200">
      <s-text>
        {counted(pinned_in, "customer")} pinned in, {pinned_out} pinned out. The size is what the rule selects, plus{" "}
        {added} whom it leaves out, minus {removed} whom it would take.
      </s-text>
      <Loaded query={pins} noun="the pinned customers" lines={2}>
        {(found) => (
          <s-unordered-list>
            {found.map((one) => (
              <PinnedCustomer key={one.customer_no} pin={one} segment={segment} choose={choose} />
            ))}
          </s-unordered-list>
        )}
      </Loaded>
    </s-stack>
  );
}

function PinnedCustomer({ pin, segment, choose }: { pin: Pin; segment: SegmentDetails; choose: (no: number) => void }) {
  return (
    <s-list-item>
      {pin.name} · pinned {pin.kind} on {day(pin.at, segment.timezone)}
      {pin.note !== null && ` · ${pin.note}`}{" "}
      <s-button variant="tertiary" accessibilityLabel={`Explain ${pin.name}`} onClick={() => choose(pin.customer_no)}>
        Explain
      </s-button>
    </s-list-item>
  );
}
