import { waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answer, enter, field, open, sample, words } from "../server";

const DRAFT = "GET /api/campaigns/cmp_3";
const STARTED = "GET /api/campaigns/cmp_2";

describe("A campaign about to start", () => {
  it("says in its review that discounts are managed, instead of a dash", async () => {
    const draft = sample<{ discount: object }>(DRAFT);
    answer({ [DRAFT]: { data: { ...draft, discount: { ...draft.discount, mode: "managed" } } } });
    const { container } = open("/campaigns/cmp_3/edit?step=review");
    // The first of a file waits for the page's own chunk, too.
    const says = "Discount Managed by Encore, within your maximum and budget";
    await waitFor(() => expect(words(container)).toContain(says), { timeout: 4000 });
  });
});

describe("A campaign that has just started", () => {
  it("shows that the first decisions are to come, instead of a sum of noughts", async () => {
    const empty = { data: { items: [], next: null } };
    const started = sample<{ counts: object }>(STARTED);
    const counts = { ...started.counts, last_tick: "2026-11-23T12:00:00Z" };
    answer({
      [STARTED]: { data: { ...started, state: "active", counts } },
      "GET /api/campaigns/cmp_2/report": { data: sample("GET /api/campaigns/cmp_3/report") },
      "GET /api/campaigns/cmp_2/decisions": empty,
    });
    const { container } = open("/campaigns/cmp_2");
    await waitFor(() => expect(words(container)).toContain("No decision yet. The first appear here within a minute."));
    expect(words(container)).toContain("Nobody considered yet Encore looks at the whole audience within a minute");
    expect(words(container)).not.toContain("0 customers considered");
    enter(field(container, "Find a customer"), "nobody@example.com", "change");
    await waitFor(() => expect(words(container)).toContain("No decision matches."));
  });
});

describe("A campaign with hundreds of products", () => {
  it("shows the first twenty of their receipts, and says where the rest is", async () => {
    const report = sample<{ figures: { products: { title: string }[] } }>("GET /api/campaigns/cmp_1/report");
    const [one] = report.figures.products;
    const products = Array.from({ length: 787 }, (_, place) => ({ ...one, title: `Tea ${place + 1}.` }));
    answer({ "GET /api/campaigns/cmp_1/report": { data: { ...report, figures: { ...report.figures, products } } } });
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("The first 20 of 787; the CSV file has all of them."));
    expect(words(container)).toContain("Tea 20.");
    expect(words(container)).not.toContain("Tea 21.");
  });
});

describe("A sender that several campaigns use", () => {
  it("names each on a line of its own", async () => {
    const senders = sample<{ items: { used_by: object[] }[] }>("GET /api/senders");
    const [first, ...rest] = senders.items;
    const used_by = [{ id: "cmp_1", name: "Milk" }, { id: "cmp_2", name: null }];
    answer({ "GET /api/senders": { data: { ...senders, items: [{ ...first, used_by }, ...rest] } } });
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("Unnamed draft"));
    const lines = [...container.querySelectorAll("dd > div")].map((line) => line.textContent);
    expect(lines).toEqual(expect.arrayContaining(["Milk", "Unnamed draft"]));
  });
});
