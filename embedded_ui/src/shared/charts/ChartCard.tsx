import { type ReactNode, useState } from "react";
import { count } from "@/shared/format/numbers";
import { downloadCsv } from "@/shared/files/download";

interface Props {
  heading: string;
  /** What the chart shows, in one sentence, with its "as of". */
  caption: string;
  columns: [string, ...string[]];
  rows: (string | number)[][];
  /** Base of the CSV file's name. */
  file: string;
  /** Rendered only while the chart is chosen. */
  children: ReactNode;
}

/** A chart that can always be read as a table and saved as a CSV file. */
export function ChartCard({ heading, caption, columns, rows, file, children }: Props) {
  const [asTable, setAsTable] = useState(false);
  return (
    <s-section heading={heading}>
      <s-stack gap="base">
        <s-stack direction="inline" gap="base" justifyContent="space-between" alignItems="center">
          <s-text color="subdued">{caption}</s-text>
          <s-stack direction="inline" gap="small-200">
            <s-button variant="tertiary" onClick={() => setAsTable(!asTable)}>
              {asTable ? "Show chart" : "Show table"}
            </s-button>
            <s-button variant="tertiary" onClick={() => downloadCsv(`${file}.csv`, columns, rows)}>
              Save CSV
            </s-button>
          </s-stack>
        </s-stack>
        {asTable ? <ChartTable columns={columns} rows={rows} /> : <div className="encore-chart">{children}</div>}
      </s-stack>
    </s-section>
  );
}

interface TableProps extends Pick<Props, "columns" | "rows"> {
  /** Whether all but the first column are figures, set flush right. */
  numeric?: boolean;
}

/** The figures as a table. */
export function ChartTable({ columns, rows, numeric = false }: TableProps) {
  return (
    <s-table>
      <s-table-header-row>
        {columns.map((column, index) => (
          <s-table-header
            key={column}
            listSlot={index === 0 ? "primary" : "labeled"}
            {...(numeric && index > 0 ? { format: "numeric" } : {})}
          >
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
  );
}
