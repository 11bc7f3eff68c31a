import { BrandSection } from "./BrandSection";
import { ChangesSection } from "./ChangesSection";
import { DemographicsSection } from "./DemographicsSection";
import { HoldoutSection } from "./HoldoutSection";
import { SendingProof } from "./SendingProof";
import { ShopSection } from "./ShopSection";

/** What the merchant chooses for the shop, section by section. */
export function SettingsPage() {
  return (
    <s-page heading="Settings">
      <s-stack gap="base">
        <ShopSection />
        <BrandSection />
        <HoldoutSection />
        <DemographicsSection />
        <SendingProof />
        <ChangesSection />
      </s-stack>
    </s-page>
  );
}
