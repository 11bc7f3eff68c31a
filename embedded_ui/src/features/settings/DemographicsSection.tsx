import { useState } from "react";
import type { DemographicEstimate, DemographicsSettings } from "@/shared/api/types";
import { day } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { EstimateSwitch } from "./EstimateSwitch";
import { WORDS } from "./estimates";
import { useChangeDemographics, useDemographics } from "./useDemographics";

/** What was changed last, so that it can be taken back. */
interface Changed {
  name: DemographicEstimate["name"];
  enabled: boolean;
}

/** Estimates of gender and area income: both off until the merchant turns them on. */
export function DemographicsSection() {
  const demographics = useDemographics();
  return (
    <s-section heading="Demographics">
      <s-stack gap="base">
        <s-paragraph>
          Estimates for segments only: Encore never uses them in e-mail text, prices, discounts or predictions. Your own
          customer fields always come first, and a class of fewer than ten customers makes no segment.
        </s-paragraph>
        <Loaded query={demographics} noun="estimates" lines={6}>
          {(settings) => <Estimates settings={settings} />}
        </Loaded>
      </s-stack>
    </s-section>
  );
}

function Estimates({ settings }: { settings: DemographicsSettings }) {
  const change = useChangeDemographics();
  const [changed, setChanged] = useState<Changed | null>(null);
  const turn = ({ name, enabled }: Changed, afterwards: Changed | null) => {
    setChanged(null);
    change.mutate({ [name]: enabled }, { onSuccess: () => setChanged(afterwards) });
  };
  return (
    <s-stack gap="large">
      {change.isError && <Failure what="The setting was not changed" error={change.error} />}
      {changed !== null && (
        <Undo changed={changed} undo={() => turn({ name: changed.name, enabled: !changed.enabled }, null)} />
      )}
      {settings.estimates.map((estimate) => (
        <EstimateSwitch
          key={estimate.name}
          estimate={estimate}
          pending={change.isPending}
          turn={(enabled) => turn({ name: estimate.name, enabled }, { name: estimate.name, enabled })}
        />
      ))}
      <IncomeTable table={settings.income_table} />
    </s-stack>
  );
}

function Undo({ changed, undo }: { changed: Changed; undo: () => void }) {
  const { subject } = WORDS[changed.name];
  const [what, then] = changed.enabled
    ? [`${subject} is on`, "Your customers are classified in the background; new and changed ones at every refresh."]
    : [`${subject} is off`, "Its classes and segments were deleted. Undo computes them anew."];
  return (
    <s-banner tone={changed.enabled ? "success" : "info"} heading={what}>
      <s-paragraph>{then}</s-paragraph>
      <s-button slot="secondary-actions" variant="secondary" onClick={undo}>
        Undo
      </s-button>
    </s-banner>
  );
}

/** Where area incomes come from, or nothing where the switch already says that they are missing. */
function IncomeTable({ table }: { table: DemographicsSettings["income_table"] }) {
  const { timezone } = useShop();
  if (table === null) return null;
  const years = table.vintage === null ? "" : ` ${table.vintage}`;
  return (
    <s-text color="subdued">
      {`Area incomes: American Community Survey${years}, ${count(table.rows)} ZIP areas, from ${table.source}, loaded ${day(table.loaded_at, timezone)}.`}
    </s-text>
  );
}
