interface SkeletonProps {
  /** What is on its way, for screen readers: "Loading segments". */
  label: string;
  lines?: number;
}

/** Grey bars where text will stand, so that the page does not jump when it comes. */
export function Skeleton({ label, lines = 3 }: SkeletonProps) {
  return (
    <div className="encore-skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} className="encore-skeleton-line" />
      ))}
    </div>
  );
}

/** A page that is on its way, shaped like one. */
export function PageSkeleton({ label, heading = "Encore" }: { label: string; heading?: string }) {
  return (
    <s-page heading={heading}>
      <s-section>
        <Skeleton label={label} lines={5} />
      </s-section>
    </s-page>
  );
}
