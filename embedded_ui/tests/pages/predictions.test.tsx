import { waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { arranged } from "@/features/predictions/ProductsTable";
import type { Backtest, KindCard, ModelCard, ShopReceipts } from "@/shared/api/types";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

const BACKTEST = "GET /api/predictions/backtest";

function backtest(changes: Partial<Backtest>): Record<string, { data: unknown }> {
  return { [BACKTEST]: { data: { ...sample<Backtest>(BACKTEST), ...changes } } };
}

async function opened(changes: Parameters<typeof answer>[0] = {}) {
  answer(changes);
  const { container } = open("/predictions");
  await waitFor(() => expect(words(container)).toContain("Repurchase: what is used, and why"));
  return container;
}

describe("The model card", () => {
  it("shows the kind that was chosen, and why a rule serves it", async () => {
    const container = await opened();
    button(container, "Cross-sell, Fair").click();
    await waitFor(() => expect(words(container)).toContain("Cross-sell: what is used, and why"));
    expect(words(container)).toContain("did not rank customers better on your own last month");
    expect(words(container)).toContain("Bought together lately Used 0.064");
    expect(words(container)).not.toContain("Fluid Milk 1 gal");
  });

  it("finds a product by its name", async () => {
    const container = await opened();
    enter(field(container, "Find a product"), "banana");
    await waitFor(() => expect(words(container)).not.toContain("Fluid Milk 1 gal"));
    expect(words(container)).toContain("Bananas 393 310");
    enter(field(container, "Find a product"), "zzz");
    await waitFor(() => expect(words(container)).toContain("No product of this name had at least 10 buyers."));
  });

  it("reads its charts as tables too", async () => {
    const container = await opened();
    const chart = await waitFor(() => {
      const found = container.querySelector<HTMLElement>('s-section[heading^="Past predictions"] s-button')?.closest("s-section");
      if (found == null) throw new Error("The back-test is not there");
      return found;
    });
    button(chart, "Show table").click();
    await waitFor(() => expect(words(chart)).toContain("Sep 28, 2026 48,560 48,319"));
  });

  it("says without a card before what will be compared", async () => {
    const { card } = sample<{ card: ModelCard }>("GET /api/predictions/card");
    const first = { ...card, kinds: card.kinds.map((kind) => ({ ...kind, drift: null })), earlier: card.earlier.slice(0, 1) };
    const container = await opened({ "GET /api/predictions/card": { data: { card: first } } });
    expect(words(container)).toContain("Changes show from the second time on.");
    expect(words(container)).not.toContain("Earlier predictions");
  });
});

describe("Promises and receipts", () => {
  it("of all product segments stand with the month and whether they were made beforehand", async () => {
    const container = await opened();
    await waitFor(() => expect(words(container)).toContain("Product segments expected 155 buyers, and 150 came."));
    expect(words(container)).toContain("3 of 4 receipts lay inside the promised range");
    expect(words(container)).toContain("2026-10 Back-dated 1 1 40 41");
    expect(words(container)).toContain("2026-11 Beforehand 1 1 41 46");
  });

  it("without a receipt say when the first comes", async () => {
    const found = sample<ShopReceipts>("GET /api/receipts");
    const totals = { ...found.totals, receipts: 0 };
    const container = await opened({ "GET /api/receipts": { data: { ...found, totals } } });
    await waitFor(() => expect(words(container)).toContain("The first receipt comes on Dec 23, 2026."));
  });
});

describe("What was left out", () => {
  it("is said with the reason", async () => {
    const container = await opened();
    expect(words(container)).toContain(
      "Not learned from: 1,204 order lines returned or removed from the order; 1 order line of gift cards.",
    );
  });
});

describe("The back-test", () => {
  it("of a young shop says when the first result is possible", async () => {
    const container = await opened(backtest({ state: "too_short", moments: [], planned: 0, done: 0 }));
    await waitFor(() => expect(words(container)).toContain("The first result is possible on May 13, 2026."));
  });

  it("says how far it is while it is worked out", async () => {
    const container = await opened(backtest({ state: "working", moments: [], planned: 8, done: 0 }));
    await waitFor(() => expect(words(container)).toContain("0 of 8 past weeks are done"));
  });

  it("says that part of a large shop's customers was looked at", async () => {
    const container = await opened(backtest({ sample_share: 0.25 }));
    await waitFor(() => expect(words(container)).toContain("Counts are of 25% of customers, drawn by chance."));
  });

  it("that can't be loaded leaves the card readable", async () => {
    const container = await opened({ [BACKTEST]: refused("The store is busy.", null, 503) });
    await waitFor(() => expect(words(container)).toContain("The back-test could not be loaded"));
    expect(words(container)).toContain("Compared with simple rules");
  });
});

describe("Products", () => {
  const products = (): KindCard["products"] => {
    const { card } = sample<{ card: ModelCard }>("GET /api/predictions/card");
    return card.kinds[0]?.products ?? [];
  };

  it("are sorted by what was asked for, in both directions", () => {
    const titles = (sort: Parameters<typeof arranged>[2], up: boolean) => arranged(products(), "", sort, up).map((one) => one.title);
    expect(titles("off", false)).toEqual(["Bananas", "Fluid Milk 1 gal", "Shredded Cheese"]);
    expect(titles("title", true)).toEqual(["Bananas", "Fluid Milk 1 gal", "Shredded Cheese"]);
    expect(titles("lift_top5", true)).toEqual(["Fluid Milk 1 gal", "Shredded Cheese", "Bananas"]);
  });
});
