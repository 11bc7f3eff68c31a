const LOCALE = "en-US";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A calendar day in the shop's zone: Nov 23, 2026. */
export function day(instant: string | null | undefined, zone: string): string {
  if (instant == null) return "never";
  return new Intl.DateTimeFormat(LOCALE, { timeZone: zone, dateStyle: "medium" }).format(new Date(instant));
}

/** A calendar day in the shop's zone without its year, for an axis: Nov 23. */
export function shortDay(instant: string, zone: string): string {
  return new Intl.DateTimeFormat(LOCALE, { timeZone: zone, month: "short", day: "numeric" }).format(new Date(instant));
}

/** The calendar day in the shop's zone, as rules and date fields write it: 2026-11-23. */
export function isoDay(instant: Date, zone: string): string {
  const digits = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
  const parts = new Intl.DateTimeFormat(LOCALE, { timeZone: zone, ...digits }).formatToParts(instant);
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? "";
  return `${part("year")}-${part("month")}-${part("day")}`;
}

/** A moment in the shop's zone: Nov 23, 2026, 6:05 PM. */
export function moment(instant: string | null | undefined, zone: string): string {
  if (instant == null) return "never";
  return new Intl.DateTimeFormat(LOCALE, {
    timeZone: zone,
    dateStyle: "medium",
    timeStyle: "short",
  }).format(new Date(instant));
}

/** "As of Nov 23, 2026, 6:05 PM", or that there is nothing yet. */
export function asOf(instant: string | null | undefined, zone: string): string {
  return instant == null ? "Not worked out yet" : `As of ${moment(instant, zone)}`;
}

/** "just now", "12 minutes ago", "3 hours ago", "5 days ago". Future instants count as now. */
export function age(instant: string | null | undefined, now: Date): string {
  if (instant == null) return "never";
  const passed = now.getTime() - new Date(instant).getTime();
  if (passed < MINUTE) return "just now";
  if (passed < HOUR) return ago(Math.floor(passed / MINUTE), "minute");
  if (passed < DAY) return ago(Math.floor(passed / HOUR), "hour");
  return ago(Math.floor(passed / DAY), "day");
}

function ago(value: number, unit: string): string {
  return `${value} ${unit}${value === 1 ? "" : "s"} ago`;
}

/** Chicago time, from America/Chicago: which clock the page's times are on. */
export function zoneName(zone: string): string {
  const city = zone.split("/").at(-1) ?? zone;
  return `${city.replaceAll("_", " ")} time`;
}
