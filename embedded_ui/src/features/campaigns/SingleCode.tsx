import { useState } from "react";
import type { CodeCheck } from "@/shared/api/types";
import { fieldError } from "@/shared/api/client";
import { amountOf, amountText } from "@/shared/format/money";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { useCheckCode, useCreateCode } from "./useDiscount";
import type { StepProps } from "./WizardPage";

/** One code for everyone: an existing one, checked at Shopify, or a new one. */
export function SingleCode({ campaign, messages, change }: StepProps) {
  const { discount } = campaign;
  const check = useCheckCode(campaign.id);
  const [making, setMaking] = useState(false);
  const code = discount.code ?? "";
  return (
    <s-stack gap="base">
      <s-text-field
        label="Discount code"
        details="A code that exists in your store"
        value={code}
        maxLength={255}
        error={messages.code ?? ""}
        onInput={(event) => {
          check.reset();
          change({ discount: { code: event.currentTarget.value } });
        }}
      />
      <s-stack direction="inline" gap="small">
        <s-button disabled={code.trim() === ""} loading={check.isPending} onClick={() => check.mutate(code)}>
          Check the code
        </s-button>
        <s-button variant="tertiary" onClick={() => setMaking(!making)}>
          {making ? "Use an existing code" : "Create a code"}
        </s-button>
      </s-stack>
      {check.isError && <Failure what="The code was not checked" error={check.error} />}
      {check.data !== undefined && <Checked check={check.data} />}
      {making && <NewCode campaignId={campaign.id} done={() => setMaking(false)} />}
      <s-text-field
        label="What it gives"
        details="Stands beside the code in the e-mail, for example: 10% off your next order"
        value={discount.description ?? ""}
        maxLength={255}
        error={messages.description ?? ""}
        onInput={(event) => change({ discount: { description: event.currentTarget.value } })}
      />
      <s-date-field
        label="Valid until"
        details="Optional"
        value={discount.expires_on ?? ""}
        error={messages.expires_on ?? ""}
        onChange={(event) =>
          change({ discount: { expires_on: event.currentTarget.value === "" ? null : event.currentTarget.value } })
        }
      />
    </s-stack>
  );
}

function Checked({ check }: { check: CodeCheck }) {
  if (!check.ok) {
    return (
      <s-banner tone="critical" heading="This code can't be used">
        <s-paragraph>{check.problem}</s-paragraph>
      </s-banner>
    );
  }
  return (
    <s-banner tone={check.warnings.length > 0 ? "warning" : "success"} heading="The code works">
      <s-paragraph>{[check.summary, ...check.warnings].filter(Boolean).join(" · ")}</s-paragraph>
    </s-banner>
  );
}

function NewCode({ campaignId, done }: { campaignId: string; done: () => void }) {
  const { currency } = useShop();
  const create = useCreateCode(campaignId);
  const [code, setCode] = useState("");
  const [amount, setAmount] = useState<number | null>(null);
  const [floor, setFloor] = useState<number | null>(0);
  const [days, setDays] = useState(30);
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="base">
        <s-text-field
          label="New code"
          details="Made in Shopify; each customer may use it once"
          value={code}
          maxLength={40}
          error={fieldError(create.error, "code") ?? fieldError(create.error, "discount.code") ?? ""}
          onInput={(event) => setCode(event.currentTarget.value)}
        />
        <s-money-field
          label={`Amount off the order (${currency})`}
          value={amountText(amount, currency)}
          min={0}
          error={fieldError(create.error, "amount_minor") ?? ""}
          onChange={(event) => setAmount(amountOf(event.currentTarget.value, currency))}
        />
        <s-money-field
          label={`Smallest order (${currency})`}
          details="0: any order"
          value={amountText(floor, currency)}
          min={0}
          error={fieldError(create.error, "min_basket_minor") ?? ""}
          onChange={(event) => setFloor(amountOf(event.currentTarget.value, currency))}
        />
        <s-number-field
          label="Valid for how many days"
          details="3 to 60, from today"
          value={String(days)}
          min={3}
          max={60}
          step={1}
          error={fieldError(create.error, "days") ?? ""}
          onChange={(event) => setDays(Math.round(Number(event.currentTarget.value)))}
        />
        {create.isError && <Failure what="The code was not created" error={create.error} />}
        <s-button
          variant="primary"
          loading={create.isPending}
          disabled={code.trim() === "" || amount === null}
          onClick={() =>
            create.mutate(
              { code, amount_minor: amount ?? 0, min_basket_minor: floor ?? 0, days },
              { onSuccess: done },
            )
          }
        >
          Create in Shopify
        </s-button>
      </s-stack>
    </s-box>
  );
}
