import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Leaf } from "@/features/rules/rule";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

interface Details {
  rule: { v: 1; match: { all: Leaf[] } };
}

/** The builder, open on a segment with these conditions. */
async function build(...leaves: unknown[]): Promise<{ container: HTMLElement; asked: ReturnType<typeof answer> }> {
  const details = sample<Details>("GET /api/segments/seg_21");
  const data = { ...details, rule: { v: 1, match: { all: leaves } } };
  const asked = answer({ "GET /api/segments/seg_21": { data } });
  const { container } = open("/segments/seg_21/edit");
  await waitFor(() => expect(words(container)).toContain("Who matches now"));
  return { container, asked };
}

/** The conditions that were counted last. */
async function counted(asked: ReturnType<typeof answer>, expected: unknown[]): Promise<void> {
  await waitFor(() => {
    const last = asked.filter((one) => one.key === "POST /api/segments/preview").at(-1);
    expect((last?.body as { rule: { match: { all: unknown[] } } }).rule.match.all).toEqual(expected);
  });
}

describe("Editors of conditions", () => {
  it("change a sequence, and say that absence waits", async () => {
    const leaf = { first: { did: "ordered" }, then: { did: "ordered", count: { op: "eq", n: 0 } }, within: "60d" };
    const { container, asked } = await build(leaf);
    expect(words(container)).toContain("Customers come in once that time has fully passed");
    enter(field(container, "Then, within"), "30");
    await counted(asked, [{ ...leaf, within: "30d" }]);
  });

  it("ask for a detail of the latest event", async () => {
    const { container } = await build({ latest: "ordered", has: [] });
    expect(words(container)).toContain("Say how it was the last time: add a detail.");
    expect(button(container, "Save segment").hasAttribute("disabled")).toBe(true);
  });

  it("change where customers stand with an event", async () => {
    const { container, asked } = await build({ life: "stopped", event: "ordered", gap: "90d" });
    enter(field(container, "Not in the last"), "120");
    await counted(asked, [{ life: "stopped", event: "ordered", gap: "120d" }]);
  });

  it("rank among members of a segment", async () => {
    const { container, asked } = await build({ rank: "orders.count", top_percent: 10 });
    enter(field(container, "Among"), "segment", "change");
    await waitFor(() => expect(words(container)).toContain("Choose a segment."));
    enter(field(container, "Segment"), "seg_7", "change");
    await counted(asked, [{ rank: "orders.count", top_percent: 10, among: { in: "seg_7" } }]);
  });

  it("rank among customers of conditions of their own", async () => {
    const { container, asked } = await build({ rank: "orders.count", top_percent: 10 });
    enter(field(container, "Among"), "own", "change");
    await waitFor(() => expect(container.querySelectorAll(".encore-leaf .encore-group")).toHaveLength(1));
    const own = container.querySelector(".encore-leaf .encore-group") as HTMLElement;
    enter(field(own, "Times"), "3");
    const among = { all: [{ did: "ordered", count: { op: "gte", n: 3 } }] };
    await counted(asked, [{ rank: "orders.count", top_percent: 10, among }]);
    fireEvent.click(button(own, "Remove"));
    await waitFor(() => expect(words(container)).toContain("Add a condition to the group."));
  });

  it("find customers near a place once it is whole", async () => {
    const { container, asked } = await build({ near: { lat: "", lon: "", km: 25 } });
    expect(words(container)).toContain("Enter a latitude between -90 and 90.");
    enter(field(container, "Latitude"), "40.7");
    enter(field(container, "Longitude"), "-74");
    await counted(asked, [{ near: { lat: 40.7, lon: -74, km: 25 } }]);
  });

  it("look back at a segment's history", async () => {
    const { container, asked } = await build({ in: "seg_7" });
    enter(field(container, "They"), "left", "change");
    await counted(asked, [{ in: "seg_7", moved: "left", during: { last: "30d" } }]);
  });

  it("say what becomes of those for whom the value is not known", async () => {
    const leaf = { attr: "country", op: "is_not", value: "US" };
    const { container, asked } = await build(leaf);
    expect(field(container, "If not known").getAttribute("value")).toBe("match");
    enter(field(container, "If not known"), "skip", "change");
    await counted(asked, [{ ...leaf, missing: "skip" }]);
  });

  it("offer anniversaries of dates", async () => {
    const { container, asked } = await build({ attr: "created", during: { last: "30d" } });
    enter(field(container, "When"), "anniversary", "change");
    await counted(asked, [{ attr: "created", during: { anniversary: { next: "14d" } } }]);
  });
});

describe("The rule form", () => {
  it("takes back and does again", async () => {
    const { container, asked } = await build({ in: "seg_7" });
    enter(field(container, "They"), "left", "change");
    await counted(asked, [{ in: "seg_7", moved: "left", during: { last: "30d" } }]);
    fireEvent.click(button(container, "Undo"));
    await waitFor(() => expect(field(container, "They").value).toBe("now"));
    fireEvent.click(button(container, "Redo"));
    await waitFor(() => expect(field(container, "They").value).toBe("left"));
  });

  it("does not save while the app refuses, and names the circle", async () => {
    const circle = "Segments would use each other in a circle: “A” → “B” → “A”.";
    answer({ "POST /api/segments/preview": refused(circle, "rule") });
    const { container } = open("/segments/seg_21/edit");
    await waitFor(() => expect(words(container)).toContain(circle));
  });

  it("restores an earlier version", async () => {
    const { container, asked } = await build({ in: "seg_7" });
    await waitFor(() => expect(words(container)).toContain("Version 1"));
    fireEvent.click(button(container, "Restore version 1"));
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/segments/seg_21/versions/1/restore")).toBe(true));
  });
});

describe("Shopify's segment language", () => {
  it("is read, with what can't be carried over, before anything changes", async () => {
    const { container, asked } = await build({ in: "seg_7" });
    fireEvent.click(button(container, "Shopify segment"));
    enter(field(container, "Paste a Shopify segment"), "number_of_orders > 1 AND shopify_email.opened MATCHES ()");
    fireEvent.click(button(container, "Read it"));
    await waitFor(() => expect(words(container)).toContain("shopify_email.opened MATCHES (): Shopify's own e-mails"));
    expect(words(container)).toContain("number_of_orders > 1: Encore counts paid orders");
    fireEvent.click(button(container, "Use what could be carried over"));
    await counted(asked, [{ attr: "orders.count", op: "gt", value: 1 }]);
  });

  it("is refused with the place where it stops making sense", async () => {
    answer({ "POST /api/segments/shopify/import": refused("This is not a Shopify segment query. At character 3: …", "query") });
    const { container } = open("/segments/new");
    await waitFor(() => expect(words(container)).toContain("Add a condition"));
    fireEvent.click(button(container, "Shopify segment"));
    enter(field(container, "Paste a Shopify segment"), "a >> b");
    fireEvent.click(button(container, "Read it"));
    await waitFor(() => expect(words(container)).toContain("At character 3"));
  });

  it("is written in the chosen spelling, with what is left out", async () => {
    const { container, asked } = await build({ in: "seg_7" });
    fireEvent.click(button(container, "Shopify segment"));
    enter(field(container, "Spelling"), "2026-07", "change");
    fireEvent.click(button(container, "Copy as Shopify segment"));
    await waitFor(() => expect(words(container)).toContain("Can be reached by e-mail: Shopify does not know"));
    const body = asked.find((one) => one.key === "POST /api/segments/shopify/export")?.body;
    expect(body).toEqual({ rule: { v: 1, match: { all: [{ in: "seg_7" }] } }, spelling: "2026-07" });
    expect(field(container, "Shopify segment").getAttribute("value")).toContain("products_purchased MATCHES");
  });
});
