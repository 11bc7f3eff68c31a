import { useQueryClient } from "@tanstack/react-query";
import type { Campaign, Preflight } from "@/shared/api/types";
import { isoDay } from "@/shared/format/dates";
import { counted } from "@/shared/format/numbers";
import { useSendingActions } from "@/shared/sending/useSending";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { type Step, STEP_NAMES } from "./steps";

type Check = Preflight["checks"][number];

const LEVELS: Record<Check["level"], { words: string; tone: "success" | "warning" | "critical" }> = {
  ok: { words: "Fine", tone: "success" },
  warn: { words: "Look", tone: "warning" },
  blocked: { words: "Missing", tone: "critical" },
};
const DAY_MS = 24 * 60 * 60 * 1000;

/** "today 9:00 AM", "tomorrow 9:00 AM" or "Nov 30, 9:00 AM", on the shop's clock. */
export function whenInWords(instant: string, now: Date, zone: string): string {
  const at = new Date(instant);
  const time = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeStyle: "short" }).format(at);
  const day = isoDay(at, zone);
  if (day === isoDay(now, zone)) return `today ${time}`;
  if (day === isoDay(new Date(now.getTime() + DAY_MS), zone)) return `tomorrow ${time}`;
  const date = new Intl.DateTimeFormat("en-US", { timeZone: zone, month: "short", day: "numeric" }).format(at);
  return `${date}, ${time}`;
}

/** What the last button says: the exact number of people, and when the first message leaves. */
export function startWords(preflight: Preflight, now: Date, zone: string): string {
  const people = `${counted(preflight.people, "person", "people")} can be mailed`;
  if (preflight.first_at === null) return `Start: ${people}`;
  const soon = new Date(preflight.first_at) <= now || preflight.first_at === preflight.as_of;
  const first = soon ? "now" : whenInWords(preflight.first_at, now, zone);
  return `Start: ${people}, first messages ${first}`;
}

interface ListProps {
  checks: Check[];
  campaign: Pick<Campaign, "id" | "sender_id">;
  go: (step: Step) => void;
}

/** Everything that was checked, what is wrong first, each with the way to where it is put right. */
export function CheckList({ checks, campaign, go }: ListProps) {
  const order = { blocked: 0, warn: 1, ok: 2 };
  const sorted = [...checks].sort((one, other) => order[one.level] - order[other.level]);
  return (
    <ul className="encore-checks" aria-label="Checks">
      {sorted.map((check) => (
        <li key={`${check.subject}.${check.message}`}>
          <s-badge tone={LEVELS[check.level].tone}>{LEVELS[check.level].words}</s-badge>
          <s-text type="strong">{check.subject}</s-text>
          <s-text>{check.message}</s-text>
          {check.action === "check_domain" && campaign.sender_id !== null && (
            <CheckDomain campaignId={campaign.id} senderId={campaign.sender_id} />
          )}
          {check.level !== "ok" && (
            <s-button variant="tertiary" onClick={() => go(check.step)}>
              Go to {STEP_NAMES[check.step].toLowerCase()}
            </s-button>
          )}
        </li>
      ))}
    </ul>
  );
}

/** Has the sender's domain looked up; the list follows. */
function CheckDomain({ campaignId, senderId }: { campaignId: string; senderId: string }) {
  const { check } = useSendingActions();
  const queries = useQueryClient();
  const look = () =>
    check.mutate(senderId, {
      onSuccess: () => {
        toast("Domain checked");
        void queries.invalidateQueries({ queryKey: ["campaign", campaignId, "preflight"] });
      },
    });
  return (
    <>
      <s-button variant="secondary" loading={check.isPending} onClick={look}>
        Check now
      </s-button>
      {check.isError && <Failure what="The domain was not checked" error={check.error} />}
    </>
  );
}
