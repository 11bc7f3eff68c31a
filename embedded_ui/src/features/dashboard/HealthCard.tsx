import type { Dashboard } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { age, moment, zoneName } from "@/shared/format/dates";
import { change, count, counted } from "@/shared/format/numbers";
import { GRADE_NAMES, GRADE_TONES, KIND_NAMES } from "@/shared/format/predictions";
import { useShop } from "@/shared/shop/ShopProvider";

type Health = Dashboard["health"];
type Model = Health["models"][number];

/** Missed refreshes in a row from which on it is no accident. */
const ALARMING = 2;

const BASIS: Record<Model["basis"], string> = {
  model: "trained model",
  baseline: "baseline, because it did at least as well",
  prior: "store averages, for want of data",
};

/** Whether the numbers are fresh, complete, and what the predictions stand on. */
export function HealthCard({ health }: { health: Health }) {
  const { timezone } = useShop();
  const now = new Date();
  const when = (instant: string | null) => (instant === null ? "" : moment(instant, timezone));
  return (
    <s-section heading="Health">
      <s-stack gap="base">
        {health.missed_refreshes >= ALARMING && (
          <s-banner tone="critical" heading="Segments and predictions are not being updated">
            <s-paragraph>
              The last {count(health.missed_refreshes)} refreshes failed. What you see is from{" "}
              {age(health.last_refresh, now)} and stays in use; Encore tries again every half hour.
            </s-paragraph>
          </s-banner>
        )}
        <Figures>
          <Figure label="Last import" value={age(health.last_import, now)} detail={when(health.last_import)} />
          <Figure label="Last refresh" value={age(health.last_refresh, now)} detail={when(health.last_refresh)} />
          <Figure
            label="Background jobs"
            value={health.failed_jobs === 0 ? "All well" : `${count(health.failed_jobs)} failed`}
            detail={health.running_jobs === 0 ? "none running" : `${count(health.running_jobs)} running`}
          />
        </Figures>
        {health.models.length > 0 && (
          <s-stack direction="inline" gap="small-200" alignItems="center">
            <s-text>
              Predictions stand on: {health.models.map((model) => `${KIND_NAMES[model.kind]}: ${BASIS[model.basis]}`).join(" · ")}.
            </s-text>
            {health.models.map(
              ({ kind, grade }) =>
                grade !== null && (
                  <s-badge key={kind} tone={GRADE_TONES[grade]}>
                    {KIND_NAMES[kind]}: {GRADE_NAMES[grade]}
                  </s-badge>
                ),
            )}
            <s-link href="/predictions">How good they are</s-link>
          </s-stack>
        )}
        <Differences health={health} />
        <s-text color="subdued">Times are in {zoneName(timezone)}.</s-text>
      </s-stack>
    </s-section>
  );
}

/** Where Encore holds another number of things than the store, with the reason. */
function Differences({ health }: { health: Health }) {
  const differing = health.differences.filter((one) => one.difference !== 0);
  if (health.last_import === null) return null;
  if (differing.length === 0) return <s-text>Imported counts equal the store's own.</s-text>;
  return (
    <s-stack gap="small-200">
      <s-text>{counted(differing.length, "imported count differs", "imported counts differ")} from the store's own:</s-text>
      <s-unordered-list>
        {differing.map((one) => (
          <s-list-item key={one.object}>
            {one.object}: {count(one.imported)} here, {count(one.shop)} in the store ({change(one.difference)})
            {one.reason !== null && `: ${one.reason}`}
          </s-list-item>
        ))}
      </s-unordered-list>
    </s-stack>
  );
}
