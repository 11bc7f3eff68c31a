import { useState } from "react";
import { Failure } from "@/shared/states/Failure";
import { useSendTest } from "../useCampaigns";

const MOST = 10;
const OUTCOMES = { sent: "sent", failed: "not sent", unknown: "no answer from the mail server" } as const;

/** "a@x.com, b@y.com" as its addresses, each once. */
export function splitAddresses(text: string): string[] {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== "");
  return [...new Set(parts)];
}

interface Props {
  campaignId: string;
  customerNo: number | null;
  /** Whom the shop's last kept test went to. */
  testers: string[];
}

/** Mails this preview to a few addresses; it counts nowhere and touches no cap. */
export function TestEmail({ campaignId, customerNo, testers }: Props) {
  const [text, setText] = useState(testers.join(", "));
  const [remember, setRemember] = useState(false);
  const send = useSendTest(campaignId);
  const addresses = splitAddresses(text);
  const tooMany = addresses.length > MOST;
  return (
    <s-stack gap="small">
      <s-text-field
        label="Send a test to"
        details="1 to 10 addresses, separated by commas. Tests are marked and count nowhere."
        value={text}
        error={tooMany ? `At most ${MOST} addresses at once.` : ""}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <s-checkbox
        label="Keep these addresses for the next test"
        checked={remember}
        onChange={(event) => setRemember(event.currentTarget.checked)}
      />
      <s-box>
        <s-button
          disabled={addresses.length === 0 || tooMany}
          loading={send.isPending}
          onClick={() => send.mutate({ addresses, customer_no: customerNo, remember })}
        >
          Send test e-mail
        </s-button>
      </s-box>
      {send.isError && <Failure what="The test was not sent" error={send.error} />}
      {send.isSuccess && (
        <s-unordered-list>
          {send.data.items.map((one) => (
            <s-list-item key={one.address}>
              {one.address}: {OUTCOMES[one.state]}
              {one.detail !== null && ` (${one.detail})`}
            </s-list-item>
          ))}
        </s-unordered-list>
      )}
    </s-stack>
  );
}
