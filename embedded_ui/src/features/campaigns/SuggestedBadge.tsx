import type { Campaign } from "@/shared/api/types";

/** Marks a step whose values are suggestions that nobody has edited yet. */
export function SuggestedBadge({ campaign, fields }: { campaign: Campaign; fields: string[] }) {
  if (!fields.some((field) => campaign.suggested.includes(field))) return null;
  return (
    <s-box>
      <s-badge tone="info">Suggested; change what you like</s-badge>
    </s-box>
  );
}
