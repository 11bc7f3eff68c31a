interface Props {
  /** "1–50 of 2,469 members" or what is known of it. */
  summary: string;
  hasPrevious: boolean;
  next: string | null | undefined;
  forward: (next: string) => void;
  back: () => void;
}

/** Previous and next under a table, with where one stands. Hidden when everything fits on one page. */
export function Pager({ summary, hasPrevious, next, forward, back }: Props) {
  const hasNext = next != null;
  return (
    <s-box padding="base">
      <s-stack direction="inline" gap="base" alignItems="center" justifyContent="space-between">
        <s-text color="subdued">{summary}</s-text>
        {(hasPrevious || hasNext) && (
          <s-button-group gap="none" accessibilityLabel="Pages">
            <s-button
              slot="secondary-actions"
              icon="chevron-left"
              accessibilityLabel="Previous page"
              disabled={!hasPrevious}
              onClick={back}
            />
            <s-button
              slot="secondary-actions"
              icon="chevron-right"
              accessibilityLabel="Next page"
              disabled={!hasNext}
              onClick={() => hasNext && forward(next)}
            />
          </s-button-group>
        )}
      </s-stack>
    </s-box>
  );
}
