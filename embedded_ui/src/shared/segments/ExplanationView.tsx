import type { ExplainedPart, Explanation } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { capital } from "@/shared/format/words";
import { Loaded } from "@/shared/states/Loaded";
import { useExplanation } from "./useExplanation";

/** Why a customer is in a segment or is not: the rule part by part, what would flip it, and when time does. */
export function ExplanationView({ segmentId, customerNo }: { segmentId: string; customerNo: number }) {
  const explanation = useExplanation(segmentId, customerNo);
  return (
    <Loaded query={explanation} noun="the explanation" lines={4}>
      {(found) => <Explained explanation={found} />}
    </Loaded>
  );
}

function Explained({ explanation }: { explanation: Explanation }) {
  return (
    <s-stack gap="base">
      <s-stack direction="inline" gap="small-200" alignItems="center">
        <s-badge tone={explanation.member ? "success" : "neutral"}>{explanation.member ? "In" : "Not in"}</s-badge>
        <s-text type="strong">{explanation.summary}</s-text>
      </s-stack>
      {explanation.parts.length > 0 && (
        <ul className="encore-reasons" aria-label="The rule, part by part">
          {explanation.parts.map((part) => (
            <Part key={part.path} part={part} />
          ))}
        </ul>
      )}
      {explanation.holds !== null && <WhatFlips explanation={explanation} />}
      {explanation.holds !== null && <WhenItFlips explanation={explanation} />}
      {explanation.as_of !== null && (
        <s-text color="subdued">
          From the data of {moment(explanation.as_of, explanation.timezone)} and consent as it is now.
        </s-text>
      )}
    </s-stack>
  );
}

function Part({ part }: { part: ExplainedPart }) {
  return (
    <li style={{ paddingInlineStart: `${part.depth * 20}px` }} data-helps={part.helps}>
      <span className="encore-mark" role="img" aria-label={part.holds ? "Holds" : "Does not hold"}>
        {part.holds ? "✓" : "✗"}
      </span>
      <span>
        {part.kind === "leaf" ? part.sentence : <b>{part.sentence}</b>}
        {part.value !== null && <span className="encore-own">{part.value}</span>}
        {part.missing && <span className="encore-own">The value is missing, and the rule says what that means.</span>}
        {part.fixed !== null && <span className="encore-own">{part.fixed}</span>}
      </span>
    </li>
  );
}

function WhatFlips({ explanation }: { explanation: Explanation }) {
  const [nearest, ...others] = explanation.ways;
  const change = explanation.holds === true ? "The rule would no longer take this customer if" : "The rule would take this customer if";
  if (nearest === undefined) return <s-paragraph>{explanation.no_way}</s-paragraph>;
  return (
    <s-stack gap="small-200">
      <s-paragraph>
        <s-text type="strong">Nearest change: </s-text>
        {change} {nearest.text}.
      </s-paragraph>
      {others.length > 0 && (
        <s-paragraph color="subdued">Or if {others.map((way) => way.text).join("; or if ")}.</s-paragraph>
      )}
    </s-stack>
  );
}

function WhenItFlips({ explanation }: { explanation: Explanation }) {
  const { flips_at, flips_to, held, timezone } = explanation;
  const taken = held.length === 0 ? "" : ` ${capital(held.join(", "))} taken as now.`;
  return (
    <s-paragraph>
      <s-text type="strong">If nothing happens: </s-text>
      {flips_at === null
        ? `the rule says the same for the next 400 days.${taken}`
        : `the rule ${flips_to === true ? "takes this customer in" : "lets this customer go"} on ${moment(flips_at, timezone)}.${taken}`}
    </s-paragraph>
  );
}
