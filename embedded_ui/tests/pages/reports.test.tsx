import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { perDay } from "@/features/campaigns/report/SendsPerDay";
import type { CampaignReport, CampaignResults, Dashboard } from "@/shared/api/types";
import { interval, signed } from "@/shared/format/intervals";
import { estimate } from "@/shared/format/numbers";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

const REPORT = "GET /api/campaigns/cmp_1/report";

/** The sample report with its effect changed. */
function withEffect(change: Partial<NonNullable<CampaignReport["figures"]>["effect"]>): { data: CampaignReport } {
  const data = sample<CampaignReport>(REPORT);
  if (data.figures !== null) data.figures.effect = { ...data.figures.effect, ...change };
  return { data };
}

async function shown(changes: Parameters<typeof answer>[0] = {}) {
  const asked = answer(changes);
  const { container } = open("/campaigns/cmp_1");
  await waitFor(() => expect(words(container)).toContain("Who is held out"));
  return { asked, container, text: words(container) };
}

describe("A campaign's report", () => {
  it("shows what was added with its interval, and keeps attribution apart", async () => {
    const { text } = await shown();
    expect(text).toContain("Not yet known");
    expect(text).toContain("95% interval −31 to +141");
    expect(text).toContain("To know a lift of 20%, it takes about 5,230 customers in all; there are 1,188.");
    expect(text).toContain("around May 31, 2027");
    expect(text).toContain("What followed it (attributed)");
    expect(text).toContain("this is not what the campaign added");
  });

  it("names no number while too little was collected", async () => {
    const { text } = await shown({ [REPORT]: withEffect({ verdict: "collecting", customers_needed: null }) });
    expect(text).toContain("Collecting");
    expect(text).not.toContain("Incremental orders 55");
    expect(text).toContain("at least 50 customers in each group");
  });

  it("says of a campaign that had customers enough that its lift must be small", async () => {
    const { text } = await shown({ [REPORT]: withEffect({ customers_needed: 900 }) });
    expect(text).toContain("If the campaign adds orders, it adds fewer than that.");
  });

  it("says plainly that a campaign does harm", async () => {
    const { text } = await shown({ [REPORT]: withEffect({ verdict: "takes_away" }) });
    expect(text).toContain("Consider pausing it");
  });

  it("adds its messages up", async () => {
    const { text } = await shown();
    expect(text).toContain("1,265 messages planned = 1,103 sent + 1 failed + 2 without an answer + 2 stopped by the weekly cap");
    const { messages } = sample<CampaignReport>(REPORT);
    const { planned, ...parts } = messages;
    expect(Object.values(parts).reduce((sum, one) => sum + one, 0)).toBe(planned);
  });

  it("says of steps that nothing observes that they are not observed", async () => {
    const { text } = await shown();
    expect(text).toContain("Delivered not observed");
    expect(text).toContain("Clicked by a person 171");
  });

  it("teaches on the first day what will show and when", async () => {
    const { text } = await shown({ [REPORT]: { data: { ...sample<CampaignReport>(REPORT), figures: null, history: [] } } });
    expect(text).toContain("What it adds will show here");
    expect(text).toContain("From about 500 decided customers");
  });

  it("fails alone", async () => {
    answer({ [REPORT]: refused("The store is busy.", null, 503) });
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("The results could not be loaded"));
    expect(words(container)).toContain("customers considered");
  });

  it("is measured again on demand", async () => {
    const { asked, container } = await shown({ "POST /api/campaign-results/refresh": { status: 202, body: null } });
    fireEvent.click(button(container, "Measure again"));
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/campaign-results/refresh")).toBe(true));
  });

  it("shows the chart of both groups as a table too", async () => {
    const { container } = await shown();
    const card = [...container.querySelectorAll("s-section")].find((one) => one.getAttribute("heading")?.startsWith("Mailed and"));
    fireEvent.click(button(card as Element, "Show table"));
    expect(words(card as Element)).toContain("Held out");
    expect(card?.querySelectorAll("s-table-row").length).toBe(51);
  });
});

describe("The list of campaigns", () => {
  it("shows clicks, orders, what was added, and what waits", async () => {
    answer();
    const { container } = open("/campaigns");
    await waitFor(() => expect(words(container)).toContain("−31 to +141 · not yet known"));
    expect(words(container)).toContain("4 waiting");
    expect(words(container)).toContain("Who wins when several campaigns want the same customer");
    expect(words(container)).toContain("E-mails sent per day");
  });

  it("stands without its results", async () => {
    answer({ "GET /api/campaign-results": refused("The store is busy.", null, 503) });
    const { container } = open("/campaigns");
    await waitFor(() => expect(words(container)).toContain("Milk reminder"));
  });

  it("puts campaigns beyond the colours together", () => {
    const days = ["a", "b", "c", "d", "e", "f", "g"].map((id, index) => ({ day: "2026-11-01", campaign_id: id, sent: 10 - index }));
    const results: CampaignResults = { as_of: null, items: [], days };
    const { shown: names, points } = perDay(results, new Map(days.map((one) => [one.campaign_id, `Name ${one.campaign_id}`])));
    expect(names).toEqual(["Name a", "Name b", "Name c", "Name d", "Other campaigns"]);
    expect(points).toEqual([
      { day: "2026-11-01", sent: { "Name a": 10, "Name b": 9, "Name c": 8, "Name d": 7, "Other campaigns": 15 } },
    ]);
  });
});

describe("The dashboard", () => {
  it("labels what was measured and what only followed apart", async () => {
    answer();
    const { container } = open("/");
    await waitFor(() => expect(words(container)).toContain("Your campaigns"));
    expect(words(container)).toContain("Incremental revenue (measured) +$1,824 95% interval +$210 to +$3,438, not yet certain");
    expect(words(container)).toContain("Attributed revenue $12,045 402 orders after an e-mail; not all because of it");
    expect(words(container)).toContain("E-mails sent 4,120");
    expect(words(container)).toContain("1,530 whom campaigns may mail, 46 whom none does");
  });

  it("says that nothing is known yet instead of zero", async () => {
    const data = sample<Dashboard>("GET /api/dashboard");
    data.campaigns = { ...data.campaigns, incremental_revenue: null, incremental_orders: null, measured: 0 };
    answer({ "GET /api/dashboard": { data } });
    const { container } = open("/");
    await waitFor(() => expect(words(container)).toContain("Incremental revenue (measured) Not yet known"));
  });
});

describe("A recommendation", () => {
  it("can be hidden and brought back", async () => {
    const none = { status: 204, body: null };
    const asked = answer({
      "POST /api/recommendations/rec_1/dismiss": () => ({ data: none }),
      "POST /api/recommendations/rec_1/restore": () => ({ data: none }),
    });
    const { container } = open("/campaigns");
    await waitFor(() => expect(words(container)).toContain("Remind 207 customers"));
    fireEvent.click(button(container, "Hide for 30 days"));
    await waitFor(() => expect(words(container)).toContain("is hidden for 30 days"));
    fireEvent.click(button(container, "Undo"));
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/recommendations/rec_1/restore")).toBe(true));
    await waitFor(() => expect(words(container)).not.toContain("is hidden for 30 days"));
  });
});

describe("The holdout of the shop", () => {
  it("is chosen on the settings page", async () => {
    const asked = answer();
    const { container } = open("/settings");
    await waitFor(() => expect(words(container)).toContain("Held out of all campaigns"));
    expect(field(container, "Held out of all campaigns").getAttribute("value")).toBe("3");
    enter(field(container, "Held out of all campaigns"), "5", "change");
    await waitFor(() => expect(asked.find((one) => one.key === "PATCH /api/settings/holdout")?.body).toEqual({ percent: 5 }));
  });
});

describe("A signed number", () => {
  it("has a real minus sign, and none at zero", () => {
    expect([signed(12, estimate), signed(-3.4, estimate), signed(0.01, estimate)]).toEqual(["+12", "−3.4", "0"]);
    expect(interval({ low: null, high: 3 }, estimate)).toBeNull();
  });
});
