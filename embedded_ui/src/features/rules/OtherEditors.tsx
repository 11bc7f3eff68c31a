import { NumberInput } from "./inputs";
import type { ConsentLeaf, MemberLeaf, SampleLeaf } from "./rule";

interface Props<L> {
  leaf: L;
  onChange: (leaf: L, field: string) => void;
}

interface MemberProps extends Props<MemberLeaf> {
  segments: { id: string; name: string }[];
}

/** Membership of another segment. */
export function MemberEditor({ leaf, segments, onChange }: MemberProps) {
  const known = segments.some((segment) => segment.id === leaf.in);
  return (
    <div className="encore-fields">
      <s-select
        label="Is in the segment"
        placeholder="Choose a segment"
        value={leaf.in}
        onChange={(event) => onChange({ in: event.currentTarget.value }, "in")}
      >
        {leaf.in !== "" && !known && <s-option value={leaf.in}>{leaf.in}</s-option>}
        {segments.map((segment) => (
          <s-option key={segment.id} value={segment.id}>
            {segment.name}
          </s-option>
        ))}
      </s-select>
    </div>
  );
}

const CONSENT = { yes: "is subscribed", no: "is not subscribed", pending: "has not confirmed yet" } as const;

/** What a customer allows on a channel. */
export function ConsentEditor({ leaf, onChange }: Props<ConsentLeaf>) {
  return (
    <div className="encore-fields">
      <s-select
        label={leaf.consent === "email" ? "E-mail consent" : "SMS consent"}
        value={leaf.is}
        onChange={(event) => onChange({ ...leaf, is: event.currentTarget.value as ConsentLeaf["is"] }, "is")}
      >
        {Object.entries(CONSENT).map(([state, words]) => (
          <s-option key={state} value={state}>
            {words}
          </s-option>
        ))}
      </s-select>
    </div>
  );
}

/** Reachable has nothing to choose. */
export function ReachableEditor() {
  return <s-text>Can be reached by e-mail: subscribed, a valid address, not suppressed</s-text>;
}

/** A stable random part of all customers. */
export function SampleEditor({ leaf, onChange }: Props<SampleLeaf>) {
  const { sample } = leaf;
  return (
    <div className="encore-fields">
      <NumberInput
        label="A random part of all customers"
        value={sample.percent}
        suffix="%"
        onChange={(percent) => onChange({ sample: { ...sample, percent } }, "percent")}
      />
      <s-text-field
        label="Name of the draw"
        details="The same name always draws the same customers"
        value={sample.salt}
        onInput={(event) => onChange({ sample: { ...sample, salt: event.currentTarget.value } }, "salt")}
      />
    </div>
  );
}
