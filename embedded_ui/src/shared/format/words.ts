import type { Category, Member, SegmentRow } from "@/shared/api/types";

/** "order value" → "Order value" */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A sentence as the beginning of a longer one: without its full stop. */
export function phrase(sentence: string): string {
  return sentence.replace(/\.$/, "");
}

/** The six categories in the order in which they are shown. */
export const CATEGORIES: readonly Category[] = [
  "cross_sell",
  "repurchase",
  "retain",
  "behavioral",
  "demographics",
  "custom",
];

export const CATEGORY_NAMES: Record<Category, string> = {
  cross_sell: "Cross-sell",
  repurchase: "Repurchase",
  retain: "Retain customers",
  behavioral: "Behavioral",
  demographics: "Demographics",
  custom: "Custom",
};

export const CATEGORY_EXPLANATIONS: Record<Category, string> = {
  cross_sell: "Customers likely to buy a product they have never bought.",
  repurchase: "Customers likely to buy a product again within the next 30 days.",
  retain: "Where each buyer stands: active, due, at risk, lapsed or dormant.",
  behavioral: "By spending and loyalty: big spenders, falling, new, loyal and more.",
  demographics: "By what your store knows of its customers, such as income or age.",
  custom: "Your own: built from conditions, or uploaded as a list.",
};

export const NOT_REACHABLE: Record<NonNullable<Member["not_reachable"]>, string> = {
  no_email: "No e-mail address",
  invalid_email: "Invalid e-mail address",
  suppressed: "Suppressed after a bounce or complaint",
  unsubscribed: "Unsubscribed",
  not_subscribed: "Not subscribed",
  pending_confirmation: "Confirmation pending",
};

export const SEGMENT_STATES: Record<SegmentRow["state"], string> = {
  ready: "Ready",
  empty: "Empty",
  off: "Off",
  merged: "Merged",
  failed: "Failed",
  pending: "Being worked out",
};
