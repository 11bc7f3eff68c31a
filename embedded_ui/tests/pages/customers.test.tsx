import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Explanation, Profile, SegmentDetails } from "@/shared/api/types";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

const PROFILE = "GET /api/customers/8";
const EXPLAIN = "GET /api/segments/seg_21/explain/8";
const DETAILS = "GET /api/segments/seg_21";

function named(container: Element, text: string): HTMLElement {
  const all = [...container.querySelectorAll<HTMLElement>("s-button")];
  const found = all.find((one) => one.textContent.trim() === text);
  if (found === undefined) throw new Error(`No button “${text}”`);
  return found;
}

describe("A customer's page", () => {
  it("shows who it is, why there is no e-mail, key facts and what is likely", async () => {
    answer();
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("Order #1042"));
    const text = words(container);
    expect(text).toContain("Not reachable: Unsubscribed");
    expect(text).toContain("Shopify customer 7008 · Number 8 · Known since Mar 2, 2024 · Merged with number 41");
    expect(text).toContain("E-mail: unsubscribed since Sep 1, 2026, 7:00 AM, from the unsubscribe link, single opt in");
    expect(text).toContain("2 marketing e-mails sent, the last on Aug 20, 2026, 10:00 AM · held out 1 time");
    expect(text).toContain("$182.40");
    expect(text).toContain("Nov 28, 2026 to Feb 2, 2027");
    expect(text).toMatch(/Fluid Milk 1 gal 4\.1% 2\.3 Bought Ground Coffee/);
  });

  it("shows what happened, newest first, by page", async () => {
    const asked = answer();
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("Order #1042"));
    const text = words(container);
    expect(text).toContain("Order #1042 · $34.50 · $9.00 refunded");
    expect(text).toContain("2 × Ground Coffee · $18.00 · 1 returned");
    expect(text).toContain("Cancelled");
    expect(text.indexOf("Entered")).toBeLessThan(text.indexOf("Order #1042"));
    fireEvent.click(button(container, "Next page"));
    await waitFor(() => expect(asked.some((one) => one.url.searchParams.get("cursor") === "abc")).toBe(true));
  });

  it("shows the segments, explained on demand, and what campaigns decided", async () => {
    const asked = answer();
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("Coffee lovers who stopped"));
    await waitFor(() => expect(words(container)).toContain("Not subscribed to e-mail marketing"));
    expect(asked.map((one) => one.key)).not.toContain(EXPLAIN);
    fireEvent.click(button(container, "Why: Coffee lovers who stopped"));
    await waitFor(() => expect(words(container)).toContain("The rule holds for this customer."));
  });

  it("of an erased customer says that and nothing else", async () => {
    answer({ [PROFILE]: refused("This customer's data was erased. Nothing of it is kept here.", null, 404) });
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("This customer's data was erased."));
    expect(words(container)).not.toContain("Timeline");
  });

  it("of a customer without orders says what is not there", async () => {
    const bare = { ...sample<Profile>(PROFILE), facts: null, values: null, repurchase: [], cross_sell: [] };
    answer({
      [PROFILE]: { data: bare },
      "GET /api/customers/8/timeline": { data: { items: [], next: null } },
      "GET /api/customers/8/segments": { data: { items: [] } },
      "GET /api/customers/8/decisions": { data: { items: [] } },
    });
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("Nothing has happened yet"));
    for (const said of ["No order that counts yet.", "Nothing is predicted", "In no segment.", "No campaign has considered"]) {
      await waitFor(() => expect(words(container)).toContain(said));
    }
  });

  it("goes on where a stretch of the timeline is empty", async () => {
    answer({ "GET /api/customers/8/timeline": { data: { items: [], next: "abc" } } });
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("Nothing in this stretch of time."));
    expect(button(container, "Next page").hasAttribute("disabled")).toBe(false);
  });

  it("keeps the rest when one part fails", async () => {
    answer({ "GET /api/customers/8/timeline": refused("The store is busy.", null, 503) });
    const { container } = open("/customers/8");
    await waitFor(() => expect(words(container)).toContain("The timeline could not be loaded"));
    expect(words(container)).toContain("Key facts");
  });

  it("is found by a whole address or number, and says that names can't be searched", async () => {
    const asked = answer();
    const { container, router } = open("/customers");
    await waitFor(() => expect(words(container)).toContain("Names are stored sealed"));
    enter(field(container, "Find a customer"), "ben.okafor@example.com", "change");
    await waitFor(() => expect(words(container)).toContain("Ben Okafor"));
    expect(asked.find((one) => one.key === "GET /api/customers")?.url.searchParams.get("q")).toBe("ben.okafor@example.com");
    fireEvent.click(named(container, "Open"));
    await waitFor(() => expect(router.state.location.pathname).toBe("/customers/8"));
  });

  it("that nobody fits says so", async () => {
    answer({ "GET /api/customers": { data: { items: [] } } });
    const { container } = open("/customers");
    await waitFor(() => expect(words(container)).toContain("Find one customer"));
    enter(field(container, "Find a customer"), "Ben", "change");
    await waitFor(() => expect(words(container)).toContain("No customer of your shop fits “Ben”."));
  });
});

describe("Why in, why not?", () => {
  async function explained(changes: Partial<Explanation> = {}) {
    const asked = answer({ [EXPLAIN]: { data: { ...sample<Explanation>(EXPLAIN), ...changes } } });
    const { container } = open("/segments/seg_21?customer=8");
    await waitFor(() => expect(words(container)).toContain("The rule, part by part"));
    return { container, asked };
  }

  it("shows each part of the rule with the own value, the nearest change and the day", async () => {
    const { container } = await explained();
    const text = words(container);
    expect(text).toMatch(/Holds ✓ Ordered \(product is one of “Ground Coffee”\) at least 2 times in the last year/);
    expect(text).toContain("Ordered 4 times, last on 14 August 2026");
    expect(text).toContain("The rule would no longer take this customer if the customer placed 1 more order now");
    expect(text).toContain("If nothing happens: the rule lets this customer go on May 2, 2027, 12:00 AM.");
  });

  it("says when nothing flips it, and what was taken as it is", async () => {
    const no_way = "No change of this customer alone flips it. What decides is a prediction.";
    const { container } = await explained({ ways: [], no_way, flips_at: null, flips_to: null, held: ["predictions"] });
    expect(words(container)).toContain(no_way);
    expect(words(container)).toContain("the rule says the same for the next 400 days. Predictions taken as now.");
  });

  it("pins a customer and shows how the size adds up", async () => {
    const { container, asked } = await explained();
    await waitFor(() => expect(words(container)).toContain("Ada Winters · pinned in on Nov 20, 2026 · Our baker"));
    expect(words(container)).toContain("plus 1 whom it leaves out, minus 1 whom it would take");
    expect(words(container)).toContain("58 by the rule + 1 pinned in − 1 pinned out = 58 customers");
    fireEvent.click(named(container, "Never in"));
    await waitFor(() => expect(asked.find((one) => one.key === "PUT /api/segments/seg_21/pins/8")?.body).toEqual({ kind: "out" }));
  });

  it("offers no pins in an automatic segment", async () => {
    answer();
    const { container } = open("/segments/seg_7?customer=3");
    await waitFor(() => expect(words(container)).toContain("A prediction: it changes only"));
    expect(words(container)).not.toContain("Never in");
    expect(words(container)).not.toContain("Nobody is pinned");
  });

  it("is asked from a member's row", async () => {
    const asked = answer();
    const { container } = open("/segments/seg_21");
    await waitFor(() => expect(words(container)).toContain("Ben Okafor"));
    const rows = [...container.querySelectorAll<HTMLElement>("s-menu s-button")].filter((one) => one.textContent === "Why in?");
    fireEvent.click(rows[1] as HTMLElement);
    await waitFor(() => expect(asked.map((one) => one.key)).toContain(EXPLAIN));
    await waitFor(() => expect(words(container)).toContain("The rule holds for this customer."));
  });
});

describe("Versions and safe delete", () => {
  it("brings an old version back as the newest", async () => {
    const asked = answer();
    const { container } = open("/segments/seg_21");
    await waitFor(() => expect(words(container)).toContain("Ben Okafor"));
    fireEvent.click(named(container, "Versions"));
    await waitFor(() => expect(words(container)).toContain("Customers who ordered."));
    fireEvent.click(button(container, "Bring back version 1"));
    await waitFor(() => expect(asked.map((one) => one.key)).toContain("POST /api/segments/seg_21/versions/1/restore"));
  });

  it("lists what uses a segment instead of deleting it", async () => {
    const used_by = [{ kind: "segment", id: "seg_30", name: "Uses it" }];
    const asked = answer({ [DETAILS]: { data: { ...sample<SegmentDetails>(DETAILS), used_by } } });
    const { container } = open("/segments/seg_21");
    await waitFor(() => expect(words(container)).toContain("Ben Okafor"));
    fireEvent.click(named(container, "Delete"));
    await waitFor(() => expect(words(container)).toContain("“Coffee lovers who stopped” is in use"));
    expect(words(container)).not.toContain("Delete segment");
    expect(asked.map((one) => one.key)).not.toContain("DELETE /api/segments/seg_21");
  });

  it("deletes with a way back", async () => {
    const asked = answer();
    const { container, router } = open("/segments/seg_21");
    await waitFor(() => expect(words(container)).toContain("Ben Okafor"));
    let undo: (() => void) | undefined;
    const show = (_message: string, options: { onAction?: () => void }) => (undo = options.onAction);
    Object.assign(globalThis, { shopify: { toast: { show } } });
    fireEvent.click(named(container, "Delete"));
    await waitFor(() => expect(words(container)).toContain("Delete segment"));
    fireEvent.click(named(container, "Delete segment"));
    await waitFor(() => expect(router.state.location.pathname).toBe("/segments"));
    undo?.();
    await waitFor(() => expect(router.state.location.pathname).toBe("/segments/seg_21"));
    expect(asked.map((one) => one.key)).toContain("POST /api/segments/seg_21/restore");
    Reflect.deleteProperty(globalThis, "shopify");
  });
});
