import { ManagedDiscount } from "./ManagedDiscount";
import { SingleCode } from "./SingleCode";
import type { StepProps } from "./WizardPage";

const MODES = ["off", "single", "managed"] as const;

/** No discount, one code for everyone, or codes that Encore makes and gives. */
export function DiscountStep({ campaign, messages, change }: StepProps) {
  const { mode } = campaign.discount;
  return (
    <s-section heading="Discount">
      <s-stack gap="base">
        <s-choice-list
          label="Discount"
          name="discount"
          values={[mode]}
          error={messages.mode ?? ""}
          onChange={(event) => {
            const chosen = MODES.find((one) => one === event.currentTarget.values[0]) ?? "off";
            change({ discount: { mode: chosen } });
          }}
        >
          <s-choice value="off">No discount</s-choice>
          <s-choice value="single">One code for everyone</s-choice>
          <s-choice value="managed">
            Let Encore manage discounts
            <s-text slot="details">Each customer gets none or a code of their own, within your maximum and budget</s-text>
          </s-choice>
        </s-choice-list>
        {mode === "single" && <SingleCode campaign={campaign} messages={messages} change={change} />}
        {mode === "managed" && <ManagedDiscount campaignId={campaign.id} />}
      </s-stack>
    </s-section>
  );
}
