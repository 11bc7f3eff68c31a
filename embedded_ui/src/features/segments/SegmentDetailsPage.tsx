import { useState } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { ApiError } from "@/shared/api/client";
import type { SegmentDetails } from "@/shared/api/types";
import { RecommendationBanner } from "@/shared/recommendations/RecommendationBanner";
import { age, moment } from "@/shared/format/dates";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { AboutSegment, HowItBehaves, RunAndUse } from "./SegmentCards";
import { DeletePanel } from "./DeletePanel";
import { DownloadPanel } from "./DownloadPanel";
import { MembersTable } from "./MembersTable";
import { ProbabilityChart } from "./SegmentCharts";
import { AffinityCard } from "./AffinityCard";
import { CompareWith } from "./CompareWith";
import { GapsChart } from "./GapsChart";
import { TrendChart } from "./TrendChart";
import { Promises } from "./Promises";
import { ConditionFunnel } from "./ConditionFunnel";
import { useSegment, useSegmentActions } from "./useSegments";
import { VersionsPanel } from "./VersionsPanel";
import { WhyPanel } from "./WhyPanel";

/** One segment: who is in it and why, how they behave, and what to do with them. */
export function SegmentDetailsPage() {
  const { segmentId = "" } = useParams();
  const segment = useSegment(segmentId);
  if (segment.error instanceof ApiError && segment.error.status === 404) return <NoSuchSegment />;
  if (segment.data !== undefined) {
    return <DetailsPage key={segmentId} segment={segment.data} failed={segment.isError ? segment.error : null} />;
  }
  return (
    <s-page heading="Segment">
      <Loaded query={segment} noun="the segment" lines={8}>
        {() => null}
      </Loaded>
    </s-page>
  );
}

function NoSuchSegment() {
  return (
    <s-page heading="Segment not found">
      <s-banner tone="warning" heading="This segment no longer exists">
        <s-paragraph>It was deleted, or the address is wrong. Your other segments are unchanged.</s-paragraph>
        <s-button slot="secondary-actions" variant="secondary" href="/segments">
          All segments
        </s-button>
      </s-banner>
    </s-page>
  );
}

type Panel = "none" | "delete" | "versions";

function DetailsPage({ segment, failed }: { segment: SegmentDetails; failed: Error | null }) {
  const [panel, setPanel] = useState<Panel>("none");
  // In the address, so that a file that is being made is still there after a reload.
  const [address, setAddress] = useSearchParams();
  const downloading = address.get("panel") === "download";
  const setDownloading = (open: boolean) => setAddress(open ? { panel: "download" } : {}, { replace: true });
  const actions = useSegmentActions(segment.id);
  const navigate = useNavigate();
  const { size } = segment.statistics;
  const nobody = size === 0;
  const duplicate = () =>
    actions.duplicate.mutate(undefined, { onSuccess: (copy) => void navigate(`/segments/${copy.id}/edit`) });
  const evaluate = () => actions.evaluate.mutate(undefined, { onSuccess: () => toast("Worked out again") });
  const problem = actions.duplicate.error ?? actions.evaluate.error;
  return (
    <s-page heading={segment.name} inlineSize="large">
      <s-link slot="breadcrumb-actions" href="/segments">
        Segments
      </s-link>
      <s-button slot="primary-action" variant="primary" disabled={nobody} href={`/campaigns/new?segment=${segment.id}`}>
        Create campaign
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" disabled={nobody} href={`/connections?segment=${segment.id}`}>
        Sync
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" disabled={nobody} onClick={() => setDownloading(true)}>
        Download
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" commandFor="segment-more">
        More
      </s-button>
      <s-menu id="segment-more" accessibilityLabel="More actions">
        <s-button icon="refresh" onClick={evaluate}>Work out again now</s-button>
        {segment.editable && segment.source === "rule" && (
          <s-button icon="edit" href={`/segments/${segment.id}/edit`}>Edit</s-button>
        )}
        {segment.source === "upload" && (
          <s-button icon="upload" href={`/segments/upload?segment=${segment.id}`}>Upload a new file</s-button>
        )}
        {segment.rule !== null && <s-button icon="duplicate" onClick={duplicate}>Duplicate</s-button>}
        {segment.source === "rule" && (
          <s-button icon="clock" onClick={() => setPanel("versions")}>Versions</s-button>
        )}
        {segment.editable && (
          <s-button icon="delete" tone="critical" onClick={() => setPanel("delete")}>Delete</s-button>
        )}
      </s-menu>
      <s-stack gap="base">
        {failed !== null && <Failure what="The segment could not be refreshed" error={failed} />}
        {problem !== null && <Failure what="That did not work" error={problem} />}
        {segment.state === "failed" && (
          <FailedBanner segment={segment} retry={evaluate} trying={actions.evaluate.isPending} />
        )}
        {nobody && segment.state !== "failed" && <NobodyBanner segment={segment} />}
        {panel === "delete" && <DeletePanel segment={segment} actions={actions} close={() => setPanel("none")} />}
        {panel === "versions" && <VersionsPanel segment={segment} close={() => setPanel("none")} />}
        {downloading && !nobody && <DownloadPanel segment={segment} close={() => setDownloading(false)} />}
        {!nobody && <RecommendationBanner segmentId={segment.id} />}
        <DetailsBody segment={segment} />
      </s-stack>
    </s-page>
  );
}

/** The customer that is asked about stands in the address, so that other pages can link to the answer. */
function useAskedAbout(): [number | null, (customerNo: number | null) => void] {
  const [search, setSearch] = useSearchParams();
  const asked = search.get("customer");
  const ask = (customerNo: number | null) =>
    setSearch(
      (before) => {
        if (customerNo === null) before.delete("customer");
        else before.set("customer", customerNo.toString());
        return before;
      },
      { replace: true, preventScrollReset: true },
    );
  return [asked !== null && /^\d{1,9}$/.test(asked) ? Number(asked) : null, ask];
}

function DetailsBody({ segment }: { segment: SegmentDetails }) {
  const nobody = segment.statistics.size === 0;
  const [asked, ask] = useAskedAbout();
  return (
    <>
      <AboutSegment segment={segment} />
      <Promises segment={segment} />
      {!nobody && <HowItBehaves segment={segment} />}
      {segment.leaves.length > 0 && (nobody || segment.source === "rule") && (
        <ConditionFunnel
          leaves={segment.leaves}
          fromMissing={segment.from_missing}
          pins={segment.pins}
          size={segment.statistics.size}
        />
      )}
      {!nobody && segment.probabilities.length > 0 && <ProbabilityChart segment={segment} />}
      <TrendChart segment={segment} />
      {!nobody && segment.category === "repurchase" && <GapsChart segment={segment} />}
      {!nobody && <AffinityCard segment={segment} />}
      {!nobody && <CompareWith segment={segment} />}
      <WhyPanel segment={segment} customerNo={asked} choose={ask} />
      {!nobody && <MembersTable segment={segment} explain={ask} />}
      <RunAndUse segment={segment} />
    </>
  );
}

interface FailedBannerProps {
  segment: SegmentDetails;
  retry: () => void;
  trying: boolean;
}

/** The last evaluation failed: what is on the page, how old it is, and how to try again. */
function FailedBanner({ segment, retry, trying }: FailedBannerProps) {
  const { evaluated_at, failed_at, timezone } = segment;
  return (
    <s-banner tone="critical" heading={`The evaluation failed ${age(failed_at, new Date())}`}>
      <s-paragraph>{segment.reason ?? "It will be tried again at the next refresh."}</s-paragraph>
      <s-paragraph>
        {evaluated_at === null
          ? "It was never worked out before, so there are no members yet."
          : `Members and numbers are those of the last good one, ${age(evaluated_at, new Date())} (${moment(evaluated_at, timezone)}). Nothing was lost.`}
      </s-paragraph>
      <s-button slot="secondary-actions" variant="secondary" loading={trying} onClick={retry}>
        Retry
      </s-button>
    </s-banner>
  );
}

function NobodyBanner({ segment }: { segment: SegmentDetails }) {
  const waiting = segment.state === "pending";
  return (
    <s-banner
      tone="info"
      heading={waiting ? "This segment is being worked out" : "Nobody is in this segment now"}
    >
      <s-paragraph>{segment.reason ?? "No customer meets all of its conditions."}</s-paragraph>
      <s-paragraph>
        {waiting
          ? "Its members show here when that is done."
          : "Campaign, sync and download are off until it has members. It fills by itself when customers qualify."}
      </s-paragraph>
    </s-banner>
  );
}
