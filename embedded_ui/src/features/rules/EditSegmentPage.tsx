import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { api, unwrap } from "@/shared/api/client";
import { Loaded } from "@/shared/states/Loaded";
import type { Rule } from "./rule";
import { SegmentForm } from "./SegmentForm";
import { useSegmentNames, useVocabulary } from "./useRules";
import { VersionsPanel } from "./VersionsPanel";

/** Changes the rule of a segment; the version before is kept. */
export function EditSegmentPage() {
  const { segmentId = "" } = useParams();
  const vocabulary = useVocabulary();
  const segments = useSegmentNames();
  const segment = useQuery({
    queryKey: ["segment", segmentId],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}", { params: { path: { segment_id: segmentId } } })),
  });
  return (
    <s-page heading={segment.data === undefined ? "Edit segment" : `Edit ${segment.data.name}`} inlineSize="large">
      <s-link slot="breadcrumb-actions" href={`/segments/${segmentId}`}>
        Segment
      </s-link>
      <Loaded query={vocabulary} noun="the segment builder" lines={8}>
        {(words) => (
          <Loaded query={segment} noun="the segment" lines={8}>
            {(details) =>
              details.editable && details.rule !== null ? (
                <s-stack gap="base">
                  <SegmentForm
                    key={`${details.id}:${details.version}`}
                    vocabulary={words}
                    segments={(segments.data ?? []).filter((one) => one.id !== segmentId)}
                    segmentId={segmentId}
                    name={details.name}
                    rule={details.rule as unknown as Rule}
                  />
                  <VersionsPanel segmentId={segmentId} current={details.version} />
                </s-stack>
              ) : (
                <NotEditable segmentId={segmentId} />
              )
            }
          </Loaded>
        )}
      </Loaded>
    </s-page>
  );
}

function NotEditable({ segmentId }: { segmentId: string }) {
  return (
    <s-banner tone="info" heading="Encore keeps this segment up to date itself">
      <s-paragraph>Its conditions can't be changed. Duplicate it to get a copy that you can edit.</s-paragraph>
      <s-button slot="secondary-actions" variant="secondary" href={`/segments/${segmentId}`}>
        Back to the segment
      </s-button>
    </s-banner>
  );
}
