import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

describe("The segments list", () => {
  it("shows only, hides, and shows again a category by its chip, all in the address", async () => {
    const asked = answer();
    const { container, router } = open("/segments");
    await waitFor(() => expect(words(container)).toContain("Retain customers 2"));
    fireEvent.click(button(container, "Retain customers 2"));
    await waitFor(() => expect(router.state.location.search).toBe("?categories=retain"));
    await waitFor(() => expect(asked.at(-1)?.url.searchParams.getAll("category")).toEqual(["retain"]));
    fireEvent.click(button(container, "Only Retain customers 2"));
    await waitFor(() => expect(asked.at(-1)?.url.searchParams.getAll("exclude")).toEqual(["retain"]));
    expect(asked.at(-1)?.url.searchParams.getAll("category")).toEqual([]);
    expect(router.state.location.search).toBe("?not=retain");
    fireEvent.click(button(container, "Not Retain customers 2"));
    await waitFor(() => expect(router.state.location.search).toBe(""));
  });

  it("walks forward and back through pages", async () => {
    const asked = answer();
    const { container } = open("/segments");
    await waitFor(() => expect(words(container)).toContain("of 53 segments"));
    fireEvent.click(button(container, "Next page"));
    await waitFor(() => expect(asked.at(-1)?.url.searchParams.get("cursor")).toBe("c2"));
    await waitFor(() => expect(words(container)).toContain("51–57 of 53"));
    fireEvent.click(button(container, "Previous page"));
    await waitFor(() => expect(words(container)).toContain("1–7 of 53"));
  });

  it("says so when a search finds nothing, and clears it", async () => {
    answer({
      "GET /api/segments": { data: { ...sample<object>("GET /api/segments"), items: [], total: 0, next: null } },
    });
    const { container, router } = open("/segments?search=zzz");
    await waitFor(() => expect(words(container)).toContain("No segment matches"));
    fireEvent.click(button(container, "Clear filters"));
    await waitFor(() => expect(router.state.location.search).toBe(""));
  });
});

describe("A segment", () => {
  it("that no longer exists says so", async () => {
    answer({ "GET /api/segments/seg_99": refused("Unknown segment.", null, 404) });
    const { container } = open("/segments/seg_99");
    await waitFor(() => expect(words(container)).toContain("This segment no longer exists"));
  });

  it("with nobody in it offers no campaign, sync or download", async () => {
    const details = sample<{ statistics: object }>("GET /api/segments/seg_7");
    const data = { ...details, statistics: { ...details.statistics, size: 0 } };
    answer({ "GET /api/segments/seg_7": { data } });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("Nobody is in this segment now"));
    for (const text of ["Create campaign", "Sync", "Download"]) {
      expect(button(container, text).hasAttribute("disabled")).toBe(true);
    }
  });

  it("shows each chart as a table", async () => {
    answer();
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("How likely members are to buy"));
    fireEvent.click(button(container, "Show table"));
    await waitFor(() => expect(words(container)).toContain("20%–30% 121"));
  });
});

describe("The segment builder", () => {
  it("counts a rule when it is complete, with the funnel", async () => {
    const asked = answer();
    const { container } = open("/segments/seg_21/edit");
    await waitFor(() => expect(words(container)).toContain("Customers 58 of 2,469 (2.3%)"));
    expect(words(container)).toContain("Reachable by e-mail 31");
    expect(words(container)).toContain("211 customers alone · 211 left after it");
    expect(words(container)).toContain("As of Nov 23, 2026, 7:00 AM, New York time. Counted in 37 ms.");
    const [first] = asked.filter((one) => one.key === "POST /api/segments/preview");
    expect(first?.body).toMatchObject({ segment_id: "seg_21", sample: 10, rule: { v: 1 } });
  });

  it("does not save an unfinished rule and says what is missing", async () => {
    const asked = answer();
    const { container } = open("/segments/new");
    await waitFor(() => expect(words(container)).toContain("Add a condition to see who matches."));
    fireEvent.click(button(container, "Include a segment"));
    await waitFor(() => expect(words(container)).toContain("Not saved yet. Complete the marked condition."));
    expect(words(container)).toContain("Choose a segment.");
    expect(button(container, "Save segment").hasAttribute("disabled")).toBe(true);
    expect(asked.some((one) => one.key === "POST /api/segments")).toBe(false);
  });

  it("shows the app's objection at the condition that it is about", async () => {
    answer({ "POST /api/segments/preview": refused("seg_99 is no segment of this shop.", "rule.match.all[0].did") });
    const { container } = open("/segments/seg_21/edit");
    await waitFor(() => expect(container.querySelectorAll('[data-invalid="true"]')).toHaveLength(1));
    expect(words(container.querySelector('[data-invalid="true"]') as Element)).toContain("seg_99 is no segment of this shop.");
  });

  it("shows a name that is taken at the name", async () => {
    answer({ "PUT /api/segments/seg_21": refused("A segment of this name exists.", "name", 409) });
    const { container } = open("/segments/seg_21/edit");
    await waitFor(() => expect(words(container)).toContain("Customers 58"));
    fireEvent.click(button(container, "Save segment"));
    await waitFor(() => expect(field(container, "Name").getAttribute("error")).toBe("A segment of this name exists."));
  });

  it("adds a condition from a template and takes it back", async () => {
    answer();
    const { container } = open("/segments/new?template=second_order");
    await waitFor(() => expect(field(container, "Name").getAttribute("value")).toBe("One order, due for the second"));
    expect(field(container, "Orders").getAttribute("value")).toBe("is");
    fireEvent.click(button(container, "Remove"));
    await waitFor(() => expect(words(container)).toContain("Add a condition to see who matches."));
    fireEvent.click(button(container, "Undo"));
    await waitFor(() => expect(field(container, "Orders").getAttribute("value")).toBe("is"));
  });
});

describe("The campaign wizard", () => {
  it("saves what is typed, and says so", async () => {
    const asked = answer();
    const { container } = open("/campaigns/cmp_2/edit");
    await waitFor(() => expect(words(container)).toContain("Campaign name"));
    enter(field(container, "Campaign name"), "Milk");
    enter(field(container, "Campaign name"), "Milk, again");
    await waitFor(() => expect(words(container)).toContain("Saving…"));
    await waitFor(() => expect(words(container)).toContain("All changes saved"));
    const patches = asked.filter((one) => one.key === "PATCH /api/campaigns/cmp_2");
    expect(patches.map((one) => one.body)).toEqual([{ name: "Milk, again" }]);
  });

  it("keeps what was refused on screen, with the reason at its field", async () => {
    answer({ "PATCH /api/campaigns/cmp_2": refused("Another campaign has this name.", "name", 409) });
    const { container } = open("/campaigns/cmp_2/edit");
    await waitFor(() => expect(words(container)).toContain("Campaign name"));
    enter(field(container, "Campaign name"), "Milk reminder");
    await waitFor(() => expect(words(container)).toContain("The last change is not saved"));
    expect(field(container, "Campaign name").getAttribute("error")).toBe("Another campaign has this name.");
    expect(field(container, "Campaign name").value).toBe("Milk reminder");
  });

  it("leaves the frequency to the app, and says what that means", async () => {
    const asked = answer();
    const { container } = open("/campaigns/cmp_2/edit?step=timing");
    await waitFor(() => expect(words(container)).toContain("Let the app optimise"));
    expect(words(container)).not.toContain("everyone waits 21 days");
    const often = Object.assign(field(container, "How often one customer gets this campaign"), { values: ["optimise"] });
    fireEvent(often, new Event("change", { bubbles: true }));
    await waitFor(() => expect(words(container)).toContain("everyone waits 21 days"));
    await waitFor(() => expect(words(container)).toContain("All changes saved"));
    expect(asked.find((one) => one.key === "PATCH /api/campaigns/cmp_2")?.body).toEqual({
      timing: { frequency: "optimise" },
    });
  });

  it("lists what is left and leads there, and does not start before", async () => {
    answer();
    const { container, router } = open("/campaigns/cmp_2/edit?step=review");
    await waitFor(() => expect(words(container)).toContain("3 things left before it can start"));
    expect(button(container, "Start: 0 people can be mailed").hasAttribute("disabled")).toBe(true);
    fireEvent.click(button(container, "Go to audience"));
    await waitFor(() => expect(router.state.location.search).toBe("?step=audience"));
  });

  it("starts for the number of people that the check named", async () => {
    const asked = answer();
    const { container, router } = open("/campaigns/cmp_3/edit?step=review");
    await waitFor(() => expect(words(container)).toContain("Start: 118 people can be mailed, first messages now"));
    fireEvent.click(button(container, "Start: 118 people can be mailed, first messages now"));
    await waitFor(() => expect(router.state.location.pathname).toBe("/campaigns/cmp_3"));
    expect(asked.some((one) => one.key === "POST /api/campaigns/cmp_3/activate")).toBe(true);
  });

  it("opens a prefilled draft once, and an empty one when the suggestion is gone", async () => {
    const asked = answer();
    const { router } = open("/campaigns/new?recommendation=rec_1");
    await waitFor(() => expect(router.state.location.pathname).toBe("/campaigns/cmp_2/edit"));
    expect(asked.filter((one) => one.key === "POST /api/campaigns").map((one) => one.body)).toEqual([
      { recommendation_id: "rec_1", segment_id: null },
    ]);
    const replies: Parameters<typeof answer>[0] = {
      "POST /api/campaigns": refused("This recommendation is out of date.", null, 404),
    };
    answer(replies);
    const { container } = open("/campaigns/new?recommendation=rec_9");
    await waitFor(() => expect(words(container)).toContain("This suggestion no longer holds"));
    expect(words(container)).toContain("New empty campaign");
  });

  it("does not call a suggestion gone because the app is busy", async () => {
    answer({ "POST /api/campaigns": refused("The store is busy.", null, 503) });
    const { container } = open("/campaigns/new?recommendation=rec_1");
    await waitFor(() => expect(words(container)).toContain("The draft could not be made"));
    expect(words(container)).not.toContain("This suggestion no longer holds");
  });
});

describe("A campaign", () => {
  it("finds a customer's decisions", async () => {
    const asked = answer();
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("Customer 8"));
    enter(field(container, "Find a customer"), "ada.winters@example.com", "change");
    await waitFor(() => expect(asked.at(-1)?.url.searchParams.get("search")).toBe("ada.winters@example.com"));
  });

  it("shows both counts that its limit of repeats goes by", async () => {
    answer();
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("2, 1 since the last purchase"));
  });

  it("shows the wait that the app drew, and how likely the draw was", async () => {
    answer();
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("21 days, drawn at 12"));
  });

  it("is paused by one click", async () => {
    answer();
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("Pause"));
    fireEvent.click(button(container, "Pause"));
    await waitFor(() => expect(words(container)).toContain("Nothing goes out."));
  });
});

describe("Senders", () => {
  it("show a refused address at its field", async () => {
    answer({ "POST /api/senders": refused("This is no e-mail address.", "from_address") });
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("Create sender"));
    fireEvent.click(button(container, "Create sender"));
    await waitFor(() => expect(words(container)).toContain("New sender"));
    enter(field(container, "Display name"), "Ann");
    enter(field(container, "From address"), "ann");
    enter(field(container, "Company"), "Ann Inc");
    enter(field(container, "Postal address"), "1 Main St");
    const form = [...container.querySelectorAll("s-section")].find((one) => one.getAttribute("heading") === "New sender");
    fireEvent.click(button(form as Element, "Create sender"));
    await waitFor(() => expect(field(container, "From address").getAttribute("error")).toBe("This is no e-mail address."));
  });
});

describe("A sync", () => {
  it("is named after its segment, also of one that has nobody to choose", async () => {
    const syncs = sample<{ items: object[] }>("GET /api/syncs");
    const data = { items: syncs.items.map((one) => ({ ...one, segment_id: "seg_99", segment_name: "Quiet ones" })) };
    answer({ "GET /api/syncs": { data } });
    const { container } = open("/connections");
    await waitFor(() => expect(words(container)).toContain("Quiet ones → Klaviyo"));
  });

  it("says why its schedule was not changed", async () => {
    answer({ "PATCH /api/syncs/syn_1": refused("This sync does not exist any more.", null, 404) });
    const { container } = open("/connections");
    await waitFor(() => expect(words(container)).toContain("Preview changes"));
    fireEvent.click(button(container, "Run only by hand"));
    await waitFor(() => expect(words(container)).toContain("This sync does not exist any more."));
  });

  it("shows what a run would do before it runs", async () => {
    const asked = answer();
    const { container } = open("/connections");
    await waitFor(() => expect(words(container)).toContain("Preview changes"));
    fireEvent.click(button(container, "Preview changes"));
    await waitFor(() => expect(words(container)).toContain("Add 10 Update 0 Remove 7"));
    expect(words(container)).toContain("Nothing has been sent.");
    fireEvent.click(button(container, "Run: 17 changes"));
    await waitFor(() => expect(asked.find((one) => one.key === "POST /api/syncs/syn_1/run")?.body).toEqual({ approve_removals: false }));
  });

  it("shows what became of each member", async () => {
    answer();
    const { container } = open("/connections?sync=syn_1");
    await waitFor(() => expect(words(container)).toContain("Show"));
    fireEvent.click(button(container, "Outcomes of the run of Nov 23, 2026, 7:00 AM"));
    await waitFor(() => expect(words(container)).toContain("ada.winters@example.com Added"));
    expect(words(container)).toContain("Customer 8 Failed The vendor refused the address");
  });
});

describe("The settings of estimates", () => {
  const KEY = "GET /api/settings/demographics";
  const CHANGE = "PATCH /api/settings/demographics";
  interface Settings {
    estimates: Record<string, unknown>[];
    income_table: unknown;
  }

  function settings(change: object): { data: Settings } {
    const full = sample<Settings>(KEY);
    return { data: { ...full, estimates: full.estimates.map((one, at) => (at === 1 ? { ...one, ...change } : one)) } };
  }

  function turn(container: Element, label: string, on: boolean): void {
    const found = container.querySelector<HTMLInputElement>(`s-switch[label="${label}"]`);
    if (found === null) throw new Error(`no switch ${label}`);
    found.checked = on;
    fireEvent.change(found);
  }

  it("turn one on, say that it is computed, and take it back", async () => {
    const asked = answer({ [CHANGE]: settings({ enabled: true, state: "computing" }) });
    const { container } = open("/settings");
    await waitFor(() => expect(words(container)).toContain("Estimate income by postcode"));
    turn(container, "Estimate income by postcode", true);
    await waitFor(() => expect(words(container)).toContain("Area income estimate is on"));
    expect(asked.find((one) => one.key === CHANGE)?.body).toEqual({ area_income: true });
    expect(words(container)).toContain("Encore classifies your customers.");
    fireEvent.click(button(container, "Undo"));
    await waitFor(() => expect(asked.filter((one) => one.key === CHANGE).at(-1)?.body).toEqual({ area_income: false }));
    await waitFor(() => expect(words(container)).not.toContain("Undo"));
  });

  it("say why a change was refused, and stay as they were", async () => {
    answer({ [CHANGE]: refused("No table of area incomes is loaded on this installation.", "area_income", 409) });
    const { container } = open("/settings");
    await waitFor(() => expect(words(container)).toContain("Estimate income by postcode"));
    turn(container, "Estimate income by postcode", true);
    await waitFor(() => expect(words(container)).toContain("The setting was not changed"));
    expect(words(container)).toContain("No table of area incomes is loaded");
  });

  it("say so when the refresh failed, and ask for another", async () => {
    const asked = answer({
      [KEY]: settings({ enabled: true, state: "failed" }),
      "POST /api/refresh": { data: null },
    });
    const { container } = open("/settings");
    await waitFor(() => expect(words(container)).toContain("The classes could not be computed"));
    fireEvent.click(button(container, "Try again"));
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/refresh")).toBe(true));
  });

  it("say what is not known of the error", async () => {
    const coverage = { customers: 10, by_field: 0, estimated: 4, unknown: 6, expected_accuracy: null };
    answer({ [KEY]: settings({ enabled: true, state: "ready", coverage, as_of: "2026-11-23T18:05:00Z" }) });
    const { container } = open("/settings");
    await waitFor(() =>
      expect(words(container)).toContain("Expected to be wrong Not known the loaded table has no margins of error"),
    );
  });
});
