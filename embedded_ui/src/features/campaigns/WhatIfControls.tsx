import type { Campaign, SimulationRequest } from "@/shared/api/types";
import { minorPerUnit } from "@/shared/format/money";
import { useShop } from "@/shared/shop/ShopProvider";

interface Props {
  campaign: Campaign;
  whatIf: SimulationRequest;
  setWhatIf: (next: SimulationRequest) => void;
  busy: boolean;
}

type Frequency = Campaign["timing"]["frequency"];
const FREQUENCIES: Record<Frequency, string> = { once: "Once", every: "Every so many days", optimise: "Let the app optimise" };
const SPANS = [30, 60, 90];

/** Settings to try; the campaign stays as it is saved. A field left empty means: as the campaign has it. */
export function WhatIfControls({ campaign, whatIf, setWhatIf, busy }: Props) {
  const { currency } = useShop();
  const unit = minorPerUnit(currency);
  const { timing } = campaign;
  const frequency = whatIf.frequency ?? timing.frequency;
  const change = (changed: Partial<SimulationRequest>) => setWhatIf({ ...whatIf, ...changed });
  const discounted = (whatIf.discount_percent ?? 0) > 0;
  return (
    <s-stack gap="base">
      <div className="encore-figures" role="group" aria-label="Try other settings">
        <s-select label="Days ahead" value={String(whatIf.days)} onChange={(event) => change({ days: Number(event.currentTarget.value) })}>
          {SPANS.map((days) => (
            <s-option key={days} value={String(days)}>
              {`${days} days`}
            </s-option>
          ))}
        </s-select>
        <s-select label="How often" value={frequency} onChange={(event) => change({ frequency: event.currentTarget.value as Frequency })}>
          {Object.entries(FREQUENCIES).map(([value, name]) => (
            <s-option key={value} value={value}>
              {name}
            </s-option>
          ))}
        </s-select>
        {frequency === "every" && (
          <Tried label="Days between" value={whatIf.every_days ?? timing.every_days} min={7} max={365} set={(every_days) => change({ every_days })} />
        )}
        <Tried label="Days after an order" value={whatIf.wait_days ?? timing.wait_days} min={0} max={90} set={(wait_days) => change({ wait_days })} />
        <Tried label="Times per product" value={whatIf.repeats ?? timing.repeats} min={1} max={10} set={(repeats) => change({ repeats })} />
        <Tried
          label="Discount, %"
          value={whatIf.discount_percent ?? null}
          min={0}
          max={100}
          set={(discount_percent) => change({ discount_percent })}
        />
        {discounted && (
          <Tried
            label={`At most, ${currency} off`}
            value={whatIf.discount_ceiling_minor == null ? null : whatIf.discount_ceiling_minor / unit}
            min={0}
            max={1_000_000}
            set={(units) => change({ discount_ceiling_minor: units === null ? null : units * unit })}
          />
        )}
      </div>
      <s-stack direction="inline" gap="small">
        <s-button variant="tertiary" disabled={Object.keys(whatIf).length === 1} onClick={() => setWhatIf({ days: whatIf.days ?? 30 })}>
          Back to the saved settings
        </s-button>
        {busy && <s-text color="subdued">Simulating…</s-text>}
      </s-stack>
    </s-stack>
  );
}

interface TriedProps {
  label: string;
  value: number | null;
  min: number;
  max: number;
  set: (value: number | null) => void;
}

/** Takes a number when the field is left, not at each key: every number is a simulation. */
function Tried({ label, value, min, max, set }: TriedProps) {
  return (
    <s-number-field
      label={label}
      value={value === null ? "" : String(value)}
      min={min}
      max={max}
      step={1}
      onChange={(event) => {
        const text = event.currentTarget.value.trim();
        const number = Number(text);
        if (text === "") set(null);
        else if (Number.isInteger(number) && number >= min && number <= max) set(number);
      }}
    />
  );
}
