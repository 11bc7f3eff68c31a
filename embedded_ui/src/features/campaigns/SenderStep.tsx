import { useState } from "react";
import type { Sender } from "@/shared/api/types";
import { SenderForm } from "@/shared/senders/SenderForm";
import { SENDER_STATES, senderSentence } from "@/shared/senders/senderState";
import { useSenderActions, useSenders } from "@/shared/senders/useSenders";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import type { StepProps } from "./WizardPage";

/** Who it comes from; a new sender can be made here without leaving the draft. */
export function SenderStep({ campaign, messages, change }: StepProps) {
  const senders = useSenders();
  const { create } = useSenderActions();
  const [creating, setCreating] = useState(false);
  return (
    <s-section heading="Sender">
      <Loaded query={senders} noun="senders">
        {(list) =>
          creating || list.length === 0 ? (
            <s-stack gap="base">
              <s-paragraph>Your draft is kept while you set up the address that it comes from.</s-paragraph>
              <SenderForm
                pending={create.isPending}
                error={create.error}
                onCancel={() => setCreating(false)}
                onSave={(body) =>
                  create.mutate(body, {
                    onSuccess: (made) => {
                      toast(`Confirmation link sent to ${made.from_address}`);
                      change({ sender_id: made.id });
                      setCreating(false);
                    },
                  })
                }
              />
            </s-stack>
          ) : (
            <s-stack gap="base">
              <SenderChoice senders={list} campaign={campaign} messages={messages} change={change} />
              <s-box>
                <s-button onClick={() => setCreating(true)}>Create sender</s-button>
              </s-box>
            </s-stack>
          )
        }
      </Loaded>
    </s-section>
  );
}

function SenderChoice({ senders, campaign, messages, change }: StepProps & { senders: Sender[] }) {
  const { timezone } = useShop();
  const { verify } = useSenderActions();
  const chosen = senders.find((sender) => sender.id === campaign.sender_id);
  return (
    <s-stack gap="base">
      <s-choice-list
        label="Send from"
        name="sender"
        values={campaign.sender_id === null ? [] : [campaign.sender_id]}
        error={messages.sender_id ?? messages.sender ?? ""}
        onChange={(event) => {
          const [id] = event.currentTarget.values;
          if (id !== undefined) change({ sender_id: id });
        }}
      >
        {senders.map((sender) => (
          <s-choice key={sender.id} value={sender.id}>
            {sender.display_name} · {sender.from_address} ({SENDER_STATES[sender.state].words.toLowerCase()})
          </s-choice>
        ))}
      </s-choice-list>
      {chosen !== undefined && chosen.state !== "verified" && (
        <s-banner tone="warning" heading={`${chosen.from_address} can't send yet`}>
          <s-paragraph>{senderSentence(chosen, timezone)} You can finish the campaign meanwhile.</s-paragraph>
          <s-button
            slot="secondary-actions"
            variant="secondary"
            loading={verify.isPending}
            onClick={() => verify.mutate(chosen.id, { onSuccess: () => toast("Confirmation link sent") })}
          >
            Send the link again
          </s-button>
        </s-banner>
      )}
      {verify.isError && <Failure what="The link was not sent" error={verify.error} />}
    </s-stack>
  );
}
