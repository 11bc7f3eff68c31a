import type { Campaign, CampaignPatch } from "@/shared/api/types";

const PARTS = ["timing", "content", "utm", "discount"] as const;

/** Two edits as one: later fields win, fields of a part that only the first names stay. */
export function mergePatches(first: CampaignPatch, second: CampaignPatch): CampaignPatch {
  const merged: CampaignPatch = { ...first, ...second };
  for (const part of PARTS) {
    if (first[part] != null && second[part] != null) {
      Object.assign(merged, { [part]: { ...first[part], ...second[part] } });
    }
  }
  return merged;
}

/** With the blocks as they were last known: blocks are replaced whole, so another window's must not be lost unseen. */
export function withBlocksBefore(patch: CampaignPatch, known: Campaign | undefined): CampaignPatch {
  if (patch.content?.blocks == null || known === undefined) return patch;
  return { ...patch, content: { ...patch.content, blocks_before: known.content.blocks } };
}

export function isEmpty(patch: CampaignPatch): boolean {
  return Object.keys(patch).length === 0;
}

function defined<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** The campaign as it will be once the patch is saved: what the form shows while typing. */
export function withPatch(campaign: Campaign, patch: CampaignPatch): Campaign {
  return {
    ...campaign,
    ...(patch.name === undefined ? {} : { name: patch.name }),
    ...(patch.sender_id === undefined ? {} : { sender_id: patch.sender_id }),
    ...(patch.audience == null
      ? {}
      : { audience: { ...campaign.audience, type: patch.audience.type, segment_id: patch.audience.segment_id ?? null } }),
    timing: { ...campaign.timing, ...defined(patch.timing ?? {}) } as Campaign["timing"],
    content: { ...campaign.content, ...defined(patch.content ?? {}) } as Campaign["content"],
    utm: { ...campaign.utm, ...defined(patch.utm ?? {}) } as Campaign["utm"],
    discount: { ...campaign.discount, ...defined(patch.discount ?? {}) } as Campaign["discount"],
  };
}
