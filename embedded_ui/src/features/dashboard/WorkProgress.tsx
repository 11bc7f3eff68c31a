import type { Progress } from "@/shared/api/types";
import { count, percent } from "@/shared/format/numbers";
import { capital } from "@/shared/format/words";

type Step = Progress["steps"][number];

const STATES: Record<Step["state"], { words: string; tone: "neutral" | "info" | "success" | "critical" }> = {
  waiting: { words: "Waiting", tone: "neutral" },
  running: { words: "Running", tone: "info" },
  done: { words: "Done", tone: "success" },
  failed: { words: "Failed", tone: "critical" },
};

/** The steps by the names that the app gives them, in the merchant's words. */
const NAMES: Record<string, string> = {
  export_products: "Ask Shopify for products",
  export_customers: "Ask Shopify for customers",
  export_orders: "Ask Shopify for orders",
  products: "Import products",
  customers: "Import customers",
  orders: "Import orders",
  features: "Look at each customer's history",
  predictions: "Predict who buys what",
  segments: "Sort customers into segments",
  recommendations: "Find campaigns worth starting",
};

/** An import or a refresh that runs: its steps, how far each is, and what it has counted. */
export function WorkProgress({ progress }: { progress: Progress }) {
  const heading = progress.phase === "importing" ? "Importing your store" : "Updating segments and predictions";
  return (
    <s-section heading={heading}>
      <s-stack gap="base">
        <s-stack direction="inline" gap="small" alignItems="center">
          <s-spinner size="base" accessibilityLabel={heading} />
          <s-text>{progress.message}</s-text>
        </s-stack>
        <ul className="encore-work">
          {progress.steps.map((step) => (
            <OneStep key={step.name} step={step} />
          ))}
        </ul>
        <s-text color="subdued">You can leave this page. Numbers shown meanwhile are from before.</s-text>
      </s-stack>
    </s-section>
  );
}

function OneStep({ step }: { step: Step }) {
  const fraction = step.total === null || step.total === 0 ? null : Math.min(1, step.done / step.total);
  const counted = step.total === null ? count(step.done) : `${count(step.done)} of ${count(step.total)}`;
  const state = STATES[step.state];
  return (
    <li>
      <span>{NAMES[step.name] ?? capital(step.name.replaceAll("_", " "))}</span>
      <s-badge tone={state.tone}>{state.words}</s-badge>
      <span className="encore-work-count">{step.done > 0 || step.total !== null ? `${counted} ${step.unit}` : ""}</span>
      {step.state === "running" && fraction !== null && (
        <s-progress value={fraction} max={1} accessibilityLabel={`${NAMES[step.name] ?? step.name}: ${percent(fraction)} done`} />
      )}
    </li>
  );
}
