import { useState } from "react";
import type { Sender } from "@/shared/api/types";
import { SenderForm } from "@/shared/senders/SenderForm";
import { useSenderActions, useSenders } from "@/shared/senders/useSenders";
import { SendingBanner } from "@/shared/sending/SendingBanner";
import { useSendersHealth } from "@/shared/sending/useSending";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { Deliverability } from "./Deliverability";
import { SenderCard } from "./SenderCard";

/** The addresses that campaigns send from. */
export function SendersPage() {
  const senders = useSenders();
  const [creating, setCreating] = useState(false);
  return (
    <s-page heading="Senders">
      <s-button slot="primary-action" variant="primary" disabled={creating} onClick={() => setCreating(true)}>
        Create sender
      </s-button>
      <s-stack gap="base">
        <SendingBanner home />
        {creating && <NewSenderSection close={() => setCreating(false)} />}
        <Loaded query={senders} noun="senders" lines={5}>
          {(list) => (
            <>
              <SenderCards senders={list} creating={creating} create={() => setCreating(true)} />
              {list.length > 0 && <Deliverability />}
            </>
          )}
        </Loaded>
      </s-stack>
    </s-page>
  );
}

function NewSenderSection({ close }: { close: () => void }) {
  const { create } = useSenderActions();
  return (
    <s-section heading="New sender">
      <SenderForm
        pending={create.isPending}
        error={create.error}
        onCancel={close}
        onSave={(body) =>
          create.mutate(body, {
            onSuccess: (made) => {
              toast(`Confirmation link sent to ${made.from_address}`);
              close();
            },
          })
        }
      />
    </s-section>
  );
}

interface CardsProps {
  senders: Sender[];
  creating: boolean;
  create: () => void;
}

function SenderCards({ senders, creating, create }: CardsProps) {
  const health = useSendersHealth();
  if (senders.length > 0) {
    return senders.map((sender) => (
      <SenderCard key={sender.id} sender={sender} health={health.data?.get(sender.id)} />
    ));
  }
  if (creating) return null;
  return (
    <s-section heading="Campaigns need an address to send from">
      <s-stack gap="base">
        <s-paragraph>
          Tell recipients who writes to them: a name, an e-mail address that you own, and your postal address, which the
          law requires in every marketing e-mail. You confirm the address by a link that Encore sends to it.
        </s-paragraph>
        <s-box>
          <s-button variant="primary" onClick={create}>
            Create your first sender
          </s-button>
        </s-box>
      </s-stack>
    </s-section>
  );
}
