import type { Vocabulary } from "@/shared/api/types";
import { capital } from "@/shared/format/words";
import { DidEditor } from "./LeafEditors";
import { entry } from "./leaves";
import type { DidLeaf, LatestLeaf, LifeLeaf, SequenceLeaf } from "./rule";
import { WhereFilters } from "./WhereFilters";
import { Duration, PAST, WindowInput } from "./WindowInput";

interface Props<L> {
  leaf: L;
  vocabulary: Vocabulary;
  onChange: (leaf: L, field: string) => void;
}

interface EventSelectProps {
  label: string;
  event: string;
  vocabulary: Vocabulary;
  onChange: (event: string) => void;
}

/** Something that customers do. */
function EventSelect({ label, event, vocabulary, onChange }: EventSelectProps) {
  return (
    <s-select label={label} value={event} onChange={(chosen) => onChange(chosen.currentTarget.value)}>
      {entry(vocabulary, "event", event) === undefined && <s-option value={event}>{event}</s-option>}
      {vocabulary.names
        .filter((one) => one.kind === "event")
        .map((one) => (
          <s-option key={one.name} value={one.name}>
            {one.label}
          </s-option>
        ))}
    </s-select>
  );
}

interface PartProps extends Props<DidLeaf> {
  label: string;
}

function Part({ label, leaf, vocabulary, onChange }: PartProps) {
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        {/* Another event has other details. */}
        <EventSelect label={label} event={leaf.did} vocabulary={vocabulary} onChange={(did) => onChange({ ...leaf, did, where: [] }, "did")} />
      </div>
      <DidEditor label="How often" leaf={leaf} vocabulary={vocabulary} onChange={onChange} />
    </s-stack>
  );
}

/** One thing, and another within a time after it. */
export function SequenceEditor({ leaf, vocabulary, onChange }: Props<SequenceLeaf>) {
  const waits = leaf.then.count !== undefined && !["gte", "gt"].includes(leaf.then.count.op);
  return (
    <s-stack gap="base">
      <Part label="First" leaf={leaf.first} vocabulary={vocabulary} onChange={(first, field) => onChange({ ...leaf, first }, `first.${field}`)} />
      <div className="encore-fields">
        <Duration label="Then, within" hours value={leaf.within} onChange={(within) => onChange({ ...leaf, within }, "within")} />
      </div>
      <Part label="Then" leaf={leaf.then} vocabulary={vocabulary} onChange={(then, field) => onChange({ ...leaf, then }, `then.${field}`)} />
      {waits && <s-text color="subdued">Customers come in once that time has fully passed: until then it can still happen.</s-text>}
    </s-stack>
  );
}

/** The details of the latest of some events. */
export function LatestEditor({ leaf, vocabulary, onChange }: Props<LatestLeaf>) {
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <EventSelect label="The last time they did this" event={leaf.latest} vocabulary={vocabulary} onChange={(latest) => onChange({ latest, has: [] }, "latest")} />
      </div>
      <WhereFilters label="It was so" event={leaf.latest} filters={leaf.has} vocabulary={vocabulary} onChange={(has) => onChange({ ...leaf, has }, "has")} />
      <WhereFilters label="Of those only where" event={leaf.latest} filters={leaf.where ?? []} vocabulary={vocabulary} onChange={(where) => onChange({ ...leaf, where }, "where")} />
    </s-stack>
  );
}

const GAPS: Record<string, string> = {
  stopped: "Not in the last",
  returned: "After more than this without",
  regular: "Never more than this apart",
};

/** Where customers stand with an event: new, regular, gone or back. */
export function LifeEditor({ leaf, vocabulary, onChange }: Props<LifeLeaf>) {
  return (
    <div className="encore-fields">
      <EventSelect label={capital(entry(vocabulary, "life", leaf.life)?.label ?? leaf.life)} event={leaf.event} vocabulary={vocabulary} onChange={(event) => onChange({ ...leaf, event }, "event")} />
      {leaf.gap !== undefined && (
        <Duration label={GAPS[leaf.life] ?? "Gap"} hours value={leaf.gap} onChange={(gap) => onChange({ ...leaf, gap }, "gap")} />
      )}
      <WindowInput window={leaf.during} kinds={PAST} onChange={(during) => onChange({ ...leaf, during }, "during")} />
    </div>
  );
}
