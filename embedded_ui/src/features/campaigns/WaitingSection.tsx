import type { Campaign, WaitingMessages } from "@/shared/api/types";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { whenInWords } from "./Preflight";
import { useWaiting } from "./useCampaigns";

type Group = WaitingMessages["groups"][number];

/** Why messages of the campaign have not left yet, and when they will; nothing while none waits. */
export function WaitingSection({ campaign }: { campaign: Campaign }) {
  const waiting = useWaiting(campaign);
  if (waiting.data === undefined && !waiting.isError) return null;
  return (
    <Loaded query={waiting} noun="the messages in line">
      {(found) => (found.count === 0 ? null : <Groups waiting={found} />)}
    </Loaded>
  );
}

function Groups({ waiting }: { waiting: WaitingMessages }) {
  const { timezone } = useShop();
  const now = new Date(waiting.as_of);
  return (
    <s-section heading={`${counted(waiting.count, "message")} in line`}>
      <s-stack gap="base">
        <s-unordered-list>
          {waiting.groups.map((group) => (
            <s-list-item key={group.why}>{waitingWords(group, now, timezone)}</s-list-item>
          ))}
        </s-unordered-list>
        <s-text color="subdued">
          {waiting.groups.length > 1 && `${waiting.groups.map((one) => count(one.count)).join(" + ")} = ${count(waiting.count)}. `}
          Nothing goes out late: a message that waits more than {count(waiting.good_for_hours)} hours past its time is
          dropped, and its customer is decided anew.
        </s-text>
      </s-stack>
    </s-section>
  );
}

/** "93 wait: today's limit of 1,000 …; they go from tomorrow 12:00 AM on." */
export function waitingWords(group: Group, now: Date, zone: string): string {
  const late = group.too_late === 0 ? "" : ` ${tooLate(group)}`;
  return `${count(group.count)} ${reason(group, now, zone)}.${late}`;
}

function reason(group: Group, now: Date, zone: string): string {
  const one = group.count === 1;
  const wait = one ? "waits" : "wait";
  const when = group.until === null ? null : whenInWords(group.until, now, zone);
  const go = when === null ? "" : `; ${one ? "it goes" : "they go"} from ${when} on`;
  const limit = count(group.limit);
  switch (group.why) {
    case "locked":
      return `${wait}: sending is locked${when === null ? " until whoever runs Encore unlocks it" : go}`;
    case "stopped":
      return `${wait}: sending is stopped until you release it under Senders`;
    case "not_active":
      return `${one ? "is" : "are"} being taken out of line, as the campaign is not active`;
    case "no_dkim":
      return `${wait}: today's limit of ${limit} for a domain without DKIM is used up${go}`;
    case "warm_up":
      return `${wait}: today's limit of ${limit} while your domain warms up is used up${go}`;
    case "hourly":
      return `${wait}: your limit of ${limit} an hour is used up${go}`;
    case "code":
      return `${wait} for ${one ? "its" : "their"} discount code; Encore looks again every few minutes`;
    case "retry":
      return `${wait}: the mail server did not take ${one ? "it" : "them"} yet; tried again from ${when ?? "now"} on`;
    case "hours":
      return `${wait} for the campaign's hours where the customer lives; the first from ${when ?? "now"} on`;
    case "earlier_limit":
      return `${wait} since a limit was reached that has been lifted${go}`;
    case "next":
      return `${one ? "is" : "are"} next`;
    case "sending":
      return `${one ? "is" : "are"} being handed to the mail server`;
  }
}

function tooLate(group: Group): string {
  if (group.too_late === group.count) return "By then that is too late: whom they are for is decided anew.";
  return `For ${count(group.too_late)} of them that is too late: whom they are for is decided anew.`;
}
