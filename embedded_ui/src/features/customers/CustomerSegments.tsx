import { useState } from "react";
import type { SegmentOfCustomer } from "@/shared/api/types";
import { CATEGORY_NAMES } from "@/shared/format/words";
import { ExplanationView } from "@/shared/segments/ExplanationView";
import { Loaded } from "@/shared/states/Loaded";
import { useSegmentsOfCustomer } from "./useCustomer";

/** The segments that the customer is in, each with the reason and, asked for, the whole explanation. */
export function CustomerSegments({ customerNo }: { customerNo: number }) {
  const segments = useSegmentsOfCustomer(customerNo);
  return (
    <s-section heading="Segments">
      <Loaded query={segments} noun="the segments" lines={4}>
        {(found) =>
          found.length === 0 ? (
            <s-paragraph color="subdued">
              In no segment. To see why not, open a segment and look under “Why in, why not?”.
            </s-paragraph>
          ) : (
            <s-stack gap="base">
              {found.map((one) => (
                <Membership key={one.segment_id} segment={one} customerNo={customerNo} />
              ))}
            </s-stack>
          )
        }
      </Loaded>
    </s-section>
  );
}

function Membership({ segment, customerNo }: { segment: SegmentOfCustomer; customerNo: number }) {
  const [open, setOpen] = useState(false);
  return (
    <s-stack gap="small-200">
      <s-stack direction="inline" gap="small-200" alignItems="center">
        <s-link href={`/segments/${segment.segment_id}?customer=${customerNo.toString()}`}>{segment.name}</s-link>
        <s-badge>{CATEGORY_NAMES[segment.category]}</s-badge>
        {segment.pinned !== null && <s-badge tone="info">{segment.pinned === "in" ? "Pinned in" : "Pinned out"}</s-badge>}
        <s-button
          variant="tertiary"
          accessibilityLabel={`${open ? "Hide why" : "Why"}: ${segment.name}`}
          onClick={() => setOpen(!open)}
        >
          {open ? "Hide" : "Why?"}
        </s-button>
      </s-stack>
      <s-text color="subdued">{segment.reason}</s-text>
      {open && (
        <s-box padding="base" border="base" borderRadius="base">
          <ExplanationView segmentId={segment.segment_id} customerNo={customerNo} />
        </s-box>
      )}
    </s-stack>
  );
}
