import type { DecisionOfCustomer } from "@/shared/api/types";

/** Where a consent is from, in words. */
export const SOURCES: Record<string, string> = {
  shopify: "your Shopify store",
  csv: "an imported file",
  unsubscribe_link: "the unsubscribe link",
  one_click: "the mail program's unsubscribe button",
  complaint: "a spam complaint",
};

export const OUTCOMES: Record<DecisionOfCustomer["outcome"], { words: string; tone: "success" | "info" | "neutral" }> = {
  selected: { words: "Selected", tone: "success" },
  held_out: { words: "Held out", tone: "info" },
  skipped: { words: "Skipped", tone: "neutral" },
  lost: { words: "Another campaign won", tone: "neutral" },
};

export const ORDER_STATES: Record<string, string> = {
  counts: "",
  cancelled: "Cancelled",
  test: "Test order",
  unpaid: "Not paid",
};
