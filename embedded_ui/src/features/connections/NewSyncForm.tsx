import { useState } from "react";
import { useNavigate } from "react-router";
import { fieldError } from "@/shared/api/client";
import type { components } from "@/shared/api/schema";
import type { Connection } from "@/shared/api/types";
import { counted } from "@/shared/format/numbers";
import { capital } from "@/shared/format/words";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { type NewSync, useCreateSync, useSegmentChoices, useTargets } from "./useConnections";

type Targets = components["schemas"]["TargetsOut"];

interface Props {
  connections: Connection[];
  segmentId: string | null;
  close: () => void;
}

const NEW = "new";

interface Draft {
  segment: string;
  connection: string;
  /** An existing target's id, or NEW. */
  target: string;
  name: string;
  container: string;
  schedule: "manual" | "after_refresh";
  transactional: boolean;
}

/** The request of a finished draft; null while something is missing. */
export function toRequest(draft: Draft, withContainers: boolean): NewSync | null {
  if (draft.segment === "" || draft.connection === "" || draft.target === "") return null;
  const fresh = draft.target === NEW;
  if (fresh && (draft.name.trim() === "" || (withContainers && draft.container === ""))) return null;
  return {
    segment_id: draft.segment,
    connection_id: draft.connection,
    target: fresh
      ? { name: draft.name.trim(), ...(withContainers ? { container_id: draft.container } : {}) }
      : { id: draft.target, ...(withContainers && draft.container !== "" ? { container_id: draft.container } : {}) },
    schedule: draft.schedule,
    without_consent: draft.transactional ? "transactional" : "skip",
  };
}

/** Which segment goes where, and when. Nobody is sent before the first run. */
export function NewSyncForm({ connections, segmentId, close }: Props) {
  const segments = useSegmentChoices();
  const [draft, setDraft] = useState<Draft>({
    segment: segmentId ?? "",
    connection: connections[0]?.id ?? "",
    target: "",
    name: "",
    container: "",
    schedule: "manual",
    transactional: false,
  });
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part });
  if (connections.length === 0) {
    return (
      <s-banner tone="info" heading="Connect Klaviyo or Mailchimp first">
        <s-paragraph>Then this segment can be kept in a list or tag there.</s-paragraph>
      </s-banner>
    );
  }
  return (
    <s-section heading="New sync">
      <s-stack gap="base">
        <Loaded query={segments} noun="segments">
          {(list) => (
            <s-select
              label="Segment"
              placeholder="Choose a segment"
              value={draft.segment}
              onChange={(event) => change({ segment: event.currentTarget.value })}
            >
              {list.map((segment) => (
                <s-option key={segment.id} value={segment.id}>
                  {segment.name} ({counted(segment.size, "member")})
                </s-option>
              ))}
            </s-select>
          )}
        </Loaded>
        <s-select
          label="Account"
          value={draft.connection}
          onChange={(event) => change({ connection: event.currentTarget.value, target: "", container: "" })}
        >
          {connections.map((connection) => (
            <s-option key={connection.id} value={connection.id}>
              {connection.vendor === "klaviyo" ? "Klaviyo" : "Mailchimp"}: {connection.account_name}
            </s-option>
          ))}
        </s-select>
        <Where connections={connections} draft={draft} change={change} close={close} />
      </s-stack>
    </s-section>
  );
}

interface PartProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
}

function Where({ connections, draft, change, close }: PartProps & Omit<Props, "segmentId">) {
  const targets = useTargets(draft.connection);
  const create = useCreateSync();
  const navigate = useNavigate();
  const vendor = connections.find((connection) => connection.id === draft.connection)?.vendor;
  const request = toRequest(draft, (targets.data?.container_noun ?? null) !== null);
  const save = () => {
    if (request === null) return;
    create.mutate(request, {
      onSuccess: (made) => {
        close();
        void navigate(`/connections?sync=${made.id}`);
      },
    });
  };
  return (
    <s-stack gap="base">
      <Loaded query={targets} noun="lists">
        {(found) => <TargetFields targets={found} draft={draft} change={change} error={create.error} />}
      </Loaded>
      <s-choice-list
        label="When it runs"
        name="schedule"
        values={[draft.schedule]}
        onChange={(event) =>
          change({ schedule: event.currentTarget.values[0] === "after_refresh" ? "after_refresh" : "manual" })
        }
      >
        <s-choice value="manual">When I start it</s-choice>
        <s-choice value="after_refresh">Each time segments are worked out</s-choice>
      </s-choice-list>
      {vendor === "mailchimp" && (
        <s-checkbox
          label="Add members without consent as transactional contacts"
          details="Left out, they are skipped with that reason. Nobody's consent is changed either way."
          checked={draft.transactional}
          onChange={(event) => change({ transactional: event.currentTarget.checked })}
        />
      )}
      {create.isError && <Failure what="The sync was not made" error={create.error} />}
      <s-stack direction="inline" gap="small">
        <s-button variant="primary" disabled={request === null} loading={create.isPending} onClick={save}>
          Make sync
        </s-button>
        <s-button onClick={close}>Cancel</s-button>
      </s-stack>
    </s-stack>
  );
}

function TargetFields({ targets, draft, change, error }: PartProps & { targets: Targets; error: Error | null }) {
  const { target_noun, container_noun } = targets;
  const items = targets.items.filter((one) => draft.container === "" || one.container_id === draft.container);
  const pick = (target: string) => {
    const found = targets.items.find((one) => one.id === target);
    change({ target, ...(found?.container_id == null ? {} : { container: found.container_id }) });
  };
  return (
    <s-stack gap="base">
      {container_noun !== null && (
        <s-select
          label={capital(container_noun)}
          placeholder={`Choose the ${container_noun}`}
          value={draft.container}
          onChange={(event) => change({ container: event.currentTarget.value, target: "" })}
        >
          {targets.containers.map((container) => (
            <s-option key={container.id} value={container.id}>
              {container.name}
            </s-option>
          ))}
        </s-select>
      )}
      <s-select
        label={capital(target_noun)}
        placeholder={`Choose a ${target_noun}`}
        value={draft.target}
        onChange={(event) => pick(event.currentTarget.value)}
      >
        <s-option value={NEW}>Make a new {target_noun}</s-option>
        {items.map((one) => (
          <s-option key={one.id} value={one.id}>
            {one.name}
            {one.member_count === null ? "" : ` (${one.member_count})`}
          </s-option>
        ))}
      </s-select>
      {draft.target === NEW && (
        <s-text-field
          label={`Name of the new ${target_noun}`}
          value={draft.name}
          maxLength={100}
          error={fieldError(error, "target.name") ?? fieldError(error, "name") ?? ""}
          onInput={(event) => change({ name: event.currentTarget.value })}
        />
      )}
    </s-stack>
  );
}
