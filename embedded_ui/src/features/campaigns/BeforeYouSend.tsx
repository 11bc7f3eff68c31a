import type { Campaign } from "@/shared/api/types";
import { LookBackSection } from "./LookBackSection";
import { SimulationSection } from "./SimulationSection";

/** What the campaign will do beside all others, and what it would have done in the past. */
export function BeforeYouSend({ campaign }: { campaign: Campaign }) {
  if (campaign.audience.type === null) {
    return (
      <s-section heading="Before you send">
        <s-paragraph color="subdued">
          Choose an audience. Then this shows how many e-mails the campaign will send, and what it would have done in
          the past.
        </s-paragraph>
      </s-section>
    );
  }
  return (
    <>
      <SimulationSection key={campaign.updated_at} campaign={campaign} />
      <LookBackSection campaign={campaign} />
    </>
  );
}
