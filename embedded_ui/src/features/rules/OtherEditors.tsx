import type { Vocabulary } from "@/shared/api/types";
import { NumberInput } from "./inputs";
import type { ConsentLeaf, MemberLeaf, SampleLeaf } from "./rule";
import { PAST, WindowInput } from "./WindowInput";

interface Props<L> {
  leaf: L;
  onChange: (leaf: L, field: string) => void;
}

interface SegmentSelectProps {
  label: string;
  value: string;
  segments: { id: string; name: string }[];
  onChange: (id: string) => void;
}

interface MemberProps extends Props<MemberLeaf> {
  segments: { id: string; name: string }[];
  vocabulary: Vocabulary;
}

/** One of the shop's segments, or the one already chosen. */
export function SegmentSelect({ label, value, segments, onChange }: SegmentSelectProps) {
  const known = segments.some((segment) => segment.id === value);
  return (
    <s-select
      label={label}
      placeholder="Choose a segment"
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      {value !== "" && !known && <s-option value={value}>{value}</s-option>}
      {segments.map((segment) => (
        <s-option key={segment.id} value={segment.id}>
          {segment.name}
        </s-option>
      ))}
    </s-select>
  );
}

/** Membership of another segment, now or in the past. */
export function MemberEditor({ leaf, segments, vocabulary, onChange }: MemberProps) {
  const moves = vocabulary.names.filter((one) => one.kind === "move");
  const move = (moved: string) => {
    onChange(moved === "now" ? { in: leaf.in } : { in: leaf.in, moved, during: leaf.during ?? { last: "30d" } }, "moved");
  };
  return (
    <div className="encore-fields">
      <s-select label="They" value={leaf.moved ?? "now"} onChange={(event) => move(event.currentTarget.value)}>
        <s-option value="now">are in</s-option>
        {moves.map((one) => (
          <s-option key={one.name} value={one.name}>
            {one.label}
          </s-option>
        ))}
      </s-select>
      <SegmentSelect
        label="Segment"
        value={leaf.in}
        segments={segments}
        onChange={(chosen) => onChange({ ...leaf, in: chosen }, "in")}
      />
      {leaf.moved !== undefined && (
        <WindowInput window={leaf.during} kinds={PAST} onChange={(during) => onChange({ ...leaf, during }, "during")} />
      )}
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
