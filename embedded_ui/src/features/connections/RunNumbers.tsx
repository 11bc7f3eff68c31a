import type { SyncRun } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { phrase } from "@/shared/format/words";
import { count } from "@/shared/format/numbers";

/** The counts of a run: five that add up to the members asked about, and the removals apart. */
export function RunNumbers({ run }: { run: SyncRun }) {
  return (
    <s-stack gap="small">
      <Figures>
        <Figure label="Added" value={count(run.added)} />
        <Figure label="Updated" value={count(run.updated)} />
        <Figure label="Unchanged" value={count(run.unchanged)} />
        <Figure label="Skipped" value={count(run.skipped)} />
        <Figure label="Failed" value={count(run.failed)} />
        <Figure
          label="Removed"
          value={count(run.removed)}
          detail={run.removals_failed === 0 ? undefined : `${count(run.removals_failed)} could not be removed`}
        />
      </Figures>
      <s-text color="subdued">
        {count(run.added)} + {count(run.updated)} + {count(run.unchanged)} + {count(run.skipped)} + {count(run.failed)} ={" "}
        {count(run.queried)} members
      </s-text>
      {run.reasons.some((reason) => reason.code !== "") && (
        <s-unordered-list>
          {run.reasons
            .filter((reason) => reason.code !== "")
            .map((reason) => (
              <s-list-item key={`${reason.outcome}-${reason.code}`}>
                {phrase(reason.message)}: {count(reason.count)} {reason.outcome}
              </s-list-item>
            ))}
        </s-unordered-list>
      )}
      {run.problem !== null && <s-text tone="critical">{run.problem}</s-text>}
    </s-stack>
  );
}
