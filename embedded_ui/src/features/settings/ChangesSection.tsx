import type { SettingsChange } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { useShop } from "@/shared/shop/ShopProvider";
import { Loaded } from "@/shared/states/Loaded";
import { useSettingsChanges } from "./useShopSettings";

const NAMES: Record<string, string> = {
  cap_days: "Days between two e-mails",
  quiet_from: "Quiet from",
  quiet_until: "Quiet until",
  holdout_percent: "Held out of new campaigns",
  consent_policy: "How customers agree",
  keep_diary_days: "Days that past decisions are kept",
};

const shown = (value: SettingsChange["before"]) => (value === null || value === "" ? "none" : String(value));

/** Who changed which setting, and from what to what. */
export function ChangesSection() {
  const changes = useSettingsChanges();
  const { timezone } = useShop();
  return (
    <s-section heading="Changes">
      <Loaded query={changes} noun="changes" lines={3}>
        {({ items }) =>
          items.length === 0 ? (
            <s-text color="subdued">Nobody has changed a setting yet: all are the defaults.</s-text>
          ) : (
            <s-table>
              <s-table-header-row>
                <s-table-header>When</s-table-header>
                <s-table-header>Who</s-table-header>
                <s-table-header>Setting</s-table-header>
                <s-table-header>Before</s-table-header>
                <s-table-header>After</s-table-header>
              </s-table-header-row>
              <s-table-body>
                {items.map((item) => (
                  <s-table-row key={item.id}>
                    <s-table-cell>{moment(item.at, timezone)}</s-table-cell>
                    <s-table-cell>{item.who === "system" ? "Encore" : `Staff member ${item.who}`}</s-table-cell>
                    <s-table-cell>{NAMES[item.name] ?? item.name}</s-table-cell>
                    <s-table-cell>{shown(item.before)}</s-table-cell>
                    <s-table-cell>{shown(item.after)}</s-table-cell>
                  </s-table-row>
                ))}
              </s-table-body>
            </s-table>
          )
        }
      </Loaded>
    </s-section>
  );
}
