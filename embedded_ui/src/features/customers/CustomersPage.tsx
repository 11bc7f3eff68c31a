import { useNavigate } from "react-router";
import { FindCustomer } from "@/shared/customers/FindCustomer";

/** Looks up one customer. */
export function CustomersPage() {
  const navigate = useNavigate();
  return (
    <s-page heading="Customers">
      <s-link slot="breadcrumb-actions" href="/segments">
        Segments
      </s-link>
      <s-section heading="Find one customer">
        <FindCustomer
          action="Open"
          choose={(customer) => void navigate(`/customers/${customer.customer_no.toString()}`)}
        />
      </s-section>
    </s-page>
  );
}
