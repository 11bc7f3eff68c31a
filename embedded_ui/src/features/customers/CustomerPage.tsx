import { useParams } from "react-router";
import { ApiError } from "@/shared/api/client";
import { Loaded } from "@/shared/states/Loaded";
import { CustomerDecisions } from "./CustomerDecisions";
import { CustomerSegments } from "./CustomerSegments";
import { CustomerTimeline } from "./CustomerTimeline";
import { ConsentCard, KeyFacts, LikelyProducts } from "./ProfileCards";
import { useProfile } from "./useCustomer";

/** One customer: who it is, what happened, segments, predictions, consent, messages. */
export function CustomerPage() {
  const { customerNo = "" } = useParams();
  if (!/^\d{1,9}$/.test(customerNo)) return <NoSuchCustomer why="The address is wrong." />;
  return <OneCustomer key={customerNo} customerNo={Number(customerNo)} />;
}

function OneCustomer({ customerNo }: { customerNo: number }) {
  const profile = useProfile(customerNo);
  if (profile.error instanceof ApiError && profile.error.status === 404) {
    return <NoSuchCustomer why={profile.error.message} />;
  }
  return (
    <s-page heading={profile.data?.name ?? "Customer"} inlineSize="large">
      <s-link slot="breadcrumb-actions" href="/customers">
        Customers
      </s-link>
      <Loaded query={profile} noun="the customer" lines={8}>
        {(found) => (
          <s-stack gap="base">
            <ConsentCard profile={found} />
            <KeyFacts profile={found} />
            <LikelyProducts profile={found} />
            <CustomerSegments customerNo={found.customer_no} />
            <CustomerDecisions profile={found} />
            <CustomerTimeline profile={found} />
          </s-stack>
        )}
      </Loaded>
    </s-page>
  );
}

function NoSuchCustomer({ why }: { why: string }) {
  return (
    <s-page heading="Customer not found">
      <s-banner tone="warning" heading="There is nothing to show of this customer">
        <s-paragraph>{why}</s-paragraph>
        <s-button slot="secondary-actions" variant="secondary" href="/customers">
          Find another customer
        </s-button>
      </s-banner>
    </s-page>
  );
}
