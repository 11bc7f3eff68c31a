import { useState } from "react";
import type { KindCard, ModelCard } from "@/shared/api/types";
import { GRADE_NAMES, GRADE_TONES, KIND_NAMES, type Kind } from "@/shared/format/predictions";
import { Figure, Figures } from "@/shared/figures/Figure";
import { asOf, day, zoneName } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { useProgress } from "@/shared/progress/useProgress";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { BacktestSection } from "./BacktestSection";
import { CalibrationChart } from "./CalibrationChart";
import { CustomersSection } from "./CustomersSection";
import { DriftSection } from "./DriftSection";
import { KindSummary } from "./KindSummary";
import { ProductsTable } from "./ProductsTable";
import { ReceiptsSection } from "./ReceiptsSection";
import { ScorersTable } from "./ScorersTable";
import { useModelCard } from "./usePredictions";

/** The model card: what predictions rest on, how good they are, and where they are weak. */
export function PredictionsPage() {
  const card = useModelCard();
  return (
    <s-page heading="Predictions" inlineSize="large">
      <s-stack gap="base">
        <Loaded query={card} noun="the model card" lines={8}>
          {(answer) => (answer.card === null ? <BeforeCard /> : <Card card={answer.card} />)}
        </Loaded>
      </s-stack>
    </s-page>
  );
}

/** What will stand here, told before there is anything to check. */
function BeforeCard() {
  const { data } = useProgress();
  const working = data?.phase === "importing" || data?.phase === "refreshing";
  return (
    <s-section heading={working ? "The first predictions are on the way" : "No predictions yet"}>
      <s-paragraph>
        As soon as your store's history is imported and worked out, this page says how good the predictions are: what they
        are compared with, how often they came true, and where they are weak.
      </s-paragraph>
      <s-button href="/">Go to the dashboard</s-button>
    </s-section>
  );
}

function Card({ card }: { card: ModelCard }) {
  const [chosen, setChosen] = useState<Kind>("repurchase");
  const kind = card.kinds.find((one) => one.kind === chosen);
  return (
    <>
      <Overview card={card} />
      {card.findings.length > 0 && <Findings findings={card.findings} />}
      <KindChoice kinds={card.kinds} chosen={chosen} choose={setChosen} />
      {kind !== undefined && <KindSections card={card} kind={kind} />}
      <BacktestSection kind={chosen} />
      <ReceiptsSection />
      <DriftSection card={card} kind={chosen} />
      {card.customers !== null && <CustomersSection customers={card.customers} asOf={card.as_of} />}
    </>
  );
}

function Overview({ card }: { card: ModelCard }) {
  const { timezone } = useShop();
  const { windows, sizes } = card;
  return (
    <s-section heading="How good the predictions are">
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          <s-badge tone={GRADE_TONES[card.grade]}>{GRADE_NAMES[card.grade]}</s-badge>
          <s-text>{card.headline}</s-text>
        </s-stack>
        <Figures>
          <Figure label="Customers" value={count(sizes.customers)} detail={`${count(sizes.orders)} orders`} />
          <Figure label="Products" value={count(sizes.products)} detail={`${count(sizes.purchases)} purchases of them`} />
          <Figure label="History since" value={day(windows.history_begins, timezone)} />
          <Figure
            label="Checked on"
            value={windows.latest === null ? "–" : `${count(card.horizon_days)} days`}
            detail={windows.latest === null ? "no complete month yet" : `from ${day(windows.latest, timezone)}`}
          />
          <Figure
            label="Learned from"
            value={windows.training.length === 0 ? "–" : `${count(windows.training.length + 1)} windows`}
            detail={
              windows.training.length === 0
                ? "no earlier month yet"
                : `of ${count(card.horizon_days)} days, the first from ${day(windows.training.at(-1), timezone)}`
            }
          />
        </Figures>
        {card.left_out.length > 0 && (
          <s-text color="subdued">
            Not learned from: {card.left_out.map((one) => `${counted(one.lines, "order line")} ${one.text}`).join("; ")}.
          </s-text>
        )}
        <s-text color="subdued">
          {asOf(card.as_of, timezone)}. Times are in {zoneName(timezone)}.
        </s-text>
      </s-stack>
    </s-section>
  );
}

function Findings({ findings }: { findings: ModelCard["findings"] }) {
  return (
    <s-section heading="What to keep in mind">
      <s-stack gap="small-200">
        {findings.map((finding) => (
          <div key={`${finding.code}-${finding.kind ?? ""}`} className="encore-finding">
            <s-badge tone={finding.severity === "warning" ? "warning" : "info"}>
              {finding.severity === "warning" ? "Weak" : "Note"}
            </s-badge>
            <s-text>{finding.text}</s-text>
          </div>
        ))}
      </s-stack>
    </s-section>
  );
}

interface ChoiceProps {
  kinds: KindCard[];
  chosen: Kind;
  choose: (kind: Kind) => void;
}

function KindChoice({ kinds, chosen, choose }: ChoiceProps) {
  return (
    <s-stack direction="inline" gap="small-200" alignItems="center">
      {kinds.map(({ kind, grade }) => (
        <s-clickable-chip
          key={kind}
          color={kind === chosen ? "strong" : "base"}
          accessibilityLabel={`${KIND_NAMES[kind]}, ${GRADE_NAMES[grade]}${kind === chosen ? ", chosen" : ""}`}
          onClick={() => choose(kind)}
        >
          {KIND_NAMES[kind]} · {GRADE_NAMES[grade]}
        </s-clickable-chip>
      ))}
      <s-text color="subdued">
        {chosen === "repurchase"
          ? "Who buys a product again that they bought before."
          : "Who buys a product for the first time."}
      </s-text>
    </s-stack>
  );
}

function KindSections({ card, kind }: { card: ModelCard; kind: KindCard }) {
  return (
    <>
      <KindSummary kind={kind} horizon={card.horizon_days} />
      {kind.scorers.length > 0 && <ScorersTable kind={kind} />}
      {kind.calibration !== null && (
        <CalibrationChart
          heading="Do probabilities come true?"
          caption={`${KIND_NAMES[kind.kind]}: ten groups of equal size by probability; the bars say between what the true share lies (95%).`}
          bins={kind.calibration.table}
          file={`calibration-${kind.kind}`}
        />
      )}
      {kind.products.length > 0 && <ProductsTable key={kind.kind} kind={kind} />}
    </>
  );
}
