import { useState } from "react";
import { explain } from "@/shared/api/client";
import type { Sync, SyncPreview } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, age } from "@/shared/format/dates";
import { phrase } from "@/shared/format/words";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { RunHistory } from "./RunHistory";
import { RunNumbers } from "./RunNumbers";
import { useSyncActions } from "./useConnections";

type Tone = "success" | "info" | "warning" | "critical" | "neutral";

/** A run with failed rows is never green. */
function badge(sync: Sync): { words: string; tone: Tone } {
  if (sync.running) return { words: "Running", tone: "info" };
  if (sync.state === "needs_attention") return { words: "Needs attention", tone: "critical" };
  if (sync.state === "paused") return { words: "Paused", tone: "neutral" };
  switch (sync.last_run?.state) {
    case "done":
      return { words: "In step", tone: "success" };
    case "partial":
      return { words: "Partly in step", tone: "warning" };
    case "needs_approval":
      return { words: "Waits for approval", tone: "warning" };
    case "failed":
      return { words: "Failed", tone: "critical" };
    default:
      return { words: "Not run yet", tone: "neutral" };
  }
}

/** One sync: what it did last, what it would do now, and its history. */
export function SyncCard({ sync, startOpen }: { sync: Sync; startOpen: boolean }) {
  const [history, setHistory] = useState(startOpen);
  const actions = useSyncActions(sync);
  const state = badge(sync);
  const where = sync.container_name === null ? sync.target_name : `${sync.target_name} in ${sync.container_name}`;
  const { preview, change, pause, resume, remove } = actions;
  const problem = preview.error ?? change.error ?? pause.error ?? resume.error ?? remove.error;
  return (
    <s-section heading={`${sync.segment_name} → ${sync.vendor === "klaviyo" ? "Klaviyo" : "Mailchimp"}: ${where}`}>
      <s-stack gap="base">
        <s-stack direction="inline" gap="small" alignItems="center">
          <s-badge tone={state.tone}>{state.words}</s-badge>
          <s-link href={`/segments/${sync.segment_id}`}>Open the segment</s-link>
          <s-text color="subdued">
            {sync.schedule === "manual" ? "Runs when you start it" : "Runs each time segments are worked out"}.{" "}
            {counted(sync.at_vendor, "member")} there now.
          </s-text>
        </s-stack>
        {sync.problem !== null && <s-banner tone="critical" heading={sync.problem} />}
        {problem !== null && <Failure what="That did not work" error={problem} />}
        {sync.last_run === null ? (
          <s-paragraph>Nobody has been sent. Look at the preview, then run it.</s-paragraph>
        ) : (
          <>
            <s-text>Last run {age(sync.last_run.started_at, new Date())}</s-text>
            <RunNumbers run={sync.last_run} />
          </>
        )}
        {actions.preview.data !== undefined && !sync.running && (
          <PreviewCard preview={actions.preview.data} sync={sync} actions={actions} />
        )}
        <SyncButtons sync={sync} actions={actions} />
        <s-box>
          <s-button variant="tertiary" onClick={() => setHistory(!history)}>
            {history ? "Hide runs and outcomes" : "Runs and outcomes"}
          </s-button>
        </s-box>
        {history && <RunHistory sync={sync} />}
      </s-stack>
    </s-section>
  );
}

type Actions = ReturnType<typeof useSyncActions>;

function SyncButtons({ sync, actions }: { sync: Sync; actions: Actions }) {
  const [deleting, setDeleting] = useState(false);
  const paused = sync.state !== "active";
  if (deleting) {
    return (
      <s-banner tone="warning" heading="Delete this sync?">
        <s-paragraph>It and its log are forgotten here. Its members stay in the list or tag at the vendor.</s-paragraph>
        <s-button
          slot="secondary-actions"
          variant="secondary"
          tone="critical"
          loading={actions.remove.isPending}
          onClick={() => actions.remove.mutate(undefined, { onSuccess: (done) => toast(done.message) })}
        >
          Delete sync
        </s-button>
        <s-button slot="secondary-actions" variant="secondary" onClick={() => setDeleting(false)}>
          Keep it
        </s-button>
      </s-banner>
    );
  }
  return (
    <s-stack direction="inline" gap="small">
      <s-button
        variant="secondary"
        disabled={sync.running || paused}
        loading={actions.preview.isPending}
        onClick={() => actions.preview.mutate()}
      >
        Preview changes
      </s-button>
      {paused ? (
        <s-button loading={actions.resume.isPending} onClick={() => actions.resume.mutate()}>
          Resume
        </s-button>
      ) : (
        <s-button loading={actions.pause.isPending} onClick={() => actions.pause.mutate()}>
          Pause
        </s-button>
      )}
      <s-button
        loading={actions.change.isPending}
        onClick={() => actions.change.mutate({ schedule: sync.schedule === "manual" ? "after_refresh" : "manual" })}
      >
        {sync.schedule === "manual" ? "Run after every refresh" : "Run only by hand"}
      </s-button>
      <s-button variant="tertiary" tone="critical" onClick={() => setDeleting(true)}>
        Delete
      </s-button>
    </s-stack>
  );
}

interface PreviewProps {
  preview: SyncPreview;
  sync: Sync;
  actions: Actions;
}

function PreviewCard({ preview, sync, actions }: PreviewProps) {
  const { timezone } = useShop();
  const changes = preview.to_add + preview.to_update + preview.to_remove;
  const run = () =>
    actions.run.mutate(preview.needs_approval, {
      onSuccess: () => {
        actions.preview.reset();
        toast("Run started");
      },
    });
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="base">
        <s-heading>{preview.first_run ? "The first run would" : "A run would now"}</s-heading>
        <Figures>
          <Figure label="Add" value={count(preview.to_add)} />
          <Figure label="Update" value={count(preview.to_update)} />
          <Figure label="Remove" value={count(preview.to_remove)} detail="from the list, consent untouched" />
          <Figure label="Leave as is" value={count(preview.unchanged)} />
          <Figure label="Skip" value={count(preview.skipped)} detail="with a reason" />
        </Figures>
        {preview.reasons.length > 0 && (
          <s-unordered-list>
            {preview.reasons.map((reason) => (
              <s-list-item key={`${reason.outcome}-${reason.code}`}>
                {phrase(reason.message)}: {count(reason.count)}
              </s-list-item>
            ))}
          </s-unordered-list>
        )}
        {preview.failed_before > 0 && (
          <s-text color="subdued">
            {count(preview.failed_before)} were refused before and have not changed since, so they are not tried again.
          </s-text>
        )}
        {preview.in_progress > 0 && (
          <s-text color="subdued">{count(preview.in_progress)} are accepted by the vendor and not yet confirmed.</s-text>
        )}
        {preview.warning !== null && <s-banner tone="warning" heading={preview.warning} />}
        <s-text color="subdued">
          {counted(preview.queried, "member")}. {asOf(preview.evaluated_at, timezone)}. Nothing has been sent.
        </s-text>
        {actions.run.isError && <s-text tone="critical">{explain(actions.run.error)}</s-text>}
        <s-stack direction="inline" gap="small">
          <s-button
            variant="primary"
            disabled={sync.running}
            loading={actions.run.isPending}
            {...(preview.needs_approval ? { tone: "critical" as const } : {})}
            onClick={run}
          >
            {changes === 0 ? "Run anyway" : `Run: ${counted(changes, "change")}`}
          </s-button>
          <s-button onClick={() => actions.preview.reset()}>Close preview</s-button>
        </s-stack>
      </s-stack>
    </s-box>
  );
}
