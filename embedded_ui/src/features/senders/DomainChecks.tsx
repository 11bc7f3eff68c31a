import type { DomainRecord, SenderHealth } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { useSendingActions } from "@/shared/sending/useSending";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";

type Tone = "success" | "warning" | "critical" | "neutral";

const STATES: Record<DomainRecord["state"], { words: string; tone: Tone }> = {
  passed: { words: "set", tone: "success" },
  missing: { words: "missing", tone: "critical" },
  wrong: { words: "wrong", tone: "critical" },
  unreachable: { words: "no answer", tone: "warning" },
  not_checked: { words: "not checked", tone: "neutral" },
};

interface Props {
  health: SenderHealth;
  verified: boolean;
}

/** What DNS says of a sender's domain, the records to set, and how much may be sent from it today. */
export function DomainChecks({ health, verified }: Props) {
  const { timezone } = useShop();
  const { check } = useSendingActions();
  const open = health.checks.filter((one) => one.state !== "passed");
  return (
    <s-stack gap="small">
      <dl className="encore-facts">
        <dt>Today</dt>
        <dd>{volume(health)}</dd>
        <dt>Stage</dt>
        <dd>{stage(health)}</dd>
        {health.resumes_at !== null && (
          <>
            <dt>Waiting</dt>
            <dd>{`More messages go out from ${moment(health.resumes_at, timezone)} on.`}</dd>
          </>
        )}
        <dt>Last 30 days</dt>
        <dd>{`${count(health.sent_30_days)} messages`}</dd>
      </dl>
      <s-stack direction="inline" gap="small-200" alignItems="center">
        <s-text>{`DNS of ${health.domain}`}</s-text>
        {health.checks.map((one) => (
          <s-badge key={one.name} tone={STATES[one.state].tone}>{`${one.label} ${STATES[one.state].words}`}</s-badge>
        ))}
      </s-stack>
      {!health.on_behalf && open.map((one) => <ToSet key={one.name} record={one} />)}
      {check.isError && <Failure what="The domain was not checked" error={check.error} />}
      {verified && (
        <s-stack direction="inline" gap="small" alignItems="center">
          <s-button
            loading={check.isPending}
            onClick={() => check.mutate(health.sender_id, { onSuccess: () => toast("Domain checked") })}
          >
            Check DNS again
          </s-button>
          <s-text color="subdued">
            {health.checked_at === null ? "Not checked yet" : `Checked ${moment(health.checked_at, timezone)}`}
          </s-text>
        </s-stack>
      )}
    </s-stack>
  );
}

function ToSet({ record }: { record: DomainRecord }) {
  return (
    <s-box padding="small" border="base" borderRadius="base">
      <s-stack gap="small-200">
        <s-text>{record.problem ?? `Set this ${record.label} record where your domain is managed.`}</s-text>
        <dl className="encore-facts">
          <dt>Type</dt>
          <dd>{record.record_type}</dd>
          <dt>Name</dt>
          <dd>
            <Copyable text={record.record_name} what={`${record.label} name`} />
          </dd>
          <dt>Value</dt>
          <dd>
            <Copyable text={record.record_value} what={`${record.label} value`} />
          </dd>
          {record.found !== null && (
            <>
              <dt>Found now</dt>
              <dd>{record.found}</dd>
            </>
          )}
        </dl>
      </s-stack>
    </s-box>
  );
}

function Copyable({ text, what }: { text: string; what: string }) {
  return (
    <s-stack direction="inline" gap="small-200" alignItems="center">
      <code className="encore-record">{text}</code>
      <s-button
        icon="clipboard"
        variant="tertiary"
        accessibilityLabel={`Copy the ${what}`}
        onClick={() => {
          void navigator.clipboard.writeText(text).then(() => toast("Copied"));
        }}
      />
    </s-stack>
  );
}

function volume(health: SenderHealth): string {
  const sent = count(health.sent_today);
  return health.limit_today === null ? `${sent} messages` : `${sent} of ${count(health.limit_today)} messages`;
}

function stage(health: SenderHealth): string {
  switch (health.stage) {
    case "no_dkim":
      return "Below 500 messages a day until DKIM is set: without it, large volumes are taken for forged.";
    case "warming_up":
      return health.next_limit === null
        ? "Warming up. After a day that uses three quarters of the limit there is no limit."
        : `Warming up. After a day that uses three quarters of the limit: ${count(health.next_limit)} messages a day.`;
    case "warm":
      return "Warmed up: no daily limit.";
    case "not_limited":
      return "No daily limit.";
  }
}
