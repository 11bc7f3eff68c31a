import { useState } from "react";
import type { SendingPatch, SendingStatus, Suppressed } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { counted } from "@/shared/format/numbers";
import { rates } from "@/shared/sending/SendingBanner";
import { useSending, useSendingActions, useSuppressions } from "@/shared/sending/useSending";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { MailProviders } from "./MailProviders";

const REASONS: Record<string, string> = {
  hard_bounce: "Bounced for good",
  soft_bounces: "Bounced five times in a row",
  complaint: "Called a message spam",
  invalid: "Can't be mailed",
  manual: "Taken out by hand",
};

/** Rates, choices, and the addresses that are not mailed any more. */
export function Deliverability() {
  const sending = useSending();
  return (
    <>
      <s-section heading="Deliverability">
        <Loaded query={sending} noun="deliverability" lines={3}>
          {(status) => (
            <s-stack gap="base">
              <s-paragraph>{rates(status)}</s-paragraph>
              <Choices status={status} />
            </s-stack>
          )}
        </Loaded>
      </s-section>
      <MailProviders />
      <SuppressedAddresses />
    </>
  );
}

function Choices({ status }: { status: SendingStatus }) {
  const { choose } = useSendingActions();
  const [hourly, setHourly] = useState(status.hourly_limit?.toString() ?? "");
  const save = (body: SendingPatch) => choose.mutate(body, { onSuccess: () => toast("Saved") });
  const wanted = hourly.trim() === "" ? null : Number(hourly);
  return (
    <div className="encore-fields encore-explained">
      <s-select
        label="See who opens messages"
        value={status.open_tracking}
        details="Customers choose at Shopify. What mail programs load by themselves is never counted as an opening."
        onChange={(event) => save({ open_tracking: event.currentTarget.value as SendingStatus["open_tracking"] })}
      >
        <s-option value="opted_in">Only customers who agreed</s-option>
        <s-option value="unless_opted_out">Everyone who did not decline</s-option>
        <s-option value="off">Nobody</s-option>
      </s-select>
      <s-text-field
        label="Most messages an hour"
        value={hourly}
        details="Empty: as many as the mail server takes"
        onInput={(event) => setHourly(event.currentTarget.value)}
        onBlur={() => {
          if (wanted !== status.hourly_limit) save({ hourly_limit: wanted });
        }}
      />
      {choose.isError && <Failure what="The choice was not saved" error={choose.error} />}
    </div>
  );
}

function SuppressedAddresses() {
  const suppressed = useSuppressions();
  return (
    <s-section heading="Addresses that are not mailed">
      <Loaded query={suppressed} noun="suppressed addresses" lines={3}>
        {({ count, items }) =>
          items.length === 0 ? (
            <s-paragraph color="subdued">None. After a hard bounce or a complaint, an address comes here at once.</s-paragraph>
          ) : (
            <s-stack gap="small">
              <s-paragraph>{`${counted(count, "address", "addresses")}${count > items.length ? `, the newest ${items.length.toString()} of them` : ""}`}</s-paragraph>
              {items.map((item) => (
                <Address key={item.id} address={item} />
              ))}
            </s-stack>
          )
        }
      </Loaded>
    </s-section>
  );
}

function Address({ address }: { address: Suppressed }) {
  const { timezone } = useShop();
  const { reinstate } = useSendingActions();
  const customer = address.customers[0];
  return (
    <s-box padding="small" border="base" borderRadius="base">
      <s-stack gap="small-200">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          {customer === undefined ? (
            <s-text>An address that no customer has any more</s-text>
          ) : (
            <s-link href={`/customers/${customer.toString()}`}>{address.email ?? "Customer"}</s-link>
          )}
          <s-badge tone="critical">{REASONS[address.reason] ?? address.reason}</s-badge>
        </s-stack>
        <s-text color="subdued">{`${moment(address.at, timezone)}: ${address.evidence ?? "no more is known"}`}</s-text>
        {reinstate.isError && <Failure what="The address was not taken back" error={reinstate.error} />}
        {address.can_be_reinstated && (
          <s-box>
            <s-button
              variant="tertiary"
              loading={reinstate.isPending}
              onClick={() => reinstate.mutate(address.id, { onSuccess: () => toast("May be mailed again") })}
            >
              Allow again
            </s-button>
          </s-box>
        )}
      </s-stack>
    </s-box>
  );
}
