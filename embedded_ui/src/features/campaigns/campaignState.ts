import type { Campaign, CampaignCounts, Decision } from "@/shared/api/types";

type Tone = "success" | "info" | "warning" | "neutral" | "critical";

export const CAMPAIGN_STATES: Record<Campaign["state"], { words: string; tone: Tone }> = {
  draft: { words: "Draft", tone: "neutral" },
  active: { words: "Active", tone: "success" },
  paused: { words: "Paused", tone: "warning" },
  ended: { words: "Ended", tone: "neutral" },
  deleted: { words: "Deleted", tone: "neutral" },
};

export const OUTCOMES: Record<Decision["outcome"], { words: string; tone: Tone }> = {
  selected: { words: "Chosen", tone: "success" },
  held_out: { words: "Held out", tone: "info" },
  skipped: { words: "Skipped", tone: "neutral" },
  lost: { words: "Another won", tone: "neutral" },
};

export const MESSAGE_STATES: Record<NonNullable<Decision["message_state"]>, string> = {
  queued: "waiting to be sent",
  sending: "being sent",
  sent: "sent",
  failed: "refused by the mail server",
  unknown: "no answer from the mail server; not sent again",
  capped: "stopped by the weekly cap",
  cancelled: "cancelled",
  held_out: "held out",
};

type Counted = "sent" | "queued" | "sending" | "held_out" | "skipped" | "capped" | "failed" | "unknown" | "cancelled";

/** Where a candidate can stand, in the order in which it is shown. Together they are all candidates. */
export const STANDINGS: readonly { key: Counted; words: string }[] = [
  { key: "sent", words: "Sent" },
  { key: "queued", words: "Waiting to be sent" },
  { key: "sending", words: "Being sent" },
  { key: "held_out", words: "Held out, to measure" },
  { key: "skipped", words: "Skipped, with a reason" },
  { key: "capped", words: "Stopped by the weekly cap" },
  { key: "failed", words: "Refused by the mail server" },
  { key: "unknown", words: "No answer from the mail server" },
  { key: "cancelled", words: "Cancelled" },
];

/** The standings that somebody is in; the first two always show. */
export function standings(counts: CampaignCounts): { words: string; count: number }[] {
  return STANDINGS.filter(({ key }, index) => counts[key] > 0 || index === 0).map(({ key, words }) => ({
    words,
    count: counts[key],
  }));
}
