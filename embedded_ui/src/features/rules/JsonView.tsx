import { useState } from "react";
import type { Rule } from "./rule";

interface Props {
  rule: Rule;
  onApply: (rule: Rule) => void;
}

/** Reads a rule from text. Throws SyntaxError in words for people; the app checks the rest. */
function readRule(text: string): Rule {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null || !("match" in parsed)) {
    throw new SyntaxError('A rule is an object with "v" and "match".');
  }
  const { match } = parsed;
  if (typeof match !== "object" || match === null || Array.isArray(match)) {
    throw new SyntaxError('"match" is a group or a condition.');
  }
  const inner = "all" in match ? match.all : "any" in match ? match.any : "none" in match ? match.none : [];
  if (!Array.isArray(inner)) throw new SyntaxError("A group holds a list.");
  return { v: 1, match: match as Rule["match"] };
}

/** The rule as JSON, for those who prefer it: to copy, or to change and put back. */
export function JsonView({ rule, onApply }: Props) {
  const saved = JSON.stringify(rule, null, 2);
  const [edited, setEdited] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | undefined>(undefined);
  const apply = () => {
    if (edited === null) return;
    try {
      onApply(readRule(edited));
      setEdited(null);
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof SyntaxError ? error.message : "This is not a rule.");
    }
  };
  return (
    <s-stack gap="small">
      <s-text-area
        label="Rule as JSON"
        rows={14}
        value={edited ?? saved}
        error={problem ?? ""}
        onInput={(event) => setEdited(event.currentTarget.value)}
      />
      <s-stack direction="inline" gap="small">
        <s-button disabled={edited === null} onClick={apply}>
          Use this rule
        </s-button>
        <s-button
          disabled={edited === null}
          onClick={() => {
            setEdited(null);
            setProblem(undefined);
          }}
        >
          Discard
        </s-button>
      </s-stack>
    </s-stack>
  );
}
