import type { Campaign, CampaignPatch } from "@/shared/api/types";
import { clock, HourSelect } from "@/shared/fields/HourSelect";

type Timing = Campaign["timing"];

const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;
const FIRST_OFFERED = { send_from_hour: 8, send_until_hour: 20 } as const;
const LAST_HOUR = 24;

interface Props {
  timing: Timing;
  messages: Record<string, string>;
  change: (timing: NonNullable<CampaignPatch["timing"]>) => void;
}

/** The hours and weekdays at which messages may leave, in words; null when there is no limit. */
export function hoursInWords(timing: Timing): string | null {
  const { send_from_hour: from, send_until_hour: until, send_weekdays: days } = timing;
  const parts = [
    from === null && until === null ? null : `${clock(from ?? 0)} to ${clock(until ?? LAST_HOUR)}`,
    days === null ? null : days.map((number) => WEEKDAYS[number]).join(", "),
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join(", ");
}

/** When messages may leave, on the clock of whoever gets them, and the campaign's last day. */
export function SendingHours({ timing, messages, change }: Props) {
  const limited = timing.send_from_hour !== null || timing.send_until_hour !== null;
  const chosen = timing.send_weekdays ?? WEEKDAYS.map((_, number) => number);
  return (
    <s-stack gap="base">
      <s-checkbox
        label="Send at certain hours only"
        details="On the customer's clock where their address says it, else on your shop's"
        checked={limited}
        onChange={(event) =>
          change(event.currentTarget.checked ? FIRST_OFFERED : { send_from_hour: null, send_until_hour: null })
        }
      />
      {limited && (
        <s-stack direction="inline" gap="base">
          <HourSelect
            label="From"
            value={timing.send_from_hour ?? 0}
            error={messages.send_from_hour}
            onPick={(send_from_hour) => change({ send_from_hour })}
          />
          <HourSelect
            label="Until"
            value={timing.send_until_hour ?? LAST_HOUR}
            first={1}
            error={messages.send_until_hour}
            onPick={(send_until_hour) => change({ send_until_hour })}
          />
        </s-stack>
      )}
      <s-choice-list
        label="Weekdays"
        name="weekdays"
        multiple
        values={chosen.map(String)}
        error={messages.send_weekdays ?? ""}
        onChange={(event) => {
          const days = event.currentTarget.values.map(Number).sort((one, other) => one - other);
          change({ send_weekdays: days.length === WEEKDAYS.length ? null : days });
        }}
      >
        {WEEKDAYS.map((name, number) => (
          <s-choice key={name} value={String(number)}>
            {name}
          </s-choice>
        ))}
      </s-choice-list>
      <s-date-field
        label="Last day"
        details="Optional; the campaign ends by itself after it"
        value={timing.ends_on ?? ""}
        error={messages.ends_on ?? ""}
        onChange={(event) => {
          const { value } = event.currentTarget;
          change({ ends_on: value === "" ? null : value });
        }}
      />
    </s-stack>
  );
}
