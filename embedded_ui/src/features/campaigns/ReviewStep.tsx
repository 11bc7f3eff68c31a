import { useNavigate } from "react-router";
import type { Campaign, Preflight } from "@/shared/api/types";
import { asOf } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { CheckList, startWords } from "./Preflight";
import { hoursInWords } from "./SendingHours";
import type { Step } from "./steps";
import type { Autosave } from "./useAutosave";
import { useCampaignActions, usePreflight } from "./useCampaigns";

interface Props {
  saved: Campaign;
  autosave: Autosave;
  go: (step: Step) => void;
}

/** What is left to do, and exactly how many people the campaign would reach now. */
export function ReviewStep({ saved, autosave, go }: Props) {
  const preflight = usePreflight(saved);
  return (
    <s-section heading="Review">
      <s-stack gap="base">
        <Summary campaign={saved} />
        <Loaded query={preflight} noun="the check" lines={4}>
          {(found) => <Check saved={saved} preflight={found} autosave={autosave} go={go} />}
        </Loaded>
      </s-stack>
    </s-section>
  );
}

const DISCOUNTS: Partial<Record<Campaign["discount"]["mode"], string>> = {
  off: "None",
  managed: "Managed by Encore, within your maximum and budget",
};

function Summary({ campaign }: { campaign: Campaign }) {
  const { timing, discount } = campaign;
  const hours = hoursInWords(timing);
  const often = {
    once: "Once",
    every: `Every ${timing.every_days} days`,
    optimise: "As often as the app finds best for each customer",
  }[timing.frequency];
  return (
    <dl className="encore-facts">
      <dt>Name</dt>
      <dd>{campaign.name ?? "–"}</dd>
      <dt>Audience</dt>
      <dd>{campaign.audience.type === "automatic" ? "Automatic" : (campaign.audience.segment_name ?? "–")}</dd>
      <dt>Timing</dt>
      <dd>
        {often}, {counted(timing.wait_days, "day")} after the last order, at most {counted(timing.repeats, "time")} per
        product
      </dd>
      {hours !== null && (
        <>
          <dt>Hours</dt>
          <dd>{hours}, where the customer lives</dd>
        </>
      )}
      {timing.ends_on !== null && (
        <>
          <dt>Last day</dt>
          <dd>{timing.ends_on}</dd>
        </>
      )}
      <dt>Subject</dt>
      <dd>{campaign.content.subject === "" ? "–" : campaign.content.subject}</dd>
      <dt>Discount</dt>
      <dd>{DISCOUNTS[discount.mode] ?? discount.code ?? "–"}</dd>
    </dl>
  );
}

function Check({ saved, preflight, autosave, go }: Props & { preflight: Preflight }) {
  const { timezone } = useShop();
  const navigate = useNavigate();
  const { activate } = useCampaignActions(saved.id);
  const start = async () => {
    // What is on screen starts, or nothing: the people of a refused edit are not those that the check counted.
    if (!(await autosave.flush())) return;
    activate.mutate(undefined, {
      onSuccess: () => {
        toast("Campaign is active");
        void navigate(`/campaigns/${saved.id}`);
      },
    });
  };
  return (
    <s-stack gap="base">
      {preflight.unresolved.length > 0 ? (
        <s-banner tone="warning" heading={`${counted(preflight.unresolved.length, "thing")} left before it can start`} />
      ) : (
        <s-banner tone="success" heading="Everything is in place" />
      )}
      <CheckList checks={preflight.checks} campaign={saved} go={go} />
      <s-paragraph>
        {counted(preflight.people, "person", "people")} of {count(preflight.candidates)} in the audience can be mailed
        {preflight.held_out > 0
          ? `; ${count(preflight.held_out)} of them ${preflight.held_out === 1 ? "is" : "are"} held out at random, to measure`
          : ""}
        .
        Others follow by themselves as they become due.
      </s-paragraph>
      {preflight.reasons.length > 0 && (
        <s-unordered-list>
          {preflight.reasons.map((one) => (
            <s-list-item key={one.reason}>
              {one.text}: {count(one.count)}
            </s-list-item>
          ))}
        </s-unordered-list>
      )}
      <s-text color="subdued">{asOf(preflight.as_of, timezone)}</s-text>
      {activate.isError && <Failure what="The campaign was not started" error={activate.error} />}
      {saved.state === "draft" ? (
        <s-box>
          <s-button
            variant="primary"
            disabled={!preflight.ready || autosave.state === "failed"}
            loading={activate.isPending}
            onClick={() => void start()}
          >
            {startWords(preflight, new Date(), timezone)}
          </s-button>
        </s-box>
      ) : (
        <s-button href={`/campaigns/${saved.id}`}>Back to the campaign</s-button>
      )}
    </s-stack>
  );
}
