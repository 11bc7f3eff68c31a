import type { CampaignReport } from "@/shared/api/types";
import { count } from "@/shared/format/numbers";

type Figures = NonNullable<CampaignReport["figures"]>;

/** From the customers who won their decision to those who ordered. Steps that nothing observes say so. */
export function Funnel({ figures }: { figures: Figures }) {
  const { funnel } = figures;
  const steps: { words: string; count: number | null }[] = [
    { words: "Eligible", count: funnel.eligible },
    { words: "Held out, to measure", count: funnel.held_out },
    { words: "Sent", count: funnel.sent },
    { words: "Delivered", count: funnel.delivered },
    { words: "Opened by a person", count: funnel.opened },
    { words: "Clicked by a person", count: funnel.clicked },
    { words: "Ordered afterwards", count: funnel.ordered },
  ];
  const most = Math.max(1, funnel.eligible);
  return (
    <s-section heading="From eligible to order">
      <div className="encore-share" role="table" aria-label="Customers from eligible to order">
        {steps.map((step) => (
          <div key={step.words} role="row" style={{ display: "contents" }}>
            <span role="cell">{step.words}</span>
            <span role="cell" className={step.count === null ? "" : "encore-bar"} aria-hidden="true">
              {step.count !== null && <span style={{ width: `${(step.count / most) * 100}%` }} />}
            </span>
            <span role="cell">{step.count === null ? "not observed" : count(step.count)}</span>
          </div>
        ))}
      </div>
    </s-section>
  );
}
