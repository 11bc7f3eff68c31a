import type { LeafResult } from "@/shared/api/types";
import { count, counted } from "@/shared/format/numbers";

interface Props {
  leaves: LeafResult[];
  /** Members who are in only because a value is missing. */
  fromMissing: number;
}

/** Each condition with how many meet it alone and how many are left after it. */
export function ConditionBars({ leaves, fromMissing }: Props) {
  const most = Math.max(1, ...leaves.map((leaf) => leaf.count));
  return (
    <s-stack gap="base">
      <div className="encore-share encore-share-stacked" role="table" aria-label="Customers per condition">
        {leaves.map((leaf) => (
          <div key={leaf.path} role="row" style={{ display: "contents" }}>
            <span role="cell">{leaf.sentence}</span>
            <span role="cell" className="encore-bar" aria-hidden="true">
              <span style={{ width: `${(leaf.count / most) * 100}%` }} />
            </span>
            <span role="cell">
              {count(leaf.count)}
              {leaf.remaining !== null && ` · ${count(leaf.remaining)} left`}
            </span>
          </div>
        ))}
      </div>
      {fromMissing > 0 && (
        <s-text color="subdued">
          {counted(fromMissing, "member")} {fromMissing === 1 ? "is" : "are"} in because a value is missing.
        </s-text>
      )}
    </s-stack>
  );
}
