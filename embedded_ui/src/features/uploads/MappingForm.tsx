import { useState } from "react";
import { fieldError } from "@/shared/api/client";
import type { UploadCheck } from "@/shared/api/types";
import { counted, decimal } from "@/shared/format/numbers";
import type { Mapping } from "./useUpload";

interface Props {
  check: UploadCheck;
  file: File;
  segmentId: string | null;
  pending: boolean;
  error: Error | null;
  onUpload: (mapping: Mapping) => void;
}

const MODES: Record<Mapping["mode"], { words: string; button: string }> = {
  replace: { words: "Replace: only the customers of this file stay on the list", button: "Replace the list" },
  add: { words: "Add: who is on the list stays, the customers of this file join", button: "Add to the list" },
  remove: { words: "Remove: the customers of this file leave the list", button: "Remove from the list" },
};
const MEGABYTE = 1 << 20;

const DELIMITERS: Record<string, string> = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };

/** "summer_guests.csv" → "summer guests" */
export function nameOf(filename: string): string {
  return filename.replace(/\.[^.]*$/, "").replaceAll("_", " ").slice(0, 120);
}

/** Which column tells who a row is, and what happens to the list. */
export function MappingForm({ check, file, segmentId, pending, error, onUpload }: Props) {
  const [mapping, setMapping] = useState<Mapping>({
    name: nameOf(file.name),
    segmentId,
    mode: "replace",
    column: check.column ?? "",
    identifier: check.identifier ?? "email",
  });
  const column = check.columns.find((one) => one.header === mapping.column);
  const choose = (header: string) => {
    const found = check.columns.find((one) => one.header === header);
    setMapping({ ...mapping, column: header, identifier: found?.identifier ?? mapping.identifier });
  };
  const ready = mapping.column !== "" && (segmentId !== null || mapping.name.trim() !== "");
  return (
    <s-section heading="Match the file to your customers">
      <s-stack gap="base">
        <s-text color="subdued">
          {counted(check.rows, "row")}, {check.encoding}, separated by {DELIMITERS[check.delimiter] ?? check.delimiter}
        </s-text>
        {segmentId === null ? (
          <s-text-field
            label="Name of the list"
            value={mapping.name}
            maxLength={120}
            error={fieldError(error, "name") ?? ""}
            onInput={(event) => setMapping({ ...mapping, name: event.currentTarget.value })}
          />
        ) : (
          <s-choice-list
            label="What to do with the list"
            values={[mapping.mode]}
            onChange={(event) => {
              const mode = event.currentTarget.values[0];
              if (mode === "replace" || mode === "add" || mode === "remove") setMapping({ ...mapping, mode });
            }}
          >
            {Object.entries(MODES).map(([mode, { words }]) => (
              <s-choice key={mode} value={mode}>
                {words}
              </s-choice>
            ))}
          </s-choice-list>
        )}
        <s-select
          label="Column that tells who it is"
          placeholder="Choose a column"
          value={mapping.column}
          error={fieldError(error, "column") ?? ""}
          details={column === undefined ? "" : `For example ${column.samples.slice(0, 2).join(", ")}`}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {check.columns.map((one) => (
            <s-option key={one.header} value={one.header}>
              {one.header}
            </s-option>
          ))}
        </s-select>
        <s-select
          label="It holds"
          value={mapping.identifier}
          onChange={(event) =>
            setMapping({ ...mapping, identifier: event.currentTarget.value === "customer_id" ? "customer_id" : "email" })
          }
        >
          <s-option value="email">E-mail addresses</s-option>
          <s-option value="customer_id">Shopify customer ids</s-option>
        </s-select>
        <s-box>
          <s-button variant="primary" disabled={!ready} loading={pending} onClick={() => onUpload(mapping)}>
            {segmentId === null ? `Make a list from ${counted(check.rows, "row")}` : MODES[mapping.mode].button}
          </s-button>
        </s-box>
        {pending && <Working rows={check.rows} bytes={file.size} />}
      </s-stack>
    </s-section>
  );
}

/** The browser tells nothing of how much was sent, so this says what takes the time. */
function Working({ rows, bytes }: { rows: number; bytes: number }) {
  const size = bytes < MEGABYTE ? "" : ` (${decimal(bytes / MEGABYTE)} MB)`;
  return (
    <s-stack direction="inline" gap="small">
      <s-spinner accessibilityLabel="Matching the rows" />
      <s-text color="subdued">
        Sending the file{size} and looking up {counted(rows, "row")} among your customers. Stay on this page; a million
        rows take half a minute.
      </s-text>
    </s-stack>
  );
}
