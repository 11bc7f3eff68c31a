import { useState } from "react";
import type { ExportSchedule, SegmentDetails } from "@/shared/api/types";
import { moment, zoneName } from "@/shared/format/dates";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { type Choice, complete, described, hourName, rhythm, WEEKDAYS } from "./downloadChoice";
import { useScheduleActions, useSchedules } from "./useDownloads";

interface Props {
  segment: SegmentDetails;
  choice: Choice;
}

type Actions = ReturnType<typeof useScheduleActions>;

const STATES = {
  active: { words: "On", tone: "success" },
  paused: { words: "Paused", tone: "info" },
  stopped: { words: "Stopped", tone: "critical" },
} as const;

/** Files that are made again every day or week: the list, and a form that uses the choices made above. */
export function DownloadSchedules({ segment, choice }: Props) {
  const schedules = useSchedules(segment.id);
  const actions = useScheduleActions(segment.id);
  const [adding, setAdding] = useState(false);
  const problem = actions.change.error ?? actions.remove.error;
  return (
    <s-section heading="Made on a schedule">
      <Loaded query={schedules} noun="the schedules">
        {({ items, folder }) => (
          <s-stack gap="base">
            {items.length === 0 && (
              <s-paragraph color="subdued">
                No schedule yet. Each file holds the members and the consent of its own moment.
              </s-paragraph>
            )}
            {problem !== null && <Failure what="The schedule was not changed" error={problem} />}
            {items.map((one) => (
              <Schedule key={one.id} schedule={one} timezone={segment.timezone} actions={actions} />
            ))}
            {adding ? (
              <NewSchedule segment={segment} choice={choice} folder={folder} actions={actions} close={() => setAdding(false)} />
            ) : (
              <s-box>
                <s-button onClick={() => setAdding(true)}>Make it every day or week</s-button>
              </s-box>
            )}
          </s-stack>
        )}
      </Loaded>
    </s-section>
  );
}

function Schedule({ schedule, timezone, actions }: { schedule: ExportSchedule; timezone: string; actions: Actions }) {
  const { id, state } = schedule;
  const name = `${rhythm(schedule)}: ${described(schedule)}`;
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="small">
        <s-stack direction="inline" gap="small">
          <s-text type="strong">{name}</s-text>
          <s-badge tone={STATES[state].tone}>{STATES[state].words}</s-badge>
        </s-stack>
        <s-text color="subdued">
          {schedule.destination === "link" ? "Can be saved here for 24 hours" : "Written into the folder for files"}
          {state === "active" && `. Next: ${moment(schedule.next_at, timezone)}`}
          {schedule.last_at !== null && `. Last: ${moment(schedule.last_at, timezone)}`}
        </s-text>
        {schedule.reason !== null && <s-text tone="critical">{schedule.reason}</s-text>}
        {schedule.problem !== null && <s-text tone="critical">The last one was not made: {schedule.problem}</s-text>}
        <s-stack direction="inline" gap="small">
          {state !== "stopped" && (
            <s-button
              variant="secondary"
              accessibilityLabel={`${state === "active" ? "Pause" : "Go on"}: ${name}`}
              loading={actions.change.isPending && actions.change.variables.id === id}
              onClick={() => actions.change.mutate({ id, state: state === "active" ? "paused" : "active" })}
            >
              {state === "active" ? "Pause" : "Go on"}
            </s-button>
          )}
          <s-button
            variant="tertiary"
            tone="critical"
            accessibilityLabel={`Remove: ${name}`}
            loading={actions.remove.isPending && actions.remove.variables === id}
            onClick={() => actions.remove.mutate(id)}
          >
            Remove
          </s-button>
        </s-stack>
      </s-stack>
    </s-box>
  );
}

interface NewProps extends Props {
  folder: boolean;
  actions: Actions;
  close: () => void;
}

function NewSchedule({ segment, choice, folder, actions, close }: NewProps) {
  const [when, setWhen] = useState("day");
  const [hour, setHour] = useState(6);
  const [destination, setDestination] = useState<"link" | "file">("link");
  const add = () =>
    actions.add.mutate(
      {
        ...choice,
        every: when === "day" ? "day" : "week",
        weekday: when === "day" ? null : Number(when),
        hour,
        destination,
      },
      { onSuccess: close },
    );
  return (
    <s-stack gap="base">
      <s-paragraph>As chosen above: {described(choice)}.</s-paragraph>
      <s-select label="How often" value={when} onChange={(event) => setWhen(event.currentTarget.value)}>
        <s-option value="day">Every day</s-option>
        {WEEKDAYS.map((name, at) => (
          <s-option key={name} value={String(at)}>{`Every ${name}`}</s-option>
        ))}
      </s-select>
      <s-select
        label="At"
        value={String(hour)}
        details={zoneName(segment.timezone)}
        onChange={(event) => setHour(Number(event.currentTarget.value))}
      >
        {Array.from({ length: 24 }, (_, at) => (
          <s-option key={at} value={String(at)}>{hourName(at)}</s-option>
        ))}
      </s-select>
      {folder && (
        <s-select
          label="Where to"
          value={destination}
          onChange={(event) => setDestination(event.currentTarget.value === "file" ? "file" : "link")}
        >
          <s-option value="link">Here, for 24 hours</s-option>
          <s-option value="file">The folder of this installation, unencrypted, for another system to fetch</s-option>
        </s-select>
      )}
      {actions.add.isError && <Failure what="The schedule was not saved" error={actions.add.error} />}
      <s-stack direction="inline" gap="small">
        <s-button variant="primary" disabled={!complete(choice)} loading={actions.add.isPending} onClick={add}>
          Save schedule
        </s-button>
        <s-button onClick={close}>Cancel</s-button>
      </s-stack>
    </s-stack>
  );
}
