import { ApiError, refusal } from "@/shared/api/client";

function save(content: Blob, filename: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = filename;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads the address after this turn; revoking at once would cancel the download.
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/**
 * Saves a file of the app under a name. Fetched rather than linked, because only fetch carries the
 * session token. Throws ApiError when the app refuses or can't be reached.
 */
export async function downloadFile(url: string, filename: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url);
  } catch {
    throw new ApiError(0, "offline", "The file could not be fetched. Try again.", null);
  }
  if (!response.ok) {
    const body: unknown = await response.json().catch(() => null);
    throw refusal(response.status, body, "GET");
  }
  save(await response.blob(), filename);
}

/** Cells that a spreadsheet would run as a formula are defused with a leading apostrophe. */
function cell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A table as CSV text with CRLF line ends (RFC 4180). */
export function toCsv(columns: string[], rows: (string | number)[][]): string {
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Saves a table as a CSV file. */
export function downloadCsv(filename: string, columns: string[], rows: (string | number)[][]): void {
  save(new Blob([toCsv(columns, rows)], { type: "text/csv" }), filename);
}
