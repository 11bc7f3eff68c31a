import type { Profile, TimelineEntry } from "@/shared/api/types";
import { moment, zoneName } from "@/shared/format/dates";
import { money } from "@/shared/format/money";
import { Pager } from "@/shared/paging/Pager";
import { usePaging } from "@/shared/paging/usePaging";
import { Loaded } from "@/shared/states/Loaded";
import { useTimeline } from "./useCustomer";
import { ORDER_STATES, SOURCES } from "./words";

/** What happened, newest first: orders, consent, messages, segments entered and left. */
export function CustomerTimeline({ profile }: { profile: Profile }) {
  const paging = usePaging("");
  const timeline = useTimeline(profile.customer_no, paging.cursor);
  return (
    <s-section heading="Timeline">
      <Loaded query={timeline} noun="the timeline" lines={6}>
        {(page) =>
          page.items.length === 0 && page.next === null && !paging.hasPrevious ? (
            <s-paragraph color="subdued">Nothing has happened yet: no order, no message, no change of consent.</s-paragraph>
          ) : (
            <>
              {page.items.length === 0 && <s-paragraph color="subdued">Nothing in this stretch of time.</s-paragraph>}
              <ul className="encore-timeline">
                {page.items.map((entry) => (
                  <li key={entry.key}>
                    <time dateTime={entry.at}>{moment(entry.at, profile.timezone)}</time>
                    <div>
                      <Entry entry={entry} currency={profile.currency} />
                    </div>
                  </li>
                ))}
              </ul>
              <Pager
                summary={`Page ${paging.page.toString()}, newest first. Times are in ${zoneName(profile.timezone)}.`}
                hasPrevious={paging.hasPrevious}
                next={page.next}
                forward={paging.forward}
                back={paging.back}
              />
            </>
          )
        }
      </Loaded>
    </s-section>
  );
}

function Entry({ entry, currency }: { entry: TimelineEntry; currency: string }) {
  if (entry.order != null) return <Order entry={entry} order={entry.order} currency={currency} />;
  if (entry.segment != null) {
    return (
      <>
        {entry.segment.moved === "entered" ? "Entered" : "Left"}{" "}
        <s-link href={`/segments/${entry.segment.segment_id}`}>{entry.segment.name}</s-link>
      </>
    );
  }
  if (entry.message != null) {
    return (
      <>
        {entry.text}{" "}
        <s-link href={`/campaigns/${entry.message.campaign_id}`}>Open the campaign</s-link>
      </>
    );
  }
  return (
    <>
      {entry.text}
      {entry.consent != null && (
        <span className="encore-own">From {SOURCES[entry.consent.source] ?? entry.consent.source}</span>
      )}
    </>
  );
}

interface OrderProps {
  entry: TimelineEntry;
  order: NonNullable<TimelineEntry["order"]>;
  currency: string;
}

function Order({ entry, order, currency }: OrderProps) {
  const state = ORDER_STATES[order.state] ?? "";
  return (
    <>
      <b>{entry.text}</b> · {money(order.total_minor, currency)}
      {order.refunded_minor > 0 && ` · ${money(order.refunded_minor, currency)} refunded`}{" "}
      {state !== "" && <s-badge tone="warning">{state}</s-badge>}
      {order.lines.map((line, position) => (
        <span key={position} className="encore-own">
          {line.quantity} × {line.title} · {money(line.total_minor, currency)}
          {line.kept < line.quantity && ` · ${(line.quantity - line.kept).toString()} returned`}
        </span>
      ))}
    </>
  );
}
