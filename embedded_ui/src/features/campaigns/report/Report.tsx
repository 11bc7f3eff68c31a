import type { Campaign, CampaignReport } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { useCampaignReport, useMeasureAgain } from "./useReports";
import { Curve } from "./Curve";
import { Followed } from "./Followed";
import { Funnel } from "./Funnel";
import { Incremental } from "./Incremental";
import { EarlierMeasurements, HoldoutNotes, MessageSum } from "./Notes";
import { Doses, Links, Receipts } from "./Tables";

/** What a campaign added and what followed it; fails alone, without the rest of its page. */
export function Report({ campaign }: { campaign: Campaign }) {
  const report = useCampaignReport(campaign.id);
  if (report.data === undefined) {
    return (
      <s-section heading="Results">
        <Loaded query={report} noun="the results" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  return (
    <Loaded query={report} noun="the results">
      {(found) => <Sections report={found} />}
    </Loaded>
  );
}

function Sections({ report }: { report: CampaignReport }) {
  const again = useMeasureAgain();
  const { figures } = report;
  const measure = () => again.mutate(undefined, { onSuccess: () => toast("Being measured; it shows here in a minute") });
  return (
    <s-stack gap="base">
      {again.isError && <Failure what="It is not measured again" error={again.error} />}
      {figures === null ? (
        <FirstDay report={report} />
      ) : (
        <>
          <Incremental report={report} effect={figures.effect} />
          <Curve effect={figures.effect} campaignId={report.campaign_id} />
          <EarlierMeasurements report={report} />
          <Funnel figures={figures} />
          <Followed figures={figures} rules={report.rules} />
          <Receipts figures={figures} campaignId={report.campaign_id} />
          <Links figures={figures} campaignId={report.campaign_id} />
          <Doses figures={figures} campaignId={report.campaign_id} />
        </>
      )}
      <HoldoutNotes report={report} />
      <s-stack direction="inline" gap="base" alignItems="center" justifyContent="space-between">
        <MessageSum report={report} />
        <s-button variant="tertiary" loading={again.isPending} onClick={measure}>
          Measure again
        </s-button>
      </s-stack>
    </s-stack>
  );
}

/** Before the first measurement: what will stand here, and what it takes. */
function FirstDay({ report }: { report: CampaignReport }) {
  const share = Math.max(report.holdout_percent, 1) / 100;
  const least = Math.ceil(report.rules.least_held_out / share);
  return (
    <s-section heading="What it adds will show here">
      <s-unordered-list>
        <s-list-item>After the first update: who got it, who clicked, who ordered afterwards.</s-list-item>
        <s-list-item>
          From about {least.toLocaleString("en-US")} decided customers: a first interval of the orders it added, because then{" "}
          {report.rules.least_held_out} were held out.
        </s-list-item>
        <s-list-item>
          After {report.window_days} days: the first customers are through, and promises are held against what was bought.
        </s-list-item>
      </s-unordered-list>
    </s-section>
  );
}
