import { useState } from "react";
import { fieldError } from "@/shared/api/client";
import type { Connection, Tile } from "@/shared/api/types";
import { age } from "@/shared/format/dates";
import { counted } from "@/shared/format/numbers";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import { useConnectionActions } from "./useConnections";

type Tone = "success" | "warning" | "neutral";

const STATES: Record<Tile["state"], { words: string; tone: Tone }> = {
  connected: { words: "Connected", tone: "success" },
  needs_reconnect: { words: "Reconnect", tone: "warning" },
  not_connected: { words: "Not connected", tone: "neutral" },
};

/** One vendor: what it enables, what happens to consent, and the accounts connected. */
export function VendorTile({ tile }: { tile: Tile }) {
  const [connecting, setConnecting] = useState(false);
  const state = STATES[tile.state];
  return (
    <s-section heading={tile.title}>
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200">
          <s-badge tone={state.tone}>{state.words}</s-badge>
          {tile.account_name !== null && <s-text>{tile.account_name}</s-text>}
        </s-stack>
        {tile.problem !== null && <s-banner tone="warning" heading={tile.problem} />}
        <s-paragraph>{tile.enables}</s-paragraph>
        <s-paragraph color="subdued">{tile.consent}</s-paragraph>
        <Permissions tile={tile} />
        {tile.connections.map((connection) => (
          <Account key={connection.id} connection={connection} />
        ))}
        {tile.vendor !== "shopify" &&
          (connecting ? (
            <KeyForm vendor={tile.vendor} help={tile.key_help} close={() => setConnecting(false)} />
          ) : (
            <s-box>
              <s-button onClick={() => setConnecting(true)}>
                {tile.state === "not_connected" ? `Connect ${tile.title}` : "Use another key"}
              </s-button>
            </s-box>
          ))}
      </s-stack>
    </s-section>
  );
}

function Permissions({ tile }: { tile: Tile }) {
  const [shown, setShown] = useState(false);
  if (tile.permissions.length === 0) return null;
  const missing = tile.permissions.filter((permission) => permission.granted === false);
  return (
    <s-stack gap="small-200">
      {missing.length > 0 && (
        <s-text tone="critical">Missing: {missing.map((permission) => permission.name).join(", ")}</s-text>
      )}
      <s-box>
        <s-button variant="tertiary" onClick={() => setShown(!shown)}>
          {shown ? "Hide permissions" : `Permissions (${tile.permissions.length})`}
        </s-button>
      </s-box>
      {shown && (
        <s-unordered-list>
          {tile.permissions.map((permission) => (
            <s-list-item key={permission.name}>
              {permission.name}: {permission.why}
            </s-list-item>
          ))}
        </s-unordered-list>
      )}
    </s-stack>
  );
}

interface KeyFormProps {
  vendor: "klaviyo" | "mailchimp";
  help: string | null;
  close: () => void;
}

function KeyForm({ vendor, help, close }: KeyFormProps) {
  const [key, setKey] = useState("");
  const { connect } = useConnectionActions();
  const refused = fieldError(connect.error, "api_key");
  const save = () =>
    connect.mutate(
      { vendor, api_key: key.trim() },
      {
        onSuccess: (made) => {
          toast(`Connected to ${made.account_name}`);
          close();
        },
      },
    );
  return (
    <s-stack gap="small">
      <s-password-field
        label="API key"
        details={help ?? ""}
        autocomplete="off"
        value={key}
        error={refused ?? ""}
        onInput={(event) => setKey(event.currentTarget.value)}
      />
      {connect.isError && refused === undefined && <Failure what="Not connected" error={connect.error} />}
      <s-stack direction="inline" gap="small">
        <s-button variant="primary" disabled={key.trim() === ""} loading={connect.isPending} onClick={save}>
          Check and connect
        </s-button>
        <s-button onClick={close}>Cancel</s-button>
      </s-stack>
    </s-stack>
  );
}

function Account({ connection }: { connection: Connection }) {
  const { check, disconnect } = useConnectionActions();
  const [leaving, setLeaving] = useState(false);
  const problem = check.error ?? disconnect.error;
  return (
    <s-box padding="base" border="base" borderRadius="base">
      <s-stack gap="small">
        <s-text type="strong">{connection.account_name}</s-text>
        <s-text color="subdued">
          {counted(connection.syncs, "sync")}, key checked {age(connection.checked_at, new Date())}
        </s-text>
        {connection.problem !== null && <s-text tone="critical">{connection.problem}</s-text>}
        {problem !== null && <Failure what="That did not work" error={problem} />}
        {leaving ? (
          <s-banner tone="warning" heading={`Disconnect ${connection.account_name}?`}>
            <s-paragraph>
              Its key and {counted(connection.syncs, "sync")} are forgotten here. Nothing changes in the account itself.
            </s-paragraph>
            <s-button
              slot="secondary-actions"
              variant="secondary"
              tone="critical"
              loading={disconnect.isPending}
              onClick={() => disconnect.mutate(connection.id, { onSuccess: (done) => toast(done.message) })}
            >
              Disconnect
            </s-button>
            <s-button slot="secondary-actions" variant="secondary" onClick={() => setLeaving(false)}>
              Keep it
            </s-button>
          </s-banner>
        ) : (
          <s-stack direction="inline" gap="small">
            <s-button
              loading={check.isPending}
              onClick={() =>
                check.mutate(connection.id, {
                  onSuccess: (now) => toast(now.state === "connected" ? "The key works" : "The key needs renewal"),
                })
              }
            >
              Check key
            </s-button>
            <s-button variant="tertiary" tone="critical" onClick={() => setLeaving(true)}>
              Disconnect
            </s-button>
          </s-stack>
        )}
      </s-stack>
    </s-box>
  );
}
