import type { MailProviders as Found } from "@/shared/api/types";
import { TableCard } from "@/shared/charts/TableCard";
import { count, percent } from "@/shared/format/numbers";
import { useMailProviders } from "@/shared/sending/useSending";
import { Loaded } from "@/shared/states/Loaded";

type Provider = Found["items"][number]["provider"];

const NAMES: Record<Provider, string> = {
  gmail: "Gmail",
  outlook: "Outlook, Hotmail, Live",
  yahoo: "Yahoo, AOL",
  icloud: "iCloud",
  other: "All others",
  unknown: "Not known",
};

/** How mail fares with each mailbox provider: one that turns it away shows here before the sum does. */
export function MailProviders() {
  const providers = useMailProviders();
  return (
    <Loaded query={providers} noun="mailbox providers" lines={4}>
      {({ items }) => (
        <TableCard
          heading="By mailbox provider, last 30 days"
          caption="Messages that left, by the domain of the address. Openings are people's, of customers who agreed to it."
          columns={["Provider", "Sent", "Bounced", "For good", "Called spam", "Opened"]}
          rows={items.map((one) => [
            NAMES[one.provider],
            one.sent,
            part(one.bounced, one.sent),
            part(one.for_good, one.sent),
            part(one.complained, one.sent),
            part(one.opened, one.sent),
          ])}
          file="mailbox-providers"
          empty="Nothing was sent in the last 30 days."
        />
      )}
    </Loaded>
  );
}

/** "12 (0.4%)" */
function part(some: number, all: number): string {
  return some === 0 ? "0" : `${count(some)} (${percent(some / all)})`;
}
