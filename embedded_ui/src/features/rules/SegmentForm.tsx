import { useMemo, useReducer, useState } from "react";
import { useNavigate } from "react-router";
import { ApiError, fieldError } from "@/shared/api/client";
import type { Vocabulary } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { type Action, edit, type Editor, type GroupDraft, hasEmptyGroup, leafPaths, start, toRule } from "./draft";
import { type BuilderContext, GroupEditor } from "./GroupEditor";
import { JsonView } from "./JsonView";
import { leafProblem } from "./leaves";
import { countsByLeaf, leafAt } from "./places";
import { PreviewPane } from "./PreviewPane";
import type { Rule } from "./rule";
import { ShopifyLanguage } from "./ShopifyLanguage";
import { usePreview, useSaveSegment, useSettled } from "./useRules";

const COUNT_PAUSE_MS = 300;

interface Props {
  vocabulary: Vocabulary;
  segments: { id: string; name: string }[];
  /** The segment being edited; null for a new one. */
  segmentId: string | null;
  name: string;
  rule: Rule | undefined;
}

/** Why the rule can't be counted or saved yet; null when it can. */
export function incompleteness(root: GroupDraft, vocabulary: Vocabulary): string | null {
  const leaves = leafPaths(root);
  if (leaves.length === 0) return "Add a condition to see who matches.";
  if (hasEmptyGroup(root)) return "A group is empty: add a condition to it, or remove it.";
  if (leaves.length > vocabulary.max_leaves) return `A rule has at most ${vocabulary.max_leaves} conditions.`;
  return leaves.some(({ draft }) => leafProblem(draft.leaf) !== null) ? "Complete the marked condition." : null;
}

/** The rule being edited, counted a moment after each edit. */
function useRuleEditor(rule: Rule | undefined, segmentId: string | null, vocabulary: Vocabulary) {
  const [editor, dispatch] = useReducer(edit, rule, (initial) => start(initial));
  const incomplete = incompleteness(editor.root, vocabulary);
  const text = useMemo(() => JSON.stringify(toRule(editor.root)), [editor.root]);
  // Only what is complete ever settles: the rule before it was may not be one that can be counted.
  const settled = useSettled(incomplete === null ? text : null, COUNT_PAUSE_MS);
  const preview = usePreview(settled, segmentId);
  const counts = useMemo(() => countsByLeaf(editor.root, preview.data?.leaves ?? []), [editor.root, preview.data]);
  return { editor, dispatch, incomplete, preview, counts, behind: settled !== text };
}

/** Builds a rule sentence by sentence, counting as it goes, and saves it as a segment. */
export function SegmentForm({ vocabulary, segments, segmentId, name: savedName, rule }: Props) {
  const { editor, dispatch, incomplete, preview, counts, behind } = useRuleEditor(rule, segmentId, vocabulary);
  const [name, setName] = useState(savedName);
  const [strict, setStrict] = useState(false);
  const navigate = useNavigate();
  const save = useSaveSegment(segmentId);
  const refused = useMemo(
    () => refusals(editor.root, [save.error, behind ? null : preview.error]),
    [editor.root, save.error, preview.error, behind],
  );
  const change = (action: Action) => {
    save.reset();
    dispatch(action);
  };
  const submit = () => {
    setStrict(true);
    if (incomplete !== null || name.trim() === "") return;
    save.mutate(
      { name: name.trim(), rule: toRule(editor.root) },
      {
        onSuccess: (saved) => {
          toast("Segment saved");
          void navigate(`/segments/${saved.id}`);
        },
      },
    );
  };
  const blocked = incomplete ?? (refused.size > 0 ? "Change the marked condition." : null);
  const nameProblem = strict && name.trim() === "" ? "Give the segment a name." : fieldError(save.error, "name");
  const placed = nameProblem !== undefined || refused.size > 0;
  return (
    <s-stack gap="base">
      {save.isError && !placed && <Failure what="The segment was not saved" error={save.error} retry={submit} />}
      <div className="encore-two">
        <s-stack gap="base">
          <NameSection
            name={name}
            problem={nameProblem}
            onChange={(next) => {
              save.reset();
              setName(next);
            }}
          />
          <Conditions
            editor={editor}
            change={change}
            complete={incomplete === null}
            context={{ vocabulary, segments, dispatch: change, refused, counts }}
          />
          <s-stack direction="inline" gap="small" alignItems="center">
            <s-button variant="primary" loading={save.isPending} disabled={blocked !== null} onClick={submit}>
              Save segment
            </s-button>
            <s-button href={segmentId === null ? "/segments" : `/segments/${segmentId}`}>Cancel</s-button>
            {blocked !== null && <s-text color="subdued">{`Not saved yet. ${blocked}`}</s-text>}
          </s-stack>
        </s-stack>
        <PreviewPane preview={preview} incomplete={incomplete} behind={behind} />
      </div>
    </s-stack>
  );
}

interface NameProps {
  name: string;
  problem: string | undefined;
  onChange: (name: string) => void;
}

function NameSection({ name, problem, onChange }: NameProps) {
  return (
    <s-section heading="Name">
      <s-text-field
        label="Name"
        labelAccessibilityVisibility="exclusive"
        placeholder="For example: Coffee lovers who stopped"
        value={name}
        maxLength={120}
        error={problem ?? ""}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    </s-section>
  );
}

interface ConditionsProps {
  editor: Editor;
  change: (action: Action) => void;
  context: BuilderContext;
  /** Whether the rule can be counted. */
  complete: boolean;
}

function Conditions({ editor, change, context, complete }: ConditionsProps) {
  const [asJson, setAsJson] = useState(false);
  const [asShopify, setAsShopify] = useState(false);
  const replace = (next: Rule) => change({ do: "replace", rule: next });
  return (
    <s-section heading="Conditions">
      <s-stack gap="base">
        <GroupEditor group={editor.root} level={0} context={context} />
        <SegmentButtons rootId={editor.root.id} dispatch={change} />
        <s-stack direction="inline" gap="small">
          <s-button icon="undo" disabled={editor.past.length === 0} onClick={() => change({ do: "undo" })}>
            Undo
          </s-button>
          <s-button icon="redo" disabled={editor.future.length === 0} onClick={() => change({ do: "redo" })}>
            Redo
          </s-button>
          <s-button variant="tertiary" onClick={() => setAsJson(!asJson)}>
            {asJson ? "Hide JSON" : "Show JSON"}
          </s-button>
          <s-button variant="tertiary" onClick={() => setAsShopify(!asShopify)}>
            {asShopify ? "Hide Shopify segment" : "Shopify segment"}
          </s-button>
        </s-stack>
        {asJson && <JsonView rule={toRule(editor.root)} onApply={replace} />}
        {asShopify && <ShopifyLanguage rule={toRule(editor.root)} complete={complete} onApply={replace} />}
      </s-stack>
    </s-section>
  );
}

/** The app's objections, each at the condition it is about. */
function refusals(root: GroupDraft, errors: (Error | null)[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const error of errors) {
    if (!(error instanceof ApiError) || error.field === null) continue;
    const id = leafAt(root, error.field);
    if (id !== null) found.set(id, error.message);
  }
  return found;
}

function SegmentButtons({ rootId, dispatch }: { rootId: number; dispatch: (action: Action) => void }) {
  return (
    <s-stack direction="inline" gap="small">
      <s-button onClick={() => dispatch({ do: "add_leaf", to: rootId, leaf: { in: "" } })}>Include a segment</s-button>
      <s-button onClick={() => dispatch({ do: "add_group", to: rootId, kind: "none", leaves: [{ in: "" }] })}>
        Exclude a segment
      </s-button>
    </s-stack>
  );
}
