/** +12 or −3, in any format, with a real minus sign; 0 has none. */
export function signed(value: number, format: (size: number) => string): string {
  const size = format(Math.abs(value));
  if (size === format(0)) return size;
  return value > 0 ? `+${size}` : `−${size}`;
}

interface Ends {
  low: number | null;
  high: number | null;
}

/** "−3 to +27", or null where nothing bounds it. */
export function interval({ low, high }: Ends, format: (size: number) => string): string | null {
  return low === null || high === null ? null : `${signed(low, format)} to ${signed(high, format)}`;
}
