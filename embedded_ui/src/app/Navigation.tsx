/** The app's entries in the admin's sidebar. Its name there leads home, so there is no Home link. */
export function Navigation() {
  return (
    <s-app-nav>
      <s-link href="/segments">Segments</s-link>
      <s-link href="/customers">Customers</s-link>
      <s-link href="/campaigns">Campaigns</s-link>
      <s-link href="/predictions">Predictions</s-link>
      <s-link href="/senders">Senders</s-link>
      <s-link href="/connections">Connections</s-link>
      <s-link href="/settings">Settings</s-link>
    </s-app-nav>
  );
}
