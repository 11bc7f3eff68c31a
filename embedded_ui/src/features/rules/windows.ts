import type { Window } from "./rule";

export const UNITS = { d: "days", w: "weeks", mo: "months", y: "years", h: "hours" } as const;
export type Unit = keyof typeof UNITS;

export const WINDOW_KINDS = {
  ever: "ever",
  last: "in the last",
  next: "in the next",
  ago: "between … and … ago",
  between: "between two dates",
  before: "before",
  since: "since",
  calendar: "in a calendar period",
  anniversary: "anniversary in the next",
} as const;
export type WindowKind = keyof typeof WINDOW_KINDS;

export const PERIODS = {
  today: "today",
  yesterday: "yesterday",
  this_week: "this week",
  last_week: "last week",
  this_month: "this month",
  last_month: "last month",
  this_quarter: "this quarter",
  last_quarter: "last quarter",
  this_year: "this year",
  last_year: "last year",
} as const;

const DURATION = /^(\d{1,5})(h|d|w|mo|y)$/;

/** 30d → 30 and d; anything else is no duration yet. */
export function readDuration(text: string): { n: string; unit: Unit } {
  const found = DURATION.exec(text);
  if (found === null) {
    const unit = /(mo|h|d|w|y)$/.exec(text)?.[1] ?? "d";
    return { n: "", unit: unit as Unit };
  }
  return { n: found[1] ?? "", unit: found[2] as Unit };
}

/** Which kind of window it is. No window at all means ever. */
export function kindOf(window: Window | undefined): WindowKind {
  if (window === undefined || "ever" in window) return "ever";
  if ("last" in window) return "last";
  if ("next" in window) return "next";
  if ("ago" in window) return "ago";
  if ("from" in window) return "between";
  if ("before" in window) return "before";
  if ("since" in window) return "since";
  return "calendar" in window ? "calendar" : "anniversary";
}

/** A window of a kind to start editing from. */
export function newWindow(kind: WindowKind, today: string): Window {
  switch (kind) {
    case "ever":
      return { ever: true };
    case "last":
      return { last: "30d" };
    case "next":
      return { next: "30d" };
    case "ago":
      return { ago: ["60d", "30d"] };
    case "between":
      return { from: today, to: today };
    case "before":
      return { before: today };
    case "since":
      return { since: today };
    case "calendar":
      return { calendar: "this_month" };
    case "anniversary":
      return { anniversary: { next: "14d" } };
  }
}

/** What is wrong with a window, or null. */
export function windowProblem(window: Window | undefined): string | null {
  if (window === undefined || "ever" in window || "calendar" in window) return null;
  if ("last" in window) return durationProblem(window.last);
  if ("next" in window) return durationProblem(window.next);
  if ("anniversary" in window) return durationProblem(window.anniversary.next);
  if ("ago" in window) return durationProblem(window.ago[0]) ?? durationProblem(window.ago[1]);
  if ("from" in window) {
    if (window.from === "" || window.to === "") return "Choose both dates.";
    return window.from > window.to ? "The first date comes first." : null;
  }
  return ("before" in window ? window.before : window.since) === "" ? "Choose a date." : null;
}

/** What is wrong with a length of time, or null. */
export function durationProblem(text: string): string | null {
  return DURATION.test(text) ? null : "Say how many days, weeks, months or years.";
}
