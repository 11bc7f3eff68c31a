import { useState } from "react";
import type { Sender, SenderHealth } from "@/shared/api/types";
import { SenderForm } from "@/shared/senders/SenderForm";
import { SENDER_STATES, senderSentence } from "@/shared/senders/senderState";
import { useSenderActions } from "@/shared/senders/useSenders";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { DomainChecks } from "./DomainChecks";

/** One sender: what recipients see, whether it may send, and what can be done with it. */
export function SenderCard({ sender, health }: { sender: Sender; health: SenderHealth | undefined }) {
  const { timezone } = useShop();
  const actions = useSenderActions();
  const [mode, setMode] = useState<"show" | "edit" | "delete">("show");
  const state = SENDER_STATES[sender.state];
  if (mode === "edit") {
    return (
      <s-section heading={`Edit ${sender.display_name}`}>
        <SenderForm
          sender={sender}
          pending={actions.change.isPending}
          error={actions.change.error}
          onCancel={() => setMode("show")}
          onSave={(body) => actions.change.mutate({ id: sender.id, body }, { onSuccess: () => setMode("show") })}
        />
      </s-section>
    );
  }
  const problem = actions.verify.error ?? actions.makeDefault.error ?? actions.remove.error;
  return (
    <s-section heading={sender.display_name}>
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200">
          <s-badge tone={state.tone}>{state.words}</s-badge>
          {sender.is_default && <s-badge>Default</s-badge>}
          {sender.on_behalf && <s-badge tone="warning">Sends on behalf</s-badge>}
        </s-stack>
        <s-paragraph>{senderSentence(sender, timezone)}</s-paragraph>
        <Details sender={sender} />
        {health !== undefined && <DomainChecks health={health} verified={sender.state === "verified"} />}
        {problem !== null && <Failure what="That did not work" error={problem} />}
        {mode === "delete" ? (
          <ConfirmDelete sender={sender} actions={actions} keep={() => setMode("show")} />
        ) : (
          <s-stack direction="inline" gap="small">
            {sender.state !== "verified" && (
              <s-button
                loading={actions.verify.isPending}
                onClick={() => actions.verify.mutate(sender.id, { onSuccess: () => toast("Confirmation link sent") })}
              >
                {sender.state === "unverified" ? "Send confirmation link" : "Send the link again"}
              </s-button>
            )}
            {!sender.is_default && (
              <s-button loading={actions.makeDefault.isPending} onClick={() => actions.makeDefault.mutate(sender.id)}>
                Make default
              </s-button>
            )}
            <s-button onClick={() => setMode("edit")}>Edit</s-button>
            <s-button tone="critical" variant="tertiary" onClick={() => setMode("delete")}>
              Delete
            </s-button>
          </s-stack>
        )}
      </s-stack>
    </s-section>
  );
}

function Details({ sender }: { sender: Sender }) {
  const address = sender.postal_address.split("\n").filter((line) => line.trim() !== "");
  return (
    <>
      <dl className="encore-facts">
        <dt>Recipients see</dt>
        <dd>{sender.header_from}</dd>
        <dt>From address</dt>
        <dd>{sender.from_address}</dd>
        <dt>Replies go to</dt>
        <dd>{sender.reply_to ?? sender.from_address}</dd>
        <dt>Postal address</dt>
        <dd>{[sender.company, ...address].join(", ")}</dd>
        <dt>Used by</dt>
        <dd>
          {sender.used_by.length === 0
            ? "No campaign"
            : sender.used_by.map((campaign) => (
                <div key={campaign.id}>
                  <s-link href={`/campaigns/${campaign.id}`}>{campaign.name ?? "Unnamed draft"}</s-link>
                </div>
              ))}
        </dd>
      </dl>
      {sender.on_behalf && (
        <s-paragraph color="subdued">
          Mail providers refuse free-mail addresses that others send from, so messages come from Encore's address and
          replies go to yours. An address of your own domain is delivered better.
        </s-paragraph>
      )}
    </>
  );
}

interface ConfirmProps {
  sender: Sender;
  actions: ReturnType<typeof useSenderActions>;
  keep: () => void;
}

function ConfirmDelete({ sender, actions, keep }: ConfirmProps) {
  return (
    <s-banner tone="warning" heading={`Delete ${sender.display_name}?`}>
      <s-paragraph>Drafts that use it need another sender. What was sent stays in the history.</s-paragraph>
      <s-button
        slot="secondary-actions"
        variant="secondary"
        tone="critical"
        loading={actions.remove.isPending}
        onClick={() => actions.remove.mutate(sender.id, { onSuccess: () => toast("Sender deleted"), onError: keep })}
      >
        Delete sender
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" onClick={keep}>
        Keep it
      </s-button>
    </s-banner>
  );
}
