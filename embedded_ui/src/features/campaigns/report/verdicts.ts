import type { CampaignEffect } from "@/shared/api/types";

type Verdict = CampaignEffect["verdict"];
type Tone = "success" | "info" | "neutral" | "critical";

/** What may be said of a campaign, however often it was looked at before. */
export const VERDICTS: Record<Verdict, { words: string; tone: Tone; says: string }> = {
  collecting: {
    words: "Collecting",
    tone: "neutral",
    says: "Too few customers were held out, or bought, for any interval.",
  },
  not_yet_known: {
    words: "Not yet known",
    tone: "info",
    says: "What was measured so far fits both no effect and one that matters.",
  },
  adds: { words: "Adds orders", tone: "success", says: "Mailed customers order more than those held out." },
  takes_away: {
    words: "Takes orders away",
    tone: "critical",
    says: "Mailed customers order less than those held out. Consider pausing it.",
  },
  little: { words: "Makes little difference", tone: "neutral", says: "Whatever it adds or takes is less than a tenth." },
};
