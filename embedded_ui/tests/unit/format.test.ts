import { describe, expect, it } from "vitest";
import { age, asOf, day, isoDay, moment, zoneName } from "@/shared/format/dates";
import { minorPerUnit, money, wholeMoney } from "@/shared/format/money";
import { change, count, counted, estimate, percent } from "@/shared/format/numbers";
import { toCsv } from "@/shared/files/download";

describe("Money", () => {
  it("comes from minor units of the currency", () => {
    expect(money(123456, "USD")).toBe("$1,234.56");
    expect(money(-50, "USD")).toBe("-$0.50");
    expect(money(1234, "JPY")).toBe("¥1,234");
    expect(money(1234567, "KWD")).toContain("1,234.567");
    expect([minorPerUnit("USD"), minorPerUnit("JPY"), minorPerUnit("KWD")]).toEqual([100, 1, 1000]);
  });
  it("drops minor units from large totals", () => {
    expect(wholeMoney(81234560, "USD")).toBe("$812,346");
  });
  it("shows a dash for what is not known", () => {
    expect(money(null, "USD")).toBe("–");
  });
});

describe("The day of a date field", () => {
  it("is the shop's", () => {
    const evening = new Date("2026-11-24T03:00:00Z");
    expect([isoDay(evening, "America/New_York"), isoDay(evening, "Asia/Tokyo")]).toEqual(["2026-11-23", "2026-11-24"]);
  });
});

describe("Numbers", () => {
  it("keep one digit below ten, because 0.4 orders is not none", () => {
    expect([estimate(0.4), estimate(9.94), estimate(41.2)]).toEqual(["0.4", "9.9", "41"]);
  });
  it("never show a small share as nothing", () => {
    expect([percent(0.0004), percent(0), percent(0.123), percent(1)]).toEqual(["<0.1%", "0%", "12.3%", "100%"]);
  });
  it("carry a sign when they are a change", () => {
    expect([change(12), change(-3), change(0), change(null)]).toEqual(["+12", "−3", "0", "–"]);
  });
  it("agree with their noun", () => {
    expect([counted(1, "customer"), counted(2469, "customer"), counted(1, "person", "people")]).toEqual([
      "1 customer",
      "2,469 customers",
      "1 person",
    ]);
    expect(count(1204)).toBe("1,204");
  });
});

describe("Dates", () => {
  it("are days and times of the shop's zone", () => {
    expect(day("2026-11-24T03:00:00Z", "America/New_York")).toBe("Nov 23, 2026");
    expect(moment("2026-11-24T03:00:00Z", "Europe/Berlin")).toMatch(/Nov 24, 2026, 4:00\sAM/);
  });
  it("follow the zone's clock change", () => {
    expect(moment("2026-10-31T16:00:00Z", "America/New_York")).toMatch(/12:00\sPM/);
    expect(moment("2026-11-01T16:00:00Z", "America/New_York")).toMatch(/11:00\sAM/);
  });
  it("say how old something is", () => {
    const now = new Date("2026-11-23T12:00:00Z");
    expect(age("2026-11-23T11:59:30Z", now)).toBe("just now");
    expect(age("2026-11-23T11:59:00Z", now)).toBe("1 minute ago");
    expect(age("2026-11-23T09:00:00Z", now)).toBe("3 hours ago");
    expect(age("2026-11-18T12:00:00Z", now)).toBe("5 days ago");
    expect(age("2026-11-24T12:00:00Z", now)).toBe("just now");
    expect(age(null, now)).toBe("never");
  });
  it("say when a number is from, or that there is none", () => {
    expect(asOf("2026-11-23T12:00:00Z", "UTC")).toMatch(/^As of Nov 23, 2026, 12:00\sPM$/);
    expect(asOf(null, "UTC")).toBe("Not worked out yet");
    expect(zoneName("America/New_York")).toBe("New York time");
  });
});

describe("CSV", () => {
  it("quotes what needs it and defuses formulas", () => {
    expect(toCsv(["Name", "n"], [["a,b", 1], ['say "hi"', -2], ["=1+1", 3]])).toBe(
      'Name,n\r\n"a,b",1\r\n"say ""hi""",-2\r\n\'=1+1,3\r\n',
    );
  });
});
