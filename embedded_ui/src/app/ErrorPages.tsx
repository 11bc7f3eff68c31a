/** An address that no page has. */
export function MissingPage() {
  return (
    <s-page heading="Page not found">
      <s-banner tone="warning" heading="There is no page at this address">
        <s-paragraph>It may have been moved or deleted. Nothing of yours was changed.</s-paragraph>
        <s-button slot="secondary-actions" variant="secondary" href="/">
          Go to the dashboard
        </s-button>
      </s-banner>
    </s-page>
  );
}

/** A page that failed to draw itself. */
export function BrokenPage() {
  return (
    <s-page heading="Encore">
      <s-banner tone="critical" heading="This page could not be shown">
        <s-paragraph>What you saved is kept. Reload the page; if it happens again, go back to the dashboard.</s-paragraph>
        <s-button slot="secondary-actions" variant="secondary" onClick={() => window.location.reload()}>
          Reload
        </s-button>
        <s-button slot="secondary-actions" variant="secondary" href="/">
          Go to the dashboard
        </s-button>
      </s-banner>
    </s-page>
  );
}
