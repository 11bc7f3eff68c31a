import type { UseQueryResult } from "@tanstack/react-query";
import type { RulePreview } from "@/shared/api/types";
import { ConditionBars } from "@/shared/charts/ConditionBars";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, zoneName } from "@/shared/format/dates";
import { count, percent } from "@/shared/format/numbers";
import { Failure } from "@/shared/states/Failure";
import { Skeleton } from "@/shared/states/Skeleton";

interface Props {
  preview: UseQueryResult<RulePreview>;
  /** Why nothing is counted, when the rule is not complete. */
  incomplete: string | null;
  /** The rule on screen is newer than the one counted. */
  behind: boolean;
}

/** What the rule selects now: how many, how many can be e-mailed, which condition keeps whom, and ten of them. */
export function PreviewPane({ preview, incomplete, behind }: Props) {
  return (
    <s-section heading="Who matches now">
      <s-stack gap="base">
        {incomplete !== null && <s-paragraph color="subdued">{incomplete}</s-paragraph>}
        {preview.isError && incomplete === null && (
          <Failure what="The rule could not be counted" error={preview.error} retry={() => void preview.refetch()} />
        )}
        {preview.data !== undefined ? (
          <Counted preview={preview.data} approximate={behind || preview.isFetching || incomplete !== null} />
        ) : (
          preview.isFetching && <Skeleton label="Counting customers" lines={4} />
        )}
      </s-stack>
    </s-section>
  );
}

function Counted({ preview, approximate }: { preview: RulePreview; approximate: boolean }) {
  const sign = approximate ? "~" : "";
  return (
    <s-stack gap="base">
      <div aria-live="polite">
        <Figures>
          <Figure
            label="Customers"
            value={`${sign}${count(preview.count)}`}
            detail={`of ${count(preview.universe)} (${percent(preview.universe === 0 ? null : preview.count / preview.universe)})`}
          />
          <Figure label="Reachable by e-mail" value={`${sign}${count(preview.reachable)}`} />
        </Figures>
      </div>
      <s-paragraph>{preview.sentence}</s-paragraph>
      {preview.missing_note !== null && <s-banner tone="info" heading={preview.missing_note} />}
      <ConditionBars leaves={preview.leaves} fromMissing={0} />
      <SampleMembers preview={preview} />
      <s-text color="subdued">
        {asOf(preview.as_of, preview.timezone)}, {zoneName(preview.timezone)}. Counted in {count(preview.duration_ms)} ms.
      </s-text>
    </s-stack>
  );
}

function SampleMembers({ preview }: { preview: RulePreview }) {
  if (preview.sample.length === 0) return null;
  return (
    <s-stack gap="small-200">
      <s-heading>{preview.sample.length === 1 ? "One of them" : `${preview.sample.length} of them`}</s-heading>
      <s-unordered-list>
        {preview.sample.map((member) => (
          <s-list-item key={member.customer_no}>
            {member.name === "" ? `Customer ${member.customer_no}` : member.name}: {member.reason}
          </s-list-item>
        ))}
      </s-unordered-list>
    </s-stack>
  );
}
