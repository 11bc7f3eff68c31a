import { useState } from "react";
import { useNavigate } from "react-router";
import type { Campaign } from "@/shared/api/types";
import { explain } from "@/shared/api/client";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { useCampaignActions, useCloneCampaign } from "./useCampaigns";

type Actions = ReturnType<typeof useCampaignActions>;

/** Stops new messages at once; the toast takes it back. */
export function pauseWithUndo(actions: Actions): void {
  const undo = () =>
    actions.resume.mutate(undefined, {
      onError: (error) => toast(`It was not resumed. ${explain(error)}`),
    });
  actions.pause.mutate(undefined, { onSuccess: () => toast("Paused: nothing more goes out", undo) });
}

/** Sends again; the toast takes it back. */
export function resumeWithUndo(actions: Actions): void {
  const undo = () =>
    actions.pause.mutate(undefined, {
      onError: (error) => toast(`It was not paused. ${explain(error)}`),
    });
  actions.resume.mutate(undefined, { onSuccess: () => toast("Campaign is active again", undo) });
}

/** A draft that says the same as this campaign, opened at once. */
export function CloneButton({ campaign }: { campaign: Campaign }) {
  const clone = useCloneCampaign(campaign.id);
  const navigate = useNavigate();
  return (
    <s-button
      variant="secondary"
      loading={clone.isPending}
      onClick={() =>
        clone.mutate(undefined, {
          onSuccess: (made) => {
            toast("Copied; nothing that was sent came along");
            void navigate(`/campaigns/${made.id}/edit`);
          },
          onError: (error) => toast(`It was not copied. ${explain(error)}`),
        })
      }
    >
      Copy
    </s-button>
  );
}

/** Ends a running or paused campaign for good, after asking: there is no way back. */
export function EndCampaign({ campaign }: { campaign: Campaign }) {
  const { end } = useCampaignActions(campaign.id);
  const [asking, setAsking] = useState(false);
  if (campaign.state !== "active" && campaign.state !== "paused") return null;
  if (!asking) {
    return (
      <s-button variant="secondary" onClick={() => setAsking(true)}>
        End
      </s-button>
    );
  }
  return (
    <s-banner tone="warning" heading="End this campaign for good?">
      <s-paragraph>
        Nothing more goes out, and its numbers stay. It can&apos;t be started again; a copy of it can.
      </s-paragraph>
      {end.isError && <Failure what="It was not ended" error={end.error} />}
      <s-button
        slot="secondary-actions"
        variant="secondary"
        tone="critical"
        loading={end.isPending}
        onClick={() => end.mutate(undefined, { onSuccess: () => toast("Campaign ended") })}
      >
        End campaign
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" onClick={() => setAsking(false)}>
        Keep it
      </s-button>
    </s-banner>
  );
}

interface DeleteProps {
  campaign: Campaign;
  actions: Actions;
  keep: () => void;
}

/** Asks before a campaign goes; the toast brings it back. */
export function ConfirmDelete({ campaign, actions, keep }: DeleteProps) {
  const navigate = useNavigate();
  // The page is left by then, and what a component that is gone would have been told is dropped: so a promise.
  const undo = () => {
    void actions.restore.mutateAsync().then(
      (back) => toast(back.state === campaign.state ? "The campaign is back" : "The campaign is back, paused"),
      (error: unknown) => toast(`It was not brought back. ${explain(error)}`),
    );
  };
  return (
    <s-banner tone="warning" heading={`Delete “${campaign.name ?? "Unnamed draft"}”?`}>
      <s-paragraph>It stops sending at once. Its messages and decisions stay in the history.</s-paragraph>
      {actions.remove.isError && <Failure what="It was not deleted" error={actions.remove.error} />}
      <s-button
        slot="secondary-actions"
        variant="secondary"
        tone="critical"
        loading={actions.remove.isPending}
        onClick={() =>
          actions.remove.mutate(undefined, {
            onSuccess: () => {
              toast("Campaign deleted", undo);
              void navigate("/campaigns");
            },
          })
        }
      >
        Delete campaign
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" onClick={keep}>
        Keep it
      </s-button>
    </s-banner>
  );
}
