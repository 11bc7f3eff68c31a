import { type Dispatch, useState } from "react";
import type { Vocabulary } from "@/shared/api/types";
import { type Action, edit, type GroupDraft, isGroup, type LeafDraft, start, toRule } from "./draft";
import { conditionChoices, leafProblem, newLeaf } from "./leaves";
import { AttrEditor, DidEditor, MeasureEditor, PredictEditor } from "./LeafEditors";
import { ConsentEditor, MemberEditor, ReachableEditor, SampleEditor } from "./OtherEditors";
import { LatestEditor, LifeEditor, SequenceEditor } from "./SequenceEditors";
import { NearEditor, RankEditor } from "./StandingEditors";
import { GROUP_KINDS, type GroupKind, type Leaf, type Node } from "./rule";

const KIND_WORDS: Record<GroupKind, string> = {
  all: "all of these hold",
  any: "any of these holds",
  none: "none of these holds",
};

export interface BuilderContext {
  vocabulary: Vocabulary;
  segments: { id: string; name: string }[];
  dispatch: Dispatch<Action>;
  /** What the app said is wrong, by the id of the leaf. */
  refused: ReadonlyMap<number, string>;
  /** What the app counted for each leaf, by id: "1,204 customers". */
  counts: ReadonlyMap<number, string>;
}

interface GroupProps {
  group: GroupDraft;
  level: number;
  /** It stands inside a condition, which has its own way to be removed. */
  inside?: boolean;
  context: BuilderContext;
}

/** A group of conditions and groups, joined by all, any or none. */
export function GroupEditor({ group, level, inside = false, context }: GroupProps) {
  const { dispatch, vocabulary } = context;
  return (
    <div className="encore-group" role="group" aria-label={`Customers for whom ${KIND_WORDS[group.kind]}`}>
      <div className="encore-fields">
        <s-select
          label="Customers for whom"
          value={group.kind}
          onChange={(event) => dispatch({ do: "set_kind", id: group.id, kind: event.currentTarget.value as GroupKind })}
        >
          {GROUP_KINDS.map((kind) => (
            <s-option key={kind} value={kind}>
              {KIND_WORDS[kind]}
            </s-option>
          ))}
        </s-select>
        {level > 0 && !inside && (
          <s-button variant="tertiary" icon="delete" onClick={() => dispatch({ do: "remove", id: group.id })}>
            Remove group
          </s-button>
        )}
      </div>
      {group.nodes.map((node) =>
        isGroup(node) ? (
          <GroupEditor key={node.id} group={node} level={level + 1} context={context} />
        ) : (
          <LeafCard key={node.id} draft={node} context={context} />
        ),
      )}
      <div className="encore-fields">
        <AddCondition
          vocabulary={vocabulary}
          add={(key) => dispatch({ do: "add_leaf", to: group.id, leaf: newLeaf(key, vocabulary) })}
        />
        {level + 1 < vocabulary.max_depth && (
          <s-button variant="secondary" onClick={() => dispatch({ do: "add_group", to: group.id, kind: "any" })}>
            Add group
          </s-button>
        )}
      </div>
    </div>
  );
}

function AddCondition({ vocabulary, add }: { vocabulary: Vocabulary; add: (key: string) => void }) {
  return (
    <s-select
      label="Add condition"
      placeholder="Choose a condition"
      value=""
      onChange={(event) => {
        const key = event.currentTarget.value;
        if (key !== "") add(key);
        // The list offers to add again; the choice itself is not a setting.
        event.currentTarget.value = "";
      }}
    >
      {conditionChoices(vocabulary).map((group) => (
        <s-option-group key={group.label} label={group.label}>
          {group.choices.map((choice) => (
            <s-option key={choice.key} value={choice.key}>
              {choice.label}
            </s-option>
          ))}
        </s-option-group>
      ))}
    </s-select>
  );
}

function LeafCard({ draft, context }: { draft: LeafDraft; context: BuilderContext }) {
  const { dispatch, refused, counts } = context;
  const problem = refused.get(draft.id) ?? leafProblem(draft.leaf);
  const count = counts.get(draft.id);
  return (
    <div className="encore-leaf" data-invalid={problem !== null}>
      <s-stack gap="small">
        <LeafFields draft={draft} context={context} />
        <s-stack direction="inline" gap="base" justifyContent="space-between" alignItems="center">
          {problem !== null ? (
            <s-text tone="critical">{problem}</s-text>
          ) : (
            <s-text color="subdued">{count ?? (counts === NOTHING ? "" : "Not counted yet")}</s-text>
          )}
          <s-button variant="tertiary" icon="delete" onClick={() => dispatch({ do: "remove", id: draft.id })}>
            Remove
          </s-button>
        </s-stack>
      </s-stack>
    </div>
  );
}

function LeafFields({ draft, context }: { draft: LeafDraft; context: BuilderContext }) {
  const { vocabulary, segments, dispatch } = context;
  const { id, leaf } = draft;
  const onChange = (next: Leaf, field: string) => dispatch({ do: "change_leaf", id, leaf: next, field });
  if ("attr" in leaf) return <AttrEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("did" in leaf) return <DidEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("measure" in leaf) return <MeasureEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("predict" in leaf) return <PredictEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("first" in leaf) return <SequenceEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("latest" in leaf) return <LatestEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("life" in leaf) return <LifeEditor leaf={leaf} vocabulary={vocabulary} onChange={onChange} />;
  if ("near" in leaf) return <NearEditor leaf={leaf} onChange={onChange} />;
  if ("rank" in leaf) {
    const own = (among: Node, change: (among: Node) => void) => <OwnGroup among={among} context={context} onChange={change} />;
    return <RankEditor leaf={leaf} segments={segments} vocabulary={vocabulary} own={own} onChange={onChange} />;
  }
  if ("in" in leaf) return <MemberEditor leaf={leaf} segments={segments} vocabulary={vocabulary} onChange={onChange} />;
  if ("consent" in leaf) return <ConsentEditor leaf={leaf} onChange={onChange} />;
  if ("sample" in leaf) return <SampleEditor leaf={leaf} onChange={onChange} />;
  if ("reachable" in leaf) return <ReachableEditor />;
  // A kind of condition that a later version saved: kept as it is.
  return <pre className="encore-code">{JSON.stringify(leaf)}</pre>;
}

interface OwnGroupProps {
  among: Node;
  context: BuilderContext;
  onChange: (among: Node) => void;
}

const NOTHING: ReadonlyMap<number, string> = new Map();

/** A tree of conditions inside a condition. Its drafts are its own; the rule around it holds what they come to. */
function OwnGroup({ among, context, onChange }: OwnGroupProps) {
  const [kept, setKept] = useState(() => start({ v: 1, match: among }));
  const written = JSON.stringify(toRule(start({ v: 1, match: among }).root));
  // Undo and the JSON view change the condition from outside.
  const editor = JSON.stringify(toRule(kept.root)) === written ? kept : start({ v: 1, match: among });
  const dispatch = (action: Action) => {
    const next = edit(editor, action);
    setKept(next);
    onChange(toRule(next.root).match);
  };
  const inner = { ...context, dispatch, refused: NOTHING, counts: NOTHING };
  // Two groups are around it: the one that holds the condition, and the condition itself.
  return <GroupEditor group={editor.root} level={2} inside context={inner} />;
}
