import { useState } from "react";
import type { SegmentDetails, SegmentRow } from "@/shared/api/types";
import { count } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { OverlapCard } from "./OverlapCard";
import { useOthers } from "./useSegmentFigures";

/** Compares this segment with one or two others. */
export function CompareWith({ segment }: { segment: SegmentDetails }) {
  const [opened, setOpened] = useState(false);
  const [first, setFirst] = useState("");
  const [second, setSecond] = useState("");
  const others = useOthers(opened);
  const chosen = [first, second].filter((id) => id !== "");
  return (
    <>
      <s-section heading="Compare with other segments">
        {opened ? (
          <Loaded query={others} noun="the other segments" lines={2}>
            {(all) => {
              const rest = all.filter((one) => one.id !== segment.id);
              return (
                <div className="encore-fields">
                  <Choice label="Compare with" value={first} others={rest.filter((one) => one.id !== second)} choose={setFirst} />
                  <Choice label="And with" value={second} others={rest.filter((one) => one.id !== first)} choose={setSecond} />
                </div>
              );
            }}
          </Loaded>
        ) : (
          <s-stack gap="base">
            <s-paragraph color="subdued">See how many customers this segment shares with one or two others.</s-paragraph>
            <s-button onClick={() => setOpened(true)}>Compare</s-button>
          </s-stack>
        )}
      </s-section>
      {chosen.length > 0 && <OverlapCard ids={[segment.id, ...chosen]} />}
    </>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  others: SegmentRow[];
  choose: (id: string) => void;
}

function Choice({ label, value, others, choose }: ChoiceProps) {
  return (
    <s-select label={label} value={value} onChange={(event) => choose(event.currentTarget.value)}>
      <s-option value="">No segment</s-option>
      {others.map((one) => (
        <s-option key={one.id} value={one.id}>
          {one.name} ({count(one.size)})
        </s-option>
      ))}
    </s-select>
  );
}
