import { describe, expect, it } from "vitest";
import { startWords, whenInWords } from "@/features/campaigns/Preflight";
import { hoursInWords } from "@/features/campaigns/SendingHours";
import type { Campaign, Preflight } from "@/shared/api/types";

const NOW = new Date("2026-11-23T12:00:00Z");
const ZONE = "America/New_York";

function found(changes: Partial<Preflight>): Preflight {
  return {
    ready: true,
    unresolved: [],
    checks: [],
    people: 1284,
    held_out: 0,
    candidates: 2000,
    reasons: [],
    first_at: null,
    as_of: "2026-11-23T12:00:00Z",
    ...changes,
  };
}

function timing(changes: Partial<Campaign["timing"]>): Campaign["timing"] {
  return {
    frequency: "once",
    every_days: 21,
    wait_days: 14,
    repeats: 2,
    send_from_hour: null,
    send_until_hour: null,
    send_weekdays: null,
    ends_on: null,
    ...changes,
  };
}

describe("the last button", () => {
  it("names the people and when the first message leaves, on the shop's clock", () => {
    const first_at = "2026-11-24T14:00:00Z";
    expect(startWords(found({ first_at }), NOW, ZONE)).toBe(
      "Start: 1,284 people can be mailed, first messages tomorrow 9:00 AM",
    );
  });

  it("says now when nothing holds them back, and nothing of a first message when there is none", () => {
    expect(startWords(found({ people: 1, first_at: "2026-11-23T12:00:00Z" }), NOW, ZONE)).toBe(
      "Start: 1 person can be mailed, first messages now",
    );
    expect(startWords(found({ people: 0 }), NOW, ZONE)).toBe("Start: 0 people can be mailed");
  });

  it("tells today, tomorrow and other days apart by the shop's calendar", () => {
    expect(whenInWords("2026-11-24T04:30:00Z", NOW, ZONE)).toBe("today 11:30 PM");
    expect(whenInWords("2026-11-24T05:30:00Z", NOW, ZONE)).toBe("tomorrow 12:30 AM");
    expect(whenInWords("2026-11-27T14:00:00Z", NOW, ZONE)).toBe("Nov 27, 9:00 AM");
  });
});

describe("the hours of a campaign", () => {
  it("are said only where there is a limit", () => {
    expect(hoursInWords(timing({}))).toBeNull();
    expect(hoursInWords(timing({ send_from_hour: 8, send_until_hour: 20 }))).toBe("8:00 to 20:00");
    expect(hoursInWords(timing({ send_until_hour: 9, send_weekdays: [0, 4] }))).toBe("0:00 to 9:00, Monday, Friday");
  });
});
