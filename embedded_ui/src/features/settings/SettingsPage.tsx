import { DemographicsSection } from "./DemographicsSection";

/** What the merchant chooses for the shop, section by section. */
export function SettingsPage() {
  return (
    <s-page heading="Settings">
      <s-stack gap="base">
        <DemographicsSection />
      </s-stack>
    </s-page>
  );
}
