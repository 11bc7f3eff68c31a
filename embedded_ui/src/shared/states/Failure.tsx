import { explain } from "@/shared/api/client";

interface Props {
  /** What happened: "Segments could not be loaded". */
  what: string;
  error: unknown;
  retry?: () => void;
}

/** Says what failed, what the app said about it, and offers to try again. */
export function Failure({ what, error, retry }: Props) {
  return (
    <s-banner tone="critical" heading={what}>
      <s-paragraph>{explain(error)}</s-paragraph>
      {retry !== undefined && (
        <s-button slot="secondary-actions" variant="secondary" onClick={retry}>
          Try again
        </s-button>
      )}
    </s-banner>
  );
}
