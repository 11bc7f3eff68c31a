import type { Campaign, CampaignPatch } from "@/shared/api/types";

type Utm = Campaign["utm"];
const FIELDS = [
  { field: "source", label: "Source" },
  { field: "medium", label: "Medium" },
  { field: "campaign", label: "Campaign" },
] as const;

interface Props {
  utm: Utm;
  messages: Record<string, string>;
  change: (patch: CampaignPatch) => void;
}

/** The tags of the links, for the shop's own analytics. */
export function UtmFields({ utm, messages, change }: Props) {
  return (
    <s-stack gap="small">
      <s-checkbox
        label="Tag links for your analytics (UTM)"
        details="Recipients can see the tags in the address, so they never hold the campaign's name."
        checked={utm.enabled}
        onChange={(event) => change({ utm: { enabled: event.currentTarget.checked } })}
      />
      {utm.enabled && (
        <div className="encore-fields">
          {FIELDS.map(({ field, label }) => (
            <s-text-field
              key={field}
              label={label}
              value={utm[field]}
              maxLength={60}
              error={messages[`utm.${field}`] ?? ""}
              onInput={(event) => change({ utm: { [field]: event.currentTarget.value } })}
            />
          ))}
        </div>
      )}
    </s-stack>
  );
}
