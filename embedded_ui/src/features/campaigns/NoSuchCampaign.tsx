/** In place of a campaign whose address leads nowhere. */
export function NoSuchCampaign() {
  return (
    <s-page heading="Campaign not found">
      <s-banner tone="warning" heading="This campaign no longer exists">
        <s-paragraph>It was deleted, or the address is wrong. Your other campaigns are unchanged.</s-paragraph>
        <s-button slot="secondary-actions" variant="secondary" href="/campaigns">
          All campaigns
        </s-button>
      </s-banner>
    </s-page>
  );
}
