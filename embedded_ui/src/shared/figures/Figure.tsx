import type { ReactNode } from "react";

interface Props {
  label: string;
  value: string;
  /** Small print under the number: an interval, a share, what it counts. */
  detail?: ReactNode;
}

/** One key number with its name. */
export function Figure({ label, value, detail }: Props) {
  return (
    <div className="encore-figure">
      <span className="encore-figure-label">{label}</span>
      <span className="encore-figure-value">{value}</span>
      {detail !== undefined && <span className="encore-figure-detail">{detail}</span>}
    </div>
  );
}

/** Key numbers side by side, wrapping on a narrow screen. */
export function Figures({ children }: { children: ReactNode }) {
  return <div className="encore-figures">{children}</div>;
}
