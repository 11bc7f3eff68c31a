import { useState } from "react";
import { explain } from "@/shared/api/client";
import type { Recommendation } from "@/shared/api/types";
import { asOf } from "@/shared/format/dates";
import { useShop } from "@/shared/shop/ShopProvider";
import { useDismissRecommendation, useRecommendations, useRestoreRecommendation } from "./useRecommendations";

/** A merchant chooses among a few; the rest of the ranking is on the segments' own pages. */
const MOST = 10;

/**
 * The best campaign to start next; others stay behind "more". Nothing at all while there is none:
 * a page never waits for, or fails with, its recommendation.
 */
export function RecommendationBanner({ segmentId }: { segmentId?: string }) {
  const { data } = useRecommendations(segmentId);
  const [showAll, setShowAll] = useState(false);
  const [hidden, setHidden] = useState<Recommendation | null>(null);
  const [best, ...others] = (data?.items ?? []).slice(0, MOST);
  const undo = hidden !== null && <Hidden recommendation={hidden} done={() => setHidden(null)} />;
  if (best === undefined) {
    const byItself = data?.automatic_campaign ?? null;
    return undo || (byItself !== null && <NothingLeft campaign={byItself} />) || null;
  }
  return (
    <s-stack gap="base">
      {undo}
      <OneRecommendation recommendation={best} hid={setHidden} />
      {showAll && others.map((other) => <OneRecommendation key={other.id} recommendation={other} hid={setHidden} />)}
      {others.length > 0 && (
        <s-box>
          <s-button variant="tertiary" onClick={() => setShowAll(!showAll)}>
            {showAll ? "Show only the best" : `Show ${others.length} more`}
          </s-button>
        </s-box>
      )}
    </s-stack>
  );
}

/** Why nothing is recommended, where the merchant would look for it. */
function NothingLeft({ campaign }: { campaign: string }) {
  return (
    <s-text color="subdued">
      No campaign is recommended while “{campaign}” is active: it finds the best customers for every product by itself.
    </s-text>
  );
}

/** Says what was hidden just now, and takes it back. */
function Hidden({ recommendation, done }: { recommendation: Recommendation; done: () => void }) {
  const restore = useRestoreRecommendation();
  return (
    <s-stack direction="inline" gap="small" alignItems="center">
      <s-text color="subdued">“{recommendation.title}” is hidden for 30 days.</s-text>
      <s-button
        variant="tertiary"
        loading={restore.isPending}
        onClick={() => restore.mutate(recommendation.id, { onSuccess: done })}
      >
        Undo
      </s-button>
      {restore.isError && <s-text tone="critical">{explain(restore.error)}</s-text>}
    </s-stack>
  );
}

interface OneProps {
  recommendation: Recommendation;
  hid: (recommendation: Recommendation) => void;
}

function OneRecommendation({ recommendation, hid }: OneProps) {
  const { timezone } = useShop();
  const dismiss = useDismissRecommendation();
  const hide = () => {
    dismiss.mutate(recommendation.id, { onSuccess: () => hid(recommendation) });
  };
  return (
    <s-banner tone="info" heading={recommendation.title}>
      <s-paragraph>{recommendation.reason}</s-paragraph>
      <s-paragraph color="subdued">{asOf(recommendation.as_of, timezone)}</s-paragraph>
      {dismiss.isError && <s-paragraph tone="critical">{explain(dismiss.error)}</s-paragraph>}
      <s-button
        slot="secondary-actions"
        variant="secondary"
        href={`/campaigns/new?recommendation=${recommendation.id}`}
      >
        New campaign
      </s-button>
      <s-button slot="secondary-actions" variant="tertiary" loading={dismiss.isPending} onClick={hide}>
        Hide for 30 days
      </s-button>
    </s-banner>
  );
}
