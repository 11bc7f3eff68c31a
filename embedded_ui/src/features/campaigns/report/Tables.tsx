import type { CampaignReport } from "@/shared/api/types";
import { TableCard } from "@/shared/charts/TableCard";
import { fixed } from "@/shared/format/numbers";

type Figures = NonNullable<CampaignReport["figures"]>;

interface Props {
  figures: Figures;
  campaignId: string;
}

/** What was promised of each product's customers, and how many bought it. */
export function Receipts({ figures, campaignId }: Props) {
  return (
    <TableCard
      heading="Promise and receipt, per product"
      caption="Customers whose 30 days are over: how many were expected to buy the product anyway, and how many did."
      columns={["Product", "Mailed", "Expected", "Bought", "Held out", "Expected of them", "Bought by them", "Still open"]}
      rows={figures.products.map((one) => [
        one.title,
        one.mailed.customers,
        fixed(one.mailed.promised, 1),
        one.mailed.bought,
        one.held_out.customers,
        fixed(one.held_out.promised, 1),
        one.held_out.bought,
        one.open,
      ])}
      file={`${campaignId}-products`}
      empty="Appears with the first decision."
    />
  );
}

/** Where people clicked. */
export function Links({ figures, campaignId }: Props) {
  return (
    <TableCard
      heading="Clicks, per link"
      caption="By people. Clicks within 90 seconds of the hand-over come from mailbox scanners and are kept apart."
      columns={["Link", "Customers", "Clicks", "By scanners"]}
      rows={figures.links.map((one) => [one.url, one.customers, one.clicks, one.machine_clicks])}
      file={`${campaignId}-links`}
      empty="Nobody has clicked yet."
    />
  );
}

/** What followed the first, second, n-th e-mail of a customer. */
export function Doses({ figures, campaignId }: Props) {
  return (
    <TableCard
      heading="First, second, further e-mails"
      caption="What followed the n-th e-mail that a customer got of this campaign. Later ones go to those who did not buy."
      columns={["E-mail", "Sent", "Clicked", "Ordered afterwards"]}
      rows={figures.doses.map((one) => [one.nth, one.sent, one.clicked, one.ordered])}
      file={`${campaignId}-doses`}
      empty="Nothing was sent yet."
    />
  );
}
