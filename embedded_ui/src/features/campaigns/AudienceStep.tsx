import { useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { SegmentRow } from "@/shared/api/types";
import { counted } from "@/shared/format/numbers";
import { CATEGORY_NAMES } from "@/shared/format/words";
import { Loaded } from "@/shared/states/Loaded";
import { SuggestedBadge } from "./SuggestedBadge";
import { useAudienceSegments } from "./useCampaigns";
import type { StepProps } from "./WizardPage";

const GROUPS = ["repurchase", "cross_sell", "custom"] as const;

/** Whom it goes to: a segment, or everyone with the product that suits best. */
export function AudienceStep({ campaign, messages, change }: StepProps) {
  const segments = useAudienceSegments();
  const { audience } = campaign;
  return (
    <s-section heading="Audience">
      <s-stack gap="base">
        <SuggestedBadge campaign={campaign} fields={["audience.type", "audience.segment_id"]} />
        <s-choice-list
          label="Who gets it"
          name="audience"
          values={audience.type === null ? [] : [audience.type]}
          error={messages.type ?? messages.audience ?? ""}
          onChange={(event) =>
            change({
              audience:
                event.currentTarget.values[0] === "automatic"
                  ? { type: "automatic" }
                  : { type: "segment", segment_id: audience.segment_id },
            })
          }
        >
          <s-choice value="segment">The members of a segment</s-choice>
          <s-choice value="automatic">Automatic: Encore picks the best customer and product at any time</s-choice>
        </s-choice-list>
        {audience.type === "segment" && (
          <Loaded query={segments} noun="segments">
            {(list) =>
              list.length === 0 ? (
                <NoSegments />
              ) : (
                <SegmentPicker
                  segments={list}
                  value={audience.segment_id}
                  error={messages.segment_id}
                  onPick={(segment_id) => change({ audience: { type: "segment", segment_id } })}
                />
              )
            }
          </Loaded>
        )}
        {audience.type === "segment" && audience.segment_id !== null && <SampleMembers segmentId={audience.segment_id} />}
      </s-stack>
    </s-section>
  );
}

function NoSegments() {
  return (
    <s-banner tone="info" heading="No segment has members that a campaign could address">
      <s-paragraph>
        Product segments appear once enough customers buy repeatedly, or buy one product after another. You can build a
        segment of your own, or choose automatic.
      </s-paragraph>
      <s-button slot="secondary-actions" variant="secondary" href="/segments/new">
        New segment
      </s-button>
    </s-banner>
  );
}

interface PickerProps {
  segments: SegmentRow[];
  value: string | null;
  error: string | undefined;
  onPick: (segmentId: string) => void;
}

function SegmentPicker({ segments, value, error, onPick }: PickerProps) {
  const known = segments.some((segment) => segment.id === value);
  return (
    <s-select
      label="Segment"
      placeholder="Choose a segment"
      value={value ?? ""}
      error={error ?? ""}
      onChange={(event) => onPick(event.currentTarget.value)}
    >
      {value !== null && !known && <s-option value={value}>The segment chosen before</s-option>}
      {GROUPS.map((category) => {
        const inGroup = segments.filter((segment) => segment.category === category);
        return (
          inGroup.length > 0 && (
            <s-option-group key={category} label={CATEGORY_NAMES[category]}>
              {inGroup.map((segment) => (
                <s-option key={segment.id} value={segment.id}>
                  {segment.name} ({counted(segment.reachable, "reachable", "reachable")})
                </s-option>
              ))}
            </s-option-group>
          )
        );
      })}
    </s-select>
  );
}

const SAMPLE = 5;

function SampleMembers({ segmentId }: { segmentId: string }) {
  const members = useQuery({
    queryKey: ["segment", segmentId, "members", "sample"],
    queryFn: () =>
      unwrap(
        api.GET("/api/segments/{segment_id}/members", {
          params: { path: { segment_id: segmentId }, query: { limit: SAMPLE, reachable: true } },
        }),
      ),
  });
  return (
    <Loaded query={members} noun="members">
      {(page) =>
        page.items.length > 0 && (
          <s-stack gap="small-200">
            <s-heading>Some of them</s-heading>
            <s-unordered-list>
              {page.items.map((member) => (
                <s-list-item key={member.customer_no}>
                  {member.name === "" ? `Customer ${member.customer_no}` : member.name}: {member.reason}
                </s-list-item>
              ))}
            </s-unordered-list>
          </s-stack>
        )
      }
    </Loaded>
  );
}
