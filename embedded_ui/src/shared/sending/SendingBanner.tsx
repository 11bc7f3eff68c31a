import type { SendingStatus, SendingStop } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { useSending, useSendingActions } from "./useSending";

/** Says in red that sending is stopped and why, or in one line how the rates stand. Silent until it knows. */
export function SendingBanner() {
  const { data } = useSending();
  if (data === undefined) return null;
  if (data.stop !== null) return <Stopped stop={data.stop} />;
  if (data.level !== "warning") return null;
  return (
    <s-banner tone="warning" heading="More complaints than mailbox providers like">
      <s-paragraph>
        {rates(data)} From 0.3% on, Encore stops sending. Mail fewer people who never open, and less often.
      </s-paragraph>
    </s-banner>
  );
}

function Stopped({ stop }: { stop: SendingStop }) {
  const { timezone } = useShop();
  const { release } = useSendingActions();
  const what =
    stop.kind === "complaints"
      ? `${counted(stop.complaints, "recipient")} of ${counted(stop.sent, "message")} called it spam`
      : `${counted(stop.hard_bounces, "message")} of ${count(stop.sent)} bounced for good`;
  return (
    <s-banner tone="critical" heading="Sending is stopped">
      <s-paragraph>
        {`Since ${moment(stop.at, timezone)}: ${what}, ${share(stop)}. The limit is ${tenths(stop.limit)}. `}
        Beyond it, mailbox providers put your mail into the spam folder. Messages wait; those that wait more than a day
        are decided anew.
      </s-paragraph>
      {release.isError && <Failure what="Sending was not released" error={release.error} />}
      <s-button
        slot="secondary-actions"
        variant="secondary"
        loading={release.isPending}
        onClick={() => release.mutate(undefined, { onSuccess: () => toast("Sending goes on") })}
      >
        I have looked into it: send again
      </s-button>
    </s-banner>
  );
}

/** Bounces and complaints of the window, in words. */
export function rates(status: SendingStatus): string {
  if (status.sent === 0) return "Nothing was sent in the last 7 days.";
  const bounced = `${counted(status.hard_bounces, "hard bounce")} (${tenths(status.bounce_rate ?? 0)})`;
  const complained = `${counted(status.complaints, "complaint")} (${tenths(status.complaint_rate ?? 0)})`;
  const few = status.level === "too_few" ? " Too few messages to judge." : "";
  return `${counted(status.sent, "message")} in the last 7 days: ${bounced}, ${complained}.${few}`;
}

function share(stop: SendingStop): string {
  return tenths((stop.kind === "complaints" ? stop.complaints : stop.hard_bounces) / stop.sent);
}

/** A small share with the digits that its limits need: 0.1% and 0.3% are far apart here. */
function tenths(value: number): string {
  return `${(value * 100).toFixed(value < 0.01 ? 2 : 1)}%`;
}
