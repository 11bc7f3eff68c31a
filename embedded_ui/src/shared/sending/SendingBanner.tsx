import type { SendingLock, SendingStatus, SendingStop } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { useSending, useSendingActions } from "./useSending";

interface Props {
  /** The page where sending is released; every other one links to it. */
  home?: boolean;
}

/** Says in red that nothing goes out and why; at home also that the rates are too high. Silent until it knows. */
export function SendingBanner({ home = false }: Props) {
  const { data } = useSending();
  if (data === undefined) return null;
  if (data.lock !== null || data.stop !== null) {
    return (
      <>
        {data.lock !== null && <Locked lock={data.lock} />}
        {data.stop !== null && <Stopped stop={data.stop} home={home} />}
      </>
    );
  }
  if (!home || data.level !== "warning") return null;
  return (
    <s-banner tone="warning" heading="More complaints than mailbox providers like">
      <s-paragraph>
        {rates(data)} From 0.3% on, Encore stops sending. Mail fewer people who never open, and less often.
      </s-paragraph>
    </s-banner>
  );
}

function Locked({ lock }: { lock: SendingLock }) {
  const { timezone } = useShop();
  return (
    <s-banner tone="critical" heading="Sending is locked">
      <s-paragraph>
        {`Nothing goes out, so that nobody is mailed twice in a week: ${lock.why}. `}
        {lock.until === null
          ? "Whoever runs Encore for you unlocks it with the command encore unlock-sending."
          : `It goes on by itself ${moment(lock.until, timezone)}.`}
      </s-paragraph>
    </s-banner>
  );
}

function Stopped({ stop, home }: { stop: SendingStop; home: boolean }) {
  const { timezone } = useShop();
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
      {home ? (
        <Release />
      ) : (
        <s-button slot="secondary-actions" variant="secondary" href="/senders">
          Look into it under Senders
        </s-button>
      )}
    </s-banner>
  );
}

function Release() {
  const { release } = useSendingActions();
  return (
    <>
      {release.isError && <Failure what="Sending was not released" error={release.error} />}
      <s-button
        slot="secondary-actions"
        variant="secondary"
        loading={release.isPending}
        onClick={() => release.mutate(undefined, { onSuccess: () => toast("Sending goes on") })}
      >
        I have looked into it: send again
      </s-button>
    </>
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
