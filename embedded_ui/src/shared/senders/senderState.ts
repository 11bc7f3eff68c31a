import type { Sender } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";

type Tone = "success" | "info" | "warning" | "neutral";

/** The state of a sender as a badge. */
export const SENDER_STATES: Record<Sender["state"], { words: string; tone: Tone }> = {
  verified: { words: "Verified", tone: "success" },
  pending: { words: "Confirmation sent", tone: "info" },
  expired: { words: "Link expired", tone: "warning" },
  unverified: { words: "Not verified", tone: "warning" },
};

/** What happens next for a sender, in one sentence. */
export function senderSentence(sender: Sender, zone: string): string {
  switch (sender.state) {
    case "verified":
      return `Confirmed ${moment(sender.verified_at, zone)}. Campaigns can send from it.`;
    case "pending":
      return `Open the link in the mail to ${sender.from_address}. It works until ${moment(sender.verification_expires_at, zone)}.`;
    case "expired":
      return "The confirmation link is older than 72 hours. Send a new one.";
    case "unverified":
      return "Send a confirmation link to this address before it can send.";
  }
}
