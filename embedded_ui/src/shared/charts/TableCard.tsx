import type { ReactNode } from "react";
import { downloadCsv } from "@/shared/files/download";
import { count } from "@/shared/format/numbers";
import { ChartTable } from "./ChartCard";

interface Props {
  heading: string;
  /** What the table counts, in one sentence. */
  caption: string;
  columns: [string, ...string[]];
  rows: (string | number)[][];
  /** Base of the CSV file's name. */
  file: string;
  /** Said in place of a table without rows. */
  empty: string;
  children?: ReactNode;
}

/** More rows than anybody reads on a page; the file has them all. */
const MOST_SHOWN = 20;

/** A small table of figures that can be saved as a CSV file. */
export function TableCard({ heading, caption, columns, rows, file, empty, children }: Props) {
  return (
    <s-section heading={heading} padding="none">
      <s-box paddingInline="base" paddingBlockEnd="base">
        <s-stack direction="inline" gap="base" justifyContent="space-between" alignItems="center">
          <s-text color="subdued">{rows.length === 0 ? empty : caption}</s-text>
          {rows.length > 0 && (
            <s-button variant="tertiary" onClick={() => downloadCsv(`${file}.csv`, columns, rows)}>
              Save CSV
            </s-button>
          )}
        </s-stack>
      </s-box>
      {rows.length > 0 && <ChartTable columns={columns} rows={rows.slice(0, MOST_SHOWN)} numeric />}
      {rows.length > MOST_SHOWN && (
        <s-box padding="base">
          <s-text color="subdued">
            The first {MOST_SHOWN} of {count(rows.length)}; the CSV file has all of them.
          </s-text>
        </s-box>
      )}
      {children}
    </s-section>
  );
}
