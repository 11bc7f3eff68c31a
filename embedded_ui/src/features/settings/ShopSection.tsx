import { useRef, useState } from "react";
import { fieldError } from "@/shared/api/client";
import type { SettingsEffect, ShopSettings, ShopValues } from "@/shared/api/types";
import { HourSelect } from "@/shared/fields/HourSelect";
import { count } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { SaveBar } from "@/shared/states/SaveBar";
import { toast } from "@/shared/states/toast";
import { ConfirmModal, type ConfirmHandle } from "./ConfirmModal";
import { type Changes, useSaveSettings, useSettingsEffect, useShopSettings } from "./useShopSettings";

/** What holds for the whole shop. Every setting has a default that is on, and a reason. */
export function ShopSection() {
  const settings = useShopSettings();
  return (
    <Loaded query={settings} noun="settings" lines={8}>
      {(kept) => <ShopForm kept={kept} />}
    </Loaded>
  );
}

/** The fields that differ from what is saved. */
function differing(values: ShopValues, saved: ShopValues): Changes {
  const names = Object.keys(saved) as (keyof ShopValues)[];
  return Object.fromEntries(names.filter((name) => values[name] !== saved[name]).map((name) => [name, values[name]]));
}

function ShopForm({ kept }: { kept: ShopSettings }) {
  const [edits, setEdits] = useState<Changes>({});
  const values = { ...kept.values, ...edits };
  const changes = differing(values, kept.values);
  const dirty = Object.keys(changes).length > 0;
  const effect = useSettingsEffect(changes);
  const save = useSaveSettings();
  const confirm = useRef<ConfirmHandle>(null);
  const send = (confirmed: string) =>
    save.mutate(
      { changes, version: kept.version, confirmed },
      {
        onSuccess: () => {
          setEdits({});
          toast("Settings saved");
        },
      },
    );
  const asked = effect.data?.confirm ?? null;
  const refused = save.error ?? effect.error;
  return (
    <s-stack gap="base">
      <SaveBar
        dirty={dirty}
        saving={save.isPending}
        save={() => (asked === null ? send("") : confirm.current?.ask())}
        discard={() => {
          setEdits({});
          save.reset();
        }}
      />
      {save.isError && <Failure what="The settings were not saved" error={save.error} />}
      <StoreFacts />
      <Sending values={values} kept={kept} refused={refused} edit={(more) => setEdits({ ...edits, ...more })} />
      <Records values={values} kept={kept} refused={refused} edit={(more) => setEdits({ ...edits, ...more })} />
      {dirty && effect.data !== undefined && <EffectBanner effect={effect.data} changes={changes} />}
      <ConfirmModal
        ref={confirm}
        word={asked ?? ""}
        heading="Remove history for good?"
        action="Remove and save"
        confirm={() => send(asked ?? "")}
      >
        {`Decisions older than ${count(values.keep_diary_days)} days that no longer stand will be removed tonight: ${count(effect.data?.decisions_removed ?? 0)} of them now. They do not come back.`}
      </ConfirmModal>
    </s-stack>
  );
}

function StoreFacts() {
  const { currency, timezone } = useShop();
  return (
    <s-section heading="Store">
      <s-paragraph>
        Amounts are in {currency}, days and hours in {timezone}. Both come from your Shopify settings and follow them.
      </s-paragraph>
    </s-section>
  );
}

interface PartProps {
  values: ShopValues;
  kept: ShopSettings;
  refused: unknown;
  edit: (changes: Changes) => void;
}

function Sending({ values, kept, refused, edit }: PartProps) {
  const { defaults } = kept;
  const error = (name: keyof ShopValues) => fieldError(refused, name) ?? "";
  return (
    <s-section heading="Sending">
      <s-stack gap="base">
        <s-number-field
          label="Days between two e-mails to one customer"
          details={`7 to 28, over all campaigns. Default ${defaults.cap_days}: nobody gets more than one e-mail a week, and no setting changes that`}
          value={String(values.cap_days)}
          min={7}
          max={28}
          step={1}
          error={error("cap_days")}
          onInput={(event) => edit({ cap_days: Number(event.currentTarget.value) })}
        />
        <s-stack direction="inline" gap="small">
          <HourSelect
            label="Quiet from"
            none="Never"
            value={values.quiet_from}
            error={error("quiet_from")}
            onPick={(quiet_from) => edit({ quiet_from })}
          />
          <HourSelect
            label="Quiet until"
            none="Never"
            value={values.quiet_until}
            error={error("quiet_until")}
            onPick={(quiet_until) => edit({ quiet_until })}
          />
        </s-stack>
        <s-text color="subdued">New campaigns start with these hours. Default: none, as each campaign can set its own.</s-text>
        <s-number-field
          label="Customers held out of new campaigns (%)"
          details={`0 to 50. Default ${defaults.holdout_percent}: without them nobody could tell what a campaign adds`}
          value={String(values.holdout_percent)}
          min={0}
          max={50}
          step={1}
          error={error("holdout_percent")}
          onInput={(event) => edit({ holdout_percent: Number(event.currentTarget.value) })}
        />
      </s-stack>
    </s-section>
  );
}

function Records({ values, kept, refused, edit }: PartProps) {
  return (
    <s-section heading="Consent and records">
      <s-stack gap="base">
        <s-text-area
          label="How customers agree to your e-mails"
          details="For your own records. Encore mails only who is subscribed in Shopify, whatever stands here"
          value={values.consent_policy}
          rows={4}
          maxLength={2000}
          error={fieldError(refused, "consent_policy") ?? ""}
          onInput={(event) => edit({ consent_policy: event.currentTarget.value })}
        />
        <s-number-field
          label="Days that past decisions are kept"
          details={`90 to 3,650. Default ${count(kept.defaults.keep_diary_days)}: they answer why somebody did or did not get an e-mail`}
          value={String(values.keep_diary_days)}
          min={90}
          max={3650}
          step={1}
          error={fieldError(refused, "keep_diary_days") ?? ""}
          onInput={(event) => edit({ keep_diary_days: Number(event.currentTarget.value) })}
        />
      </s-stack>
    </s-section>
  );
}

function EffectBanner({ effect, changes }: { effect: SettingsEffect; changes: Changes }) {
  const lines = [];
  if (changes.cap_days !== undefined) {
    const { customers_waiting: now, customers_waiting_before: before } = effect;
    lines.push(`${count(now)} customers could not be mailed at this moment; with the saved setting it is ${count(before)}.`);
  }
  if (changes.keep_diary_days !== undefined && effect.confirm !== null) {
    lines.push(`${count(effect.decisions_removed)} past decisions would be removed tonight.`);
  }
  if (changes.holdout_percent !== undefined || changes.quiet_from !== undefined || changes.quiet_until !== undefined) {
    lines.push("Campaigns that exist keep what they have; new ones start with this.");
  }
  if (lines.length === 0) return null;
  return (
    <s-banner tone="info" heading="What saving would do">
      {lines.map((line) => (
        <s-paragraph key={line}>{line}</s-paragraph>
      ))}
    </s-banner>
  );
}
