import type { Campaign } from "@/shared/api/types";
import { SendingHours } from "./SendingHours";
import type { StepProps } from "./WizardPage";
import { SuggestedBadge } from "./SuggestedBadge";

const MIN_DAYS = 7;

function frequencyOf(value: string | undefined): Campaign["timing"]["frequency"] {
  return value === "every" || value === "optimise" ? value : "once";
}

function wholeNumber(text: string): number | null {
  const number = Number(text);
  return text.trim() !== "" && Number.isInteger(number) ? number : null;
}

/** What the merchant calls it; recipients never see it. */
export function NameStep({ campaign, messages, change }: StepProps) {
  return (
    <s-section heading="Name">
      <s-stack gap="base">
        <SuggestedBadge campaign={campaign} fields={["name.name"]} />
        <s-text-field
          label="Campaign name"
          details="Only you see it. It never stands in an e-mail or a link."
          value={campaign.name ?? ""}
          maxLength={120}
          error={messages.name ?? ""}
          onInput={(event) => change({ name: event.currentTarget.value })}
        />
      </s-stack>
    </s-section>
  );
}

interface DaysProps {
  label: string;
  details: string;
  value: number;
  min: number;
  max: number;
  error: string | undefined;
  onChange: (value: number) => void;
}

function WholeNumber({ label, details, value, min, max, error, onChange }: DaysProps) {
  return (
    <s-number-field
      label={label}
      details={details}
      value={String(value)}
      min={min}
      max={max}
      step={1}
      error={error ?? ""}
      onInput={(event) => {
        const number = wholeNumber(event.currentTarget.value);
        if (number !== null) onChange(number);
      }}
    />
  );
}

/** How often one customer gets it, and how soon after an order. */
export function TimingStep({ campaign, messages, change }: StepProps) {
  const { timing } = campaign;
  return (
    <s-section heading="Timing">
      <s-stack gap="base">
        <SuggestedBadge campaign={campaign} fields={["timing.frequency", "timing.every_days", "timing.wait_days", "timing.repeats"]} />
        <s-choice-list
          label="How often one customer gets this campaign"
          name="frequency"
          values={[timing.frequency]}
          error={messages.frequency ?? ""}
          onChange={(event) =>
            change({ timing: { frequency: frequencyOf(event.currentTarget.values[0]) } })
          }
        >
          <s-choice value="once">Once</s-choice>
          <s-choice value="every">Every so many days</s-choice>
          <s-choice value="optimise">Let the app optimise</s-choice>
        </s-choice-list>
        {timing.frequency === "optimise" && (
          <s-paragraph color="subdued">
            The app chooses each customer's wait, 7 to 60 days, and learns which waits earn most. Until it has learned
            anything, everyone waits 21 days.
          </s-paragraph>
        )}
        {timing.frequency === "every" && (
          <WholeNumber
            label="Days between two e-mails of this campaign"
            details="At least 7: nobody gets more than one e-mail in a rolling week"
            value={timing.every_days}
            min={MIN_DAYS}
            max={365}
            error={messages.every_days}
            onChange={(every_days) => change({ timing: { every_days } })}
          />
        )}
        <WholeNumber
          label="Days to wait after a customer's last order"
          details="0 to 90; any order starts the wait anew"
          value={timing.wait_days}
          min={0}
          max={90}
          error={messages.wait_days}
          onChange={(wait_days) => change({ timing: { wait_days } })}
        />
        <WholeNumber
          label="How many times one customer may get it for one product"
          details="1 to 10; changing the text does not start the count anew"
          value={timing.repeats}
          min={1}
          max={10}
          error={messages.repeats}
          onChange={(repeats) => change({ timing: { repeats } })}
        />
        <SendingHours timing={timing} messages={messages} change={(part) => change({ timing: part })} />
        <s-paragraph color="subdued">
          Whatever is set here, nobody gets more than one e-mail in any 168 hours, across all your campaigns.
        </s-paragraph>
      </s-stack>
    </s-section>
  );
}
