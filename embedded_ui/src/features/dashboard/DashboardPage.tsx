import type { Dashboard, Progress } from "@/shared/api/types";
import { useProgress } from "@/shared/progress/useProgress";
import { RecommendationBanner } from "@/shared/recommendations/RecommendationBanner";
import { SendingBanner } from "@/shared/sending/SendingBanner";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { CampaignFigures, WithAndWithout } from "./CampaignFigures";
import { HealthCard } from "./HealthCard";
import { KeyNumbers } from "./KeyNumbers";
import { Movers } from "./Movers";
import { RetainStages } from "./RetainStages";
import { useDashboard, useRefreshNow } from "./useDashboard";
import { WorkProgress } from "./WorkProgress";

/** How the shop's customers stand, what to do next, and whether the numbers are fresh. */
export function DashboardPage() {
  const dashboard = useDashboard();
  const progress = useProgress();
  const refresh = useRefreshNow();
  const running = progress.data?.running === true;
  const update = () => refresh.mutate(undefined, { onSuccess: () => toast("Update started") });
  return (
    <s-page heading="Dashboard" inlineSize="large">
      <s-button slot="primary-action" variant="primary" href="/campaigns/new">
        New campaign
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" disabled={running} loading={refresh.isPending} onClick={update}>
        Update now
      </s-button>
      <s-stack gap="base">
        <SendingBanner />
        {refresh.isError && <Failure what="The update was not started" error={refresh.error} />}
        {progress.data?.phase === "failed" && <FailedWork progress={progress.data} />}
        {progress.data?.running === true && <WorkProgress progress={progress.data} />}
        <Loaded query={dashboard} noun="the dashboard" lines={6}>
          {(data) => <DashboardBody dashboard={data} phase={progress.data?.phase} />}
        </Loaded>
      </s-stack>
    </s-page>
  );
}

interface BodyProps {
  dashboard: Dashboard;
  phase: Progress["phase"] | undefined;
}

function DashboardBody({ dashboard, phase }: BodyProps) {
  const analysed = dashboard.as_of !== null;
  return (
    <>
      {analysed ? <RecommendationBanner /> : <BeforeNumbers phase={phase} />}
      {analysed && <KeyNumbers dashboard={dashboard} />}
      {analysed && dashboard.campaigns.emails_sent > 0 && <CampaignFigures campaigns={dashboard.campaigns} />}
      {analysed && dashboard.campaigns.whole_shop !== null && <WithAndWithout whole={dashboard.campaigns.whole_shop} />}
      {dashboard.stages.length > 0 && <RetainStages stages={dashboard.stages} asOf={dashboard.as_of} />}
      {analysed && <Movers movers={dashboard.movers} asOf={dashboard.as_of} />}
      <HealthCard health={dashboard.health} />
    </>
  );
}

function FailedWork({ progress }: { progress: Progress }) {
  return (
    <s-banner tone="critical" heading="The last update did not finish">
      <s-paragraph>{progress.message}</s-paragraph>
      <s-paragraph>
        What was imported and worked out before is kept. Encore tries again by itself, or start it with “Update now”.
      </s-paragraph>
    </s-banner>
  );
}

/** What will stand here, told before there is anything to show. */
function BeforeNumbers({ phase }: { phase: Progress["phase"] | undefined }) {
  const working = phase === "importing" || phase === "refreshing";
  return (
    <s-section heading={working ? "Your first numbers are on the way" : "Encore is waiting for your first import"}>
      <s-paragraph>
        {working
          ? "Encore reads your customers, products and orders. You can leave this page; the work goes on."
          : "As soon as your store's history is imported, your customers show here."}
      </s-paragraph>
      <s-unordered-list>
        <s-list-item>From the first order: who your customers are and who you can e-mail.</s-list-item>
        <s-list-item>From a few hundred orders: who is due to buy again, and what.</s-list-item>
        <s-list-item>From about a year of orders: which products sell which other products.</s-list-item>
      </s-unordered-list>
    </s-section>
  );
}
