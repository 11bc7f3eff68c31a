import type { DiscountPlanPatch, DiscountStanding } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { amountOf, amountText, money } from "@/shared/format/money";
import { count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { useChangeDiscount, useDiscount } from "./useDiscount";

const MOST_LEVELS = 4;

/** What Encore may give away: amounts, a maximum, a budget, and the part that gets none. */
export function ManagedDiscount({ campaignId }: { campaignId: string }) {
  const discount = useDiscount(campaignId);
  const change = useChangeDiscount(campaignId);
  return (
    <Loaded query={discount} noun="the discount" lines={6}>
      {(standing) => (
        <s-stack gap="base">
          <Troubles standing={standing} />
          {change.isError && <Failure what="The last change is not saved" error={change.error} />}
          <PlanForm standing={standing} change={(patch) => change.mutate(patch)} />
          <Estimate standing={standing} />
        </s-stack>
      )}
    </Loaded>
  );
}

function Troubles({ standing }: { standing: DiscountStanding }) {
  if (standing.blocked !== null) {
    return (
      <s-banner tone="warning" heading="Encore can't make discounts in this store yet">
        <s-paragraph>{standing.blocked} Until then the campaign can't start with managed discounts.</s-paragraph>
      </s-banner>
    );
  }
  if (standing.problem === null) return null;
  return (
    <s-banner tone="critical" heading="The last codes could not be made">
      <s-paragraph>
        {standing.problem} {standing.waiting > 0 && `${count(standing.waiting)} e-mails wait for their code. `}
        Encore tries again by itself.
      </s-paragraph>
    </s-banner>
  );
}

interface PlanFormProps {
  standing: DiscountStanding;
  change: (patch: DiscountPlanPatch) => void;
}

function PlanForm({ standing, change }: PlanFormProps) {
  const { currency } = useShop();
  const { plan } = standing;
  const wrong = (field: string) =>
    standing.saved ? (standing.unresolved.find((one) => one.field === field)?.message ?? "") : "";
  const amount = (field: "ceiling_minor" | "min_basket_minor" | "budget_minor") => ({
    value: plan[field] === 0 && field !== "min_basket_minor" ? "" : amountText(plan[field], currency),
    min: 0,
    error: wrong(field),
    onChange: (event: { currentTarget: { value: string } }) =>
      change({ [field]: amountOf(event.currentTarget.value, currency) ?? 0 }),
  });
  const whole = (field: "validity_days" | "none_percent" | "margin_percent") => ({
    value: String(plan[field]),
    step: 1,
    error: wrong(field),
    onChange: (event: { currentTarget: { value: string } }) => {
      const number = Number(event.currentTarget.value);
      if (Number.isInteger(number)) change({ [field]: number });
    },
  });
  return (
    <s-stack gap="base">
      <s-money-field
        {...amount("ceiling_minor")}
        label={`Maximum value of a code (${currency})`}
        details="No code is ever worth more, whatever is in the basket"
      />
      <Levels levels={plan.levels} error={wrong("levels")} change={change} />
      <s-money-field
        {...amount("min_basket_minor")}
        label={`Smallest order (${currency})`}
        details="0: any order"
      />
      <s-number-field
        {...whole("validity_days")}
        label="Days that a code works"
        details="3 to 60. A code may work up to a week longer; the e-mail names its last day"
        min={3}
        max={60}
      />
      <s-money-field
        {...amount("budget_minor")}
        label={`Budget for all codes (${currency})`}
        details="A code counts in full from the moment it is sent; one that ends unused gives its amount back"
      />
      <s-choice-list
        label="The budget is for"
        name="budget_period"
        values={[plan.budget_period]}
        onChange={(event) => change({ budget_period: event.currentTarget.values[0] === "month" ? "month" : "campaign" })}
      >
        <s-choice value="campaign">The whole campaign</s-choice>
        <s-choice value="month">Each calendar month</s-choice>
      </s-choice-list>
      <s-number-field
        {...whole("none_percent")}
        label="Customers who get no code by chance (%)"
        details="5 to 50. They are what the effect of a code is measured against"
        min={5}
        max={50}
      />
      <s-number-field
        {...whole("margin_percent")}
        label="What you keep of a price before a discount (%)"
        details="Encore weighs a code's cost against it"
        min={1}
        max={100}
      />
    </s-stack>
  );
}

interface LevelsProps {
  levels: number[];
  error: string;
  change: (patch: DiscountPlanPatch) => void;
}

/** The fixed amounts to choose from: one field each, an empty one to add another. */
function Levels({ levels, error, change }: LevelsProps) {
  const { currency } = useShop();
  const shown = levels.length < MOST_LEVELS ? [...levels, null] : levels;
  const set = (place: number, text: string) => {
    const next = shown.map((level, index) => (index === place ? amountOf(text, currency) : level));
    change({ levels: next.filter((level) => level !== null && level > 0) as number[] });
  };
  return (
    <s-stack gap="small">
      <s-stack direction="inline" gap="small">
        {shown.map((level, place) => (
          <s-money-field
            key={`${place}/${level ?? ""}`}
            label={level === null ? "Add an amount" : `Amount ${place + 1}`}
            value={amountText(level, currency)}
            min={0}
            error={place === 0 ? error : ""}
            onChange={(event) => set(place, event.currentTarget.value)}
          />
        ))}
      </s-stack>
      <s-text color="subdued">
        Up to {MOST_LEVELS} amounts off an order. Until it has learned which pays, Encore gives them by chance.
      </s-text>
    </s-stack>
  );
}

const BASIS: Record<DiscountStanding["basis"], string> = {
  start: "Nothing learned yet: amounts are given by chance.",
  constant: "Learned: one amount for all surely pays.",
  customers: "Learned: each customer gets the amount that pays most.",
};

function Estimate({ standing }: { standing: DiscountStanding }) {
  const { currency } = useShop();
  return (
    <s-stack gap="small">
      <Figures>
        <Figure
          label="Could cost at most"
          value={money(standing.most_cost_minor, currency)}
          detail={standing.reachable === null ? "choose an audience first" : `one code each, ${count(standing.reachable)} reachable`}
        />
        <Figure label="Budget spoken for" value={money(standing.reserved_minor, currency)} detail="codes out and codes used" />
        <Figure label="Codes given" value={count(standing.issued)} detail={`${count(standing.redeemed)} used`} />
        <Figure label="Codes ready" value={count(standing.ready)} detail="made ahead of need" />
      </Figures>
      {standing.waiting > 0 && (
        <s-text>{count(standing.waiting)} e-mails wait until their code is made; nobody goes without what was drawn.</s-text>
      )}
      <s-text color="subdued">{BASIS[standing.basis]}</s-text>
    </s-stack>
  );
}
