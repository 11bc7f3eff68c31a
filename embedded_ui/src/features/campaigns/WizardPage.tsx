import { useState } from "react";
import { useParams, useSearchParams } from "react-router";
import { ApiError, explain } from "@/shared/api/client";
import type { Campaign } from "@/shared/api/types";
import { Loaded } from "@/shared/states/Loaded";
import { AudienceStep } from "./AudienceStep";
import { BeforeYouSend } from "./BeforeYouSend";
import { ContentStep } from "./content/ContentStep";
import { DiscountStep } from "./DiscountStep";
import { NameStep, TimingStep } from "./FormSteps";
import { withPatch } from "./patches";
import { NoSuchCampaign } from "./NoSuchCampaign";
import { ReviewStep } from "./ReviewStep";
import { SenderStep } from "./SenderStep";
import { fieldMessages, openItems, readStep, type Step, STEP_NAMES, STEPS } from "./steps";
import { AudienceSummary } from "./AudienceSummary";
import { type Autosave, useAutosave } from "./useAutosave";
import { useCampaign } from "./useCampaigns";

export interface StepProps {
  /** With what was typed and not yet saved. */
  campaign: Campaign;
  messages: Record<string, string>;
  change: Autosave["change"];
}

/** Sets a campaign up, step by step. Every step is saved as it is typed. */
export function WizardPage() {
  const { campaignId = "" } = useParams();
  const campaign = useCampaign(campaignId);
  if (campaign.error instanceof ApiError && campaign.error.status === 404) return <NoSuchCampaign />;
  if (campaign.data !== undefined) return <Wizard key={campaignId} saved={campaign.data} />;
  return (
    <s-page heading="Campaign">
      <Loaded query={campaign} noun="the campaign" lines={6}>
        {() => null}
      </Loaded>
    </s-page>
  );
}

function Wizard({ saved }: { saved: Campaign }) {
  const [address, setAddress] = useSearchParams();
  const step = readStep(address.get("step"));
  const autosave = useAutosave(saved.id);
  const [visited, setVisited] = useState<ReadonlySet<Step>>(new Set());
  const campaign = withPatch(saved, autosave.pending);
  const go = (next: Step) => {
    setVisited(new Set([...visited, step]));
    void autosave.flush();
    setAddress({ step: next });
  };
  const reviewed = step === "review" || visited.has("review");
  const messages = fieldMessages(step, saved.unresolved, autosave.error, visited.has(step) || reviewed);
  const props = { campaign, messages, change: autosave.change };
  return (
    <s-page heading={saved.state === "draft" ? "New campaign" : (saved.name ?? "Campaign")} inlineSize="large">
      <s-link slot="breadcrumb-actions" href="/campaigns">
        Campaigns
      </s-link>
      <s-stack gap="base">
        {saved.stale !== null && (
          <s-banner tone="warning" heading="The suggestion behind this campaign no longer holds">
            <s-paragraph>{saved.stale} What was filled in is kept; check audience and content.</s-paragraph>
          </s-banner>
        )}
        <StepList step={step} saved={saved} visited={visited} reviewed={reviewed} go={go} />
        <div className="encore-two">
          <s-stack gap="base">
            <CurrentStep step={step} props={props} saved={saved} autosave={autosave} go={go} />
            {step === "review" && <BeforeYouSend campaign={saved} />}
            <StepButtons step={step} go={go} />
          </s-stack>
          <s-stack gap="base">
            <SaveState autosave={autosave} />
            <AudienceSummary campaign={campaign} />
          </s-stack>
        </div>
      </s-stack>
    </s-page>
  );
}

interface CurrentStepProps {
  step: Step;
  props: StepProps;
  saved: Campaign;
  autosave: Autosave;
  go: (step: Step) => void;
}

function CurrentStep({ step, props, saved, autosave, go }: CurrentStepProps) {
  switch (step) {
    case "name":
      return <NameStep {...props} />;
    case "sender":
      return <SenderStep {...props} />;
    case "audience":
      return <AudienceStep {...props} />;
    case "timing":
      return <TimingStep {...props} />;
    case "content":
      return <ContentStep {...props} saved={saved} />;
    case "discount":
      return <DiscountStep {...props} />;
    case "review":
      return <ReviewStep saved={saved} autosave={autosave} go={go} />;
  }
}

interface StepListProps {
  step: Step;
  saved: Campaign;
  visited: ReadonlySet<Step>;
  reviewed: boolean;
  go: (step: Step) => void;
}

function StepList({ step, saved, visited, reviewed, go }: StepListProps) {
  return (
    <nav aria-label="Steps">
      <ol className="encore-steps">
        {STEPS.map((one, index) => {
          const open = openItems(saved.unresolved, one);
          const showOpen = open > 0 && (visited.has(one) || reviewed);
          return (
            <li key={one} aria-current={one === step ? "step" : undefined}>
              <s-button variant={one === step ? "secondary" : "tertiary"} onClick={() => go(one)}>
                {index + 1}. {STEP_NAMES[one]}
                {showOpen ? ` (${open} open)` : ""}
              </s-button>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

function StepButtons({ step, go }: { step: Step; go: (step: Step) => void }) {
  const index = STEPS.indexOf(step);
  const before = STEPS[index - 1];
  const after = STEPS[index + 1];
  return (
    <s-stack direction="inline" gap="small">
      {before !== undefined && <s-button onClick={() => go(before)}>Back</s-button>}
      {after !== undefined && (
        <s-button variant="primary" onClick={() => go(after)}>
          Next: {STEP_NAMES[after].toLowerCase()}
        </s-button>
      )}
    </s-stack>
  );
}

const SAVE_WORDS: Record<Exclude<Autosave["state"], "failed">, string> = {
  saved: "All changes saved",
  waiting: "Saving…",
  saving: "Saving…",
};

function SaveState({ autosave }: { autosave: Autosave }) {
  if (autosave.state !== "failed") {
    return (
      <div role="status">
        <s-text color="subdued">{SAVE_WORDS[autosave.state]}</s-text>
      </div>
    );
  }
  return (
    <s-banner tone="critical" heading="The last change is not saved">
      <s-paragraph>{explain(autosave.error)}</s-paragraph>
      <s-button slot="secondary-actions" variant="secondary" onClick={() => void autosave.flush()}>
        Save again
      </s-button>
    </s-banner>
  );
}
