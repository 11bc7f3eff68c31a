import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { SegmentReceipts } from "@/shared/api/types";
import { answer, button, open, refused, sample, words } from "../server";

const KEY = "GET /api/segments/seg_7/receipts";

function receipts(changes: Partial<SegmentReceipts>) {
  return { [KEY]: { data: { ...sample<SegmentReceipts>(KEY), ...changes } } };
}

const NOTHING = { receipts: 0, inside: 0, above: 0, below: 0, expected: 0, buyers: 0, mailed_buyers: 0 };

async function page(changes: Partial<SegmentReceipts> = {}) {
  answer(receipts(changes));
  const { container } = open("/segments/seg_7");
  await waitFor(() => expect(words(container)).toContain("Promise and receipts"));
  await waitFor(() => expect(words(container)).not.toContain("Loading the receipts"));
  return container;
}

describe("Promise and receipts", () => {
  it("say what is expected, until when, and how often that held", async () => {
    const text = words(await page());
    expect(text).toContain("We expect 41 of 312 to buy within 30 days (33 to 49).");
    expect(text).toContain("Promised on Nov 23, 2026; the receipt comes on Dec 23, 2026.");
    expect(text).toContain("Of all who could, 9.2% bought in the month before.");
    expect(text).toContain("Of 4 receipts, 3 lay inside the interval; about 80% should.");
    expect(text).toContain("In all, 155 were expected and 150 came.");
    expect(text).toContain("9 buyers had got an e-mail from a campaign before.");
    expect(text).toContain("3 of them are back-dated");
  });

  it("can be read as a table, back-dated and open ones marked", async () => {
    const container = await page();
    const card = container.querySelector<HTMLElement>('s-section[heading="Promised and bought"]');
    if (card === null) throw new Error("no strip");
    fireEvent.click(button(card, "Show table"));
    const rows = [...card.querySelectorAll("s-table-row")].map(words);
    expect(rows).toHaveLength(5);
    expect(rows[1]).toMatch(/Aug 25, 2026 Sep 24, 2026 296 38 27 50 24 No 0 Back-dated/);
    expect(rows[3]).toMatch(/Oct 24, 2026 Nov 23, 2026 309 41 30 52 46 Yes 9 1 member erased or merged since/);
    expect(rows[4]).toMatch(/Nov 23, 2026 Dec 23, 2026 312 41 33 49 – – – Still open/);
  });

  it("of a new shop say what is worked out, and when the first live receipt comes", async () => {
    const text = words(
      await page({
        receipts: [],
        totals: NOTHING,
        look_back: { state: "running", done: 1, wanted: 3, moments: 0 },
      }),
    );
    expect(text).toContain("what it would have promised 30, 60 and 90 days ago (1 of 3 done)");
    expect(text).toContain("The first live receipt comes on Dec 23, 2026.");
    expect(text).not.toContain("Promised and bought");
  });

  it("of a segment that was none then say so", async () => {
    const text = words(
      await page({ receipts: [], totals: NOTHING, look_back: { state: "done", done: 3, wanted: 3, moments: 0 } }),
    );
    expect(text).toContain("No receipt yet: 30, 60 and 90 days ago this would not have been one of the product segments shown.");
    expect(text).toContain("The first live receipt comes on Dec 23, 2026.");
  });

  it("say so if the past months could not be worked out, and what happens then", async () => {
    const text = words(
      await page({ receipts: [], totals: NOTHING, look_back: { state: "failed", done: 1, wanted: 3, moments: 0 } }),
    );
    expect(text).toContain("could not be worked out. It tries again after the next refresh");
  });

  it("with back-dated receipts alone say so, and when the first live one comes", async () => {
    const all = sample<SegmentReceipts>(KEY).receipts.filter((one) => one.back_dated);
    const text = words(
      await page({ receipts: all, totals: { ...NOTHING, receipts: 3, inside: 2, expected: 114.7, buyers: 104 } }),
    );
    expect(text).toContain("All of them are back-dated");
    expect(text).toContain("The first live receipt comes on Dec 23, 2026.");
  });

  it("are not asked for where a segment is not about a product", async () => {
    const details = sample<object>("GET /api/segments/seg_7");
    const asked = answer({ "GET /api/segments/seg_7": { data: { ...details, product: null } } });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("1–3 of 312 members"));
    expect(words(container)).not.toContain("Promise and receipts");
    expect(asked.map((one) => one.key)).not.toContain(KEY);
  });

  it("that fail to load leave the rest of the page", async () => {
    answer({ [KEY]: refused("The store is busy.", null, 503) });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("The receipts could not be loaded"));
    expect(words(container)).toContain("1–3 of 312 members");
  });
});
