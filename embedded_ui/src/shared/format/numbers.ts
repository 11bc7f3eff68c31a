const LOCALE = "en-US";
const NONE = "–";

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });

/** 12,345 */
export function count(value: number | null | undefined): string {
  return value == null ? NONE : whole.format(value);
}

/** 41 or 3.4: fewer than ten keep one digit, because 0.4 orders is not 0 orders. */
export function estimate(value: number | null | undefined): string {
  if (value == null) return NONE;
  return Math.abs(value) < 10 ? oneDigit.format(value) : whole.format(value);
}

/** One digit after the point at most: 2.5 */
export function decimal(value: number | null | undefined): string {
  return value == null ? NONE : oneDigit.format(value);
}

/** So many digits after the point: (0.0703, 3) → 0.070 */
export function fixed(value: number | null | undefined, digits: number): string {
  return value == null ? NONE : value.toFixed(digits);
}

/** 0.123 → 12.3%; a share that rounds to nothing but is more is shown as <0.1%. */
export function percent(share: number | null | undefined): string {
  if (share == null) return NONE;
  const points = share * 100;
  if (points > 0 && points < 0.1) return "<0.1%";
  return `${oneDigit.format(points)}%`;
}

/** +12, −3 or 0, with a real minus sign. */
export function change(value: number | null | undefined): string {
  if (value == null) return NONE;
  if (value === 0) return "0";
  return value > 0 ? `+${whole.format(value)}` : `−${whole.format(-value)}`;
}

/** "1 customer", "2,469 customers". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${whole.format(value)} ${value === 1 ? one : many}`;
}
