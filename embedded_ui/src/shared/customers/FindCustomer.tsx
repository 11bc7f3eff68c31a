import { useState } from "react";
import type { FoundCustomer } from "@/shared/api/types";
import { Loaded } from "@/shared/states/Loaded";
import { useCustomerSearch } from "./useCustomerSearch";

interface Props {
  /** What to do with the customer chosen. */
  choose: (customer: FoundCustomer) => void;
  /** What the button beside each customer says. */
  action: string;
}

/** Looks up a customer by exact address, Shopify id or number. */
export function FindCustomer({ choose, action }: Props) {
  const [wanted, setWanted] = useState("");
  const found = useCustomerSearch(wanted);
  return (
    <s-stack gap="base">
      <s-search-field
        label="Find a customer"
        placeholder="E-mail address, Shopify customer id or number"
        details="By the whole address or number. Names are stored sealed, so they can't be searched."
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
      />
      {wanted.trim() !== "" && (
        <Loaded query={found} noun="customers" lines={1}>
          {(customers) =>
            customers.length === 0 ? (
              <s-paragraph color="subdued">No customer of your shop fits “{wanted.trim()}”.</s-paragraph>
            ) : (
              <s-stack gap="small-200">
                {customers.map((customer) => (
                  <s-stack key={customer.customer_no} direction="inline" gap="base" alignItems="center">
                    <span>
                      {customer.name}
                      {customer.email !== null && ` · ${customer.email}`}
                    </span>
                    <s-button variant="secondary" onClick={() => choose(customer)}>
                      {action}
                    </s-button>
                  </s-stack>
                ))}
              </s-stack>
            )
          }
        </Loaded>
      )}
    </s-stack>
  );
}
