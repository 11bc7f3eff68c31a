import type { ReactNode } from "react";
import { downloadCsv } from "@/shared/files/download";
import { count } from "@/shared/format/numbers";

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
      {rows.length > 0 && (
        <s-table>
          <s-table-header-row>
            {columns.map((column, index) => (
              <s-table-header key={column} {...(index === 0 ? { listSlot: "primary" } : { listSlot: "labeled", format: "numeric" })}>
                {column}
              </s-table-header>
            ))}
          </s-table-header-row>
          <s-table-body>
            {rows.map((row) => (
              <s-table-row key={String(row[0])}>
                {row.map((value, index) => (
                  <s-table-cell key={columns[index]}>{typeof value === "number" ? count(value) : value}</s-table-cell>
                ))}
              </s-table-row>
            ))}
          </s-table-body>
        </s-table>
      )}
      {children}
    </s-section>
  );
}
