import { counted } from "@/shared/format/numbers";
import { CATEGORIES, CATEGORY_EXPLANATIONS, CATEGORY_NAMES } from "@/shared/format/words";
import { useTemplates } from "./useSegments";

/** Before the first analysis: what the six categories will hold. */
export function BeforeAnalysis() {
  return (
    <s-stack gap="base">
      <s-section heading="Your segments are on the way">
        <s-paragraph>
          Encore sorts your customers into segments as soon as your orders are imported and worked out. You don't need
          to do anything.
        </s-paragraph>
        <s-button href="/">See progress</s-button>
      </s-section>
      <s-grid gridTemplateColumns="repeat(auto-fit, minmax(240px, 1fr))" gap="base">
        {CATEGORIES.map((category) => (
          <s-section key={category} heading={CATEGORY_NAMES[category]}>
            <s-paragraph>{CATEGORY_EXPLANATIONS[category]}</s-paragraph>
          </s-section>
        ))}
      </s-grid>
    </s-stack>
  );
}

/** The filters leave nothing over. */
export function NothingMatches({ clear }: { clear: () => void }) {
  return (
    <s-box padding="large">
      <s-stack gap="base" alignItems="center">
        <s-heading>No segment matches</s-heading>
        <s-paragraph color="subdued">Try another search or other categories.</s-paragraph>
        <s-button onClick={clear}>Clear filters</s-button>
      </s-stack>
    </s-box>
  );
}

/** While there is no segment of the merchant's own: three to start from. */
export function CustomTemplates() {
  const templates = useTemplates();
  const first = templates.data?.slice(0, 3) ?? [];
  if (first.length === 0) return null;
  return (
    <s-section heading="Build your own">
      <s-grid gridTemplateColumns="repeat(auto-fit, minmax(240px, 1fr))" gap="base">
        {first.map((template) => (
          <s-box key={template.key} padding="base" border="base" borderRadius="base">
            <s-stack gap="small">
              <s-heading>{template.name}</s-heading>
              <s-paragraph>{template.why}</s-paragraph>
              <s-text color="subdued">{counted(template.count, "customer")} now</s-text>
              <s-button href={`/segments/new?template=${encodeURIComponent(template.key)}`}>Start from this</s-button>
            </s-stack>
          </s-box>
        ))}
      </s-grid>
    </s-section>
  );
}
