const LOCALE = "en-US";
const formats = new Map<string, Intl.NumberFormat>();

function formatOf(currency: string, digits: number | null): Intl.NumberFormat {
  const key = `${currency}/${digits ?? "own"}`;
  let format = formats.get(key);
  if (format === undefined) {
    const fixed = digits === null ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits };
    format = new Intl.NumberFormat(LOCALE, { style: "currency", currency, ...fixed });
    formats.set(key, format);
  }
  return format;
}

/** How many minor units make one unit: 100 for USD, 1 for JPY, 1000 for KWD. */
export function minorPerUnit(currency: string): number {
  return 10 ** (formatOf(currency, null).resolvedOptions().maximumFractionDigits ?? 2);
}

/** Money from int64 minor units: (123456, "USD") → $1,234.56. */
export function money(minor: number | null | undefined, currency: string): string {
  if (minor == null) return "–";
  return formatOf(currency, null).format(minor / minorPerUnit(currency));
}

/** Money without minor units, for large totals: (123456, "USD") → $1,235. */
export function wholeMoney(minor: number | null | undefined, currency: string): string {
  if (minor == null) return "–";
  return formatOf(currency, 0).format(minor / minorPerUnit(currency));
}

/** Money as a field shows it, without a sign: (1250, "USD") → 12.50; nothing for null. */
export function amountText(minor: number | null, currency: string): string {
  if (minor === null) return "";
  const digits = Math.round(Math.log10(minorPerUnit(currency)));
  return (minor / minorPerUnit(currency)).toFixed(digits);
}

/** What was typed into a field of money as minor units; null for nothing and for no number. */
export function amountOf(text: string, currency: string): number | null {
  const value = Number(text);
  return text.trim() === "" || !Number.isFinite(value) ? null : Math.round(value * minorPerUnit(currency));
}
