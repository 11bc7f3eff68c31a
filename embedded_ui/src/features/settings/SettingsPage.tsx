import { BrandSection } from "./BrandSection";
import { DemographicsSection } from "./DemographicsSection";
import { SendingProof } from "./SendingProof";
import { HoldoutSection } from "./HoldoutSection";

/** What the merchant chooses for the shop, section by section. */
export function SettingsPage() {
  return (
    <s-page heading="Settings">
      <s-stack gap="base">
        <BrandSection />
        <HoldoutSection />
        <DemographicsSection />
        <SendingProof />
      </s-stack>
    </s-page>
  );
}
