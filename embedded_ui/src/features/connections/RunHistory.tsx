import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { components } from "@/shared/api/schema";
import type { Sync, SyncRun } from "@/shared/api/types";
import { downloadFile } from "@/shared/files/download";
import { moment } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { Pager } from "@/shared/paging/Pager";
import { usePaging } from "@/shared/paging/usePaging";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { type OutcomeQuery, useOutcomes, useRuns } from "./useConnections";

type Outcome = components["schemas"]["SyncOutcomeOut"]["outcome"];

const RUN_STATES: Record<SyncRun["state"], { words: string; tone: "success" | "info" | "warning" | "critical" }> = {
  running: { words: "Running", tone: "info" },
  done: { words: "Done", tone: "success" },
  partial: { words: "Some failed", tone: "warning" },
  needs_approval: { words: "Waits for approval", tone: "warning" },
  failed: { words: "Failed", tone: "critical" },
};

const OUTCOMES: Record<Outcome, string> = {
  added: "Added",
  updated: "Updated",
  unchanged: "Unchanged",
  skipped: "Skipped",
  failed: "Failed",
  removed: "Removed",
  removal_failed: "Could not be removed",
};
const PAGE = 50;


/** The runs of a sync and, of the one chosen, what became of each member. */
export function RunHistory({ sync }: { sync: Sync }) {
  const runs = useRuns(sync);
  const [chosen, setChosen] = useState<number | null>(null);
  return (
    <Loaded query={runs} noun="runs">
      {(page) =>
        page.items.length === 0 ? (
          <s-paragraph color="subdued">It has not run yet.</s-paragraph>
        ) : (
          <s-stack gap="base">
            <RunTable runs={page.items} choose={setChosen} />
            {page.items.some((run) => run.id === chosen) && chosen !== null && (
              <Outcomes key={chosen} sync={sync} runId={chosen} />
            )}
          </s-stack>
        )
      }
    </Loaded>
  );
}

function RunTable({ runs, choose }: { runs: SyncRun[]; choose: (run: number) => void }) {
  const { timezone } = useShop();
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Started</s-table-header>
        <s-table-header listSlot="inline">State</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Added</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Updated</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Removed</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Skipped</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Failed</s-table-header>
        <s-table-header listSlot="labeled">Outcomes</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {runs.map((run) => (
          <s-table-row key={run.id}>
            <s-table-cell>{moment(run.started_at, timezone)}</s-table-cell>
            <s-table-cell>
              <s-badge tone={RUN_STATES[run.state].tone}>{RUN_STATES[run.state].words}</s-badge>
            </s-table-cell>
            <s-table-cell>{count(run.added)}</s-table-cell>
            <s-table-cell>{count(run.updated)}</s-table-cell>
            <s-table-cell>{count(run.removed)}</s-table-cell>
            <s-table-cell>{count(run.skipped)}</s-table-cell>
            <s-table-cell>{count(run.failed)}</s-table-cell>
            <s-table-cell>
              <s-button
                variant="tertiary"
                accessibilityLabel={`Outcomes of the run of ${moment(run.started_at, timezone)}`}
                onClick={() => choose(run.id)}
              >
                Show
              </s-button>
            </s-table-cell>
          </s-table-row>
        ))}
      </s-table-body>
    </s-table>
  );
}

function Outcomes({ sync, runId }: { sync: Sync; runId: number }) {
  const [outcome, setOutcome] = useState("");
  const paging = usePaging(outcome);
  const query: OutcomeQuery = {
    limit: PAGE,
    ...(outcome === "" ? {} : { outcome: outcome as NonNullable<OutcomeQuery["outcome"]> }),
    ...(paging.cursor === undefined ? {} : { cursor: paging.cursor }),
  };
  const outcomes = useOutcomes(sync.id, runId, query);
  const download = useMutation({
    mutationFn: () => {
      const filter = outcome === "" ? "" : `?outcome=${outcome}`;
      return downloadFile(`/api/syncs/${sync.id}/runs/${runId}/outcomes.csv${filter}`, `sync_${sync.id}_run_${runId}.csv`);
    },
  });
  return (
    <s-stack gap="base">
      <div className="encore-fields">
        <s-select label="Outcome" value={outcome} onChange={(event) => setOutcome(event.currentTarget.value)}>
          <s-option value="">All that changed or could not</s-option>
          {Object.entries(OUTCOMES).map(([key, words]) => (
            <s-option key={key} value={key}>
              {words}
            </s-option>
          ))}
        </s-select>
        <s-button loading={download.isPending} onClick={() => download.mutate()}>
          Save CSV
        </s-button>
      </div>
      {download.isError && <Failure what="The file could not be saved" error={download.error} />}
      <Loaded query={outcomes} noun="outcomes">
        {(page) => (
          <>
            <s-table>
              <s-table-header-row>
                <s-table-header listSlot="primary">Customer</s-table-header>
                <s-table-header listSlot="inline">Outcome</s-table-header>
                <s-table-header listSlot="secondary">Why</s-table-header>
              </s-table-header-row>
              <s-table-body>
                {page.items.map((one) => (
                  <s-table-row key={`${one.customer_no}-${one.outcome}`}>
                    <s-table-cell>{one.email ?? `Customer ${one.customer_no}`}</s-table-cell>
                    <s-table-cell>{OUTCOMES[one.outcome]}</s-table-cell>
                    <s-table-cell>
                      <div className="encore-reason">{one.message === "" ? "–" : one.message}</div>
                    </s-table-cell>
                  </s-table-row>
                ))}
              </s-table-body>
            </s-table>
            <Pager
              summary={`Page ${count(paging.page)} of ${counted(page.total, "outcome")}`}
              hasPrevious={paging.hasPrevious}
              next={page.next}
              forward={paging.forward}
              back={paging.back}
            />
          </>
        )}
      </Loaded>
    </s-stack>
  );
}
