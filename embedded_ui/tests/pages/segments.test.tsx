import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

interface Row {
  id: string;
  name: string;
  state: string;
}
interface List {
  items: Row[];
}

const box = (container: Element, name: string) => {
  const found = container.querySelector<HTMLElement & { checked: boolean; disabled: boolean }>(
    `s-checkbox[accessibilitylabel="Compare ${name}"]`,
  );
  if (found === null) throw new Error(`No box for ${name}`);
  return found;
};
const choose = (container: Element, name: string) => {
  const found = box(container, name);
  found.checked = true;
  fireEvent(found, new Event("change", { bubbles: true }));
};

describe("The segments list", () => {
  it("compares two or three rows, and lets nobody choose a fourth", async () => {
    const asked = answer();
    const { container } = open("/segments");
    await waitFor(() => expect(words(container)).toContain("Due for Fluid Milk"));
    choose(container, "Active");
    await waitFor(() => expect(words(container)).toContain("“Active” chosen; tick one or two more."));
    expect(button(container, "Compare").hasAttribute("disabled")).toBe(true);
    choose(container, "Due for Fluid Milk 1 gal");
    choose(container, "Due");
    await waitFor(() => expect(words(container)).toContain("3 of at most 3 chosen."));
    fireEvent.click(button(container, "Compare"));
    await waitFor(() =>
      expect(asked.filter((one) => one.key === "GET /api/segments/overlap").at(-1)?.url.searchParams.get("ids")).toBe(
        "seg_1,seg_7,seg_2",
      ),
    );
    await waitFor(() => expect(words(container)).toContain("1,630 customers in at least one of them, 1,078 reachable"));
    expect(words(container)).toContain("“Active” and “Due for Fluid Milk 1 gal”, not “Due” 190 · 11.7%");
    const { items } = sample<List>("GET /api/segments");
    const fourth = items.find((one) => !["seg_1", "seg_2", "seg_7"].includes(one.id) && one.state === "ready");
    expect(box(container, fourth?.name ?? "").hasAttribute("disabled")).toBe(true);
    fireEvent.click(button(container, "Show table"));
    await waitFor(() => expect(words(container)).toContain("“Due”, not “Active” or “Due for Fluid Milk 1 gal” 304 196"));
    fireEvent.click(button(container, "Clear choice"));
    await waitFor(() => expect(words(container)).not.toContain("in at least one of them"));
  });

  it("keeps the old numbers, marked as old, with their age, while a segment is worked out", async () => {
    const list = sample<List>("GET /api/segments");
    const items = list.items.map((one) => (one.id === "seg_1" ? { ...one, state: "pending" } : one));
    answer({ "GET /api/segments": { data: { ...list, items } } });
    const { container } = open("/segments");
    await waitFor(() => expect(container.querySelector('s-spinner[accessibilitylabel="Working out Active"]')).not.toBeNull());
    const old = [...container.querySelectorAll(".encore-old")].map((one) => one.textContent);
    expect(old).toEqual(["1,204", "803", "+36", "61.4%"]);
    expect(words(container)).toMatch(/ago/);
  });
});

describe("A segment's page", () => {
  it("shows its days with who entered and left, also as a table", async () => {
    answer();
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("14 days: 78 entered, 38 left."));
    const card = [...container.querySelectorAll("s-section")].find((one) => one.getAttribute("heading") === "Size over time");
    if (card === undefined) throw new Error("No card of days");
    fireEvent.click(button(card, "Show table"));
    await waitFor(() => expect(words(card)).toContain("Nov 23, 2026 312 8 3"));
  });

  it("says from when on a new segment has days to show", async () => {
    const trend = sample<{ days: unknown[] }>("GET /api/segments/seg_7/trend");
    answer({ "GET /api/segments/seg_7/trend": { data: { ...trend, days: trend.days.slice(0, 1) } } });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("From tomorrow on, this shows the size of each day"));
  });

  it("shows what members buy more than others, against all customers", async () => {
    answer();
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("Cheddar Cheese 64.4% against 28.4% · 2.3×"));
  });

  it("shows how long a product lasts its members", async () => {
    answer();
    const { container } = open("/segments/seg_7");
    await waitFor(() =>
      expect(words(container)).toContain("Half of 5,428 pauses between two purchases of Fluid Milk 1 gal last at most 7 days."),
    );
  });

  it("shows the margin of the sales whose cost is known", async () => {
    answer();
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("Margin $57,717 38.9% of the 90% of sales with a known cost"));
  });

  it("is compared with others chosen by name", async () => {
    const asked = answer();
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("Compare with other segments"));
    fireEvent.click(button(container, "Compare"));
    await waitFor(() => expect(field(container, "Compare with")).toBeTruthy());
    enter(field(container, "Compare with"), "seg_1", "change");
    await waitFor(() =>
      expect(asked.find((one) => one.key === "GET /api/segments/overlap")?.url.searchParams.get("ids")).toBe("seg_7,seg_1"),
    );
    await waitFor(() => expect(words(container)).toContain("in at least one of them"));
  });

  it("whose evaluation failed says how old its numbers are, and tries again", async () => {
    const details = sample<object>("GET /api/segments/seg_7");
    const failed = {
      ...details,
      state: "failed",
      reason: "The last evaluation failed: the file was not there",
      failed_at: "2026-11-23T16:00:00Z",
    };
    const asked = answer({
      "GET /api/segments/seg_7": { data: failed },
      "POST /api/segments/seg_7/evaluate": { data: details },
    });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("The last evaluation failed: the file was not there"));
    expect(words(container)).toMatch(/those of the last good one, .+ \(Nov 23, 2026, 7:00 AM\). Nothing was lost./);
    expect(words(container)).toContain("Size 312");
    fireEvent.click(button(container, "Retry"));
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/segments/seg_7/evaluate")).toBe(true));
  });

  it("stands when one of its charts can't be loaded", async () => {
    answer({ "GET /api/segments/seg_7/affinity": refused("The lake is busy.", null, 503) });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("Their products could not be loaded"));
    expect(words(container)).toContain("14 days: 78 entered");
  });
});
