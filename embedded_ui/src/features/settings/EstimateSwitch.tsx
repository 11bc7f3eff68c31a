import type { DemographicEstimate } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf } from "@/shared/format/dates";
import { count, percent } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { WORDS } from "./estimates";
import { useRefreshAgain } from "./useDemographics";

interface Props {
  estimate: DemographicEstimate;
  /** A change is on its way. */
  pending: boolean;
  turn: (enabled: boolean) => void;
}

/** One estimate: its switch, why it is off at first, and what it came to. */
export function EstimateSwitch({ estimate, pending, turn }: Props) {
  const { label, reason } = WORDS[estimate.name];
  // What is on can always be turned off.
  const blocked = estimate.enabled ? null : estimate.blocked;
  const details = blocked === null ? reason : `${reason} ${blocked}`;
  return (
    <s-stack gap="small">
      <s-switch
        label={label}
        details={details}
        checked={estimate.enabled}
        disabled={pending || blocked !== null}
        onChange={(event) => turn(event.currentTarget.checked)}
      />
      <Outcome estimate={estimate} />
    </s-stack>
  );
}

function Outcome({ estimate }: { estimate: DemographicEstimate }) {
  if (estimate.state === "off") return null;
  if (estimate.state === "failed") return <Failed />;
  if (estimate.coverage === null) {
    return (
      <s-stack direction="inline" gap="small" alignItems="center">
        <s-spinner accessibilityLabel={`${WORDS[estimate.name].subject} is being computed`} />
        <s-text>Encore classifies your customers. Coverage and segments appear here when it is done.</s-text>
      </s-stack>
    );
  }
  return <CoverageFigures estimate={estimate} coverage={estimate.coverage} />;
}

function Failed() {
  const again = useRefreshAgain();
  return (
    <s-banner tone="critical" heading="The classes could not be computed">
      <s-paragraph>The last refresh failed. Your other segments are as they were.</s-paragraph>
      {again.isError && <Failure what="That did not work" error={again.error} />}
      <s-button
        slot="secondary-actions"
        variant="secondary"
        loading={again.isPending}
        onClick={() => again.mutate(undefined)}
      >
        Try again
      </s-button>
    </s-banner>
  );
}

interface CoverageProps {
  estimate: DemographicEstimate;
  coverage: NonNullable<DemographicEstimate["coverage"]>;
}

function CoverageFigures({ estimate, coverage }: CoverageProps) {
  const { timezone } = useShop();
  const words = WORDS[estimate.name];
  const { customers, by_field, estimated, unknown, expected_accuracy } = coverage;
  const share = (part: number) => (customers === 0 ? "no customers yet" : `${percent(part / customers)} of customers`);
  return (
    <s-stack gap="small">
      <Figures>
        <Figure label="Estimated" value={count(estimated)} detail={share(estimated)} />
        <Figure label="From your own data" value={count(by_field)} detail={words.byField} />
        <Figure label="Unknown" value={count(unknown)} detail={`${share(unknown)}: ${words.unknown}`} />
        <Figure
          label="Expected to be wrong"
          value={expected_accuracy === null ? "Not known" : percent(1 - expected_accuracy)}
          detail={expected_accuracy === null ? words.noError : words.wrong}
        />
      </Figures>
      <s-stack direction="inline" gap="small">
        <s-link href="/segments?categories=demographics">See the segments</s-link>
        <s-text color="subdued">{asOf(estimate.as_of, timezone)}</s-text>
      </s-stack>
    </s-stack>
  );
}
