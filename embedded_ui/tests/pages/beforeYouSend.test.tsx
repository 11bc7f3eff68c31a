import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answer, button, enter, field, open, refused, sample, words } from "../server";

const REVIEW = "/campaigns/cmp_3/edit?step=review";
const PAST = "GET /api/campaigns/cmp_3/before-you-send";
const NEXT = "POST /api/campaigns/cmp_3/simulation";

describe("Before you send", () => {
  it("says what the campaign will do, with ranges, its competition and a label", async () => {
    const asked = answer();
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("E-mails in 30 days 244 226 to 262"));
    const page = words(container);
    expect(page).toContain("Customers reached 168 160 to 177");
    expect(page).toContain("Expected orders (no lift measured yet) 1.9 0 to 5, on top of those");
    expect(page).toContain("E-mails are taken to add 5% to the orders that come anyway (-3% to 13%): a stated prior");
    expect(page).toContain("The weekly cap holds it back on 322 customer-days (281 to 366)");
    expect(page).toContain("a better message of another campaign goes first on 42 customer-days (30 to 54)");
    expect(page).toContain("2 other campaigns active beside it");
    expect(page).not.toContain("Discount, if every order uses it");
    expect(asked.filter((one) => one.key === NEXT).map((one) => one.body)).toEqual([{ days: 30 }]);
  });

  it("tries other settings without saving them, and goes back", async () => {
    const asked = answer();
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("E-mails in 30 days"));
    enter(field(container, "Days after an order"), "3", "change");
    await waitFor(() => expect(words(container)).toContain("With the settings tried above"));
    expect(asked.filter((one) => one.key === NEXT).at(-1)?.body).toEqual({ days: 30, wait_days: 3 });
    expect(asked.some((one) => one.key.startsWith("PATCH"))).toBe(false);
    fireEvent.click(button(container, "Back to the saved settings"));
    await waitFor(() => expect(words(container)).not.toContain("With the settings tried above"));
  });

  it("says what a discount costs, once one is tried", async () => {
    const cost = { expected: 12345, low: 9000, high: 16000 };
    answer({ [NEXT]: { data: { ...sample<object>(NEXT), discount_minor: cost } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("Discount, if every order uses it $123 $90 to $160"));
  });

  it("says what the plan's own codes cost, and how many there are", async () => {
    const plan = {
      discount_from: "plan",
      discount_minor: { expected: 12345, low: 9000, high: 16000 },
      codes: { expected: 31.2, low: 25, high: 38 },
      codes_minor: { expected: 23400, low: 19000, high: 28000 },
    };
    answer({ [NEXT]: { data: { ...sample<object>(NEXT), ...plan } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("Discount cost by your plan $123 $90 to $160"));
    expect(words(container)).toContain("Codes given 31 25 to 38, worth about $234 if all were used");
  });

  it("says from how many campaigns a lift was measured, kind by kind, also where it does harm", async () => {
    const lifts = [
      { kind: "cross_sell", lift: -0.021, low: -0.05, high: 0.01, campaigns: 1 },
      { kind: "repurchase", lift: 0.084, low: 0.05, high: 0.12, campaigns: 3 },
    ];
    answer({ [NEXT]: { data: { ...sample<object>(NEXT), lifts } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("add 8.4% to the orders that come anyway (5% to 12%), measured in 3 campaigns so far."));
    expect(words(container)).toContain("Of recommendations of something new: e-mails take 2.1% off the orders that come anyway");
    expect(words(container)).toContain("measured in 1 campaign so far.");
  });

  it("says who buys before the campaign's hours open", async () => {
    const withdrawn = { expected: 3.2, low: 1, high: 6 };
    answer({ [NEXT]: { data: { ...sample<object>(NEXT), withdrawn } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("3 messages (1 to 6) are not sent because the customer buys before"));
  });

  it("says what daily limits hold back, and where they are shown", async () => {
    const limited = { expected: 2612.4, low: 2604, high: 2620 };
    answer({ [NEXT]: { data: { ...sample<object>(NEXT), limited_days: limited } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("holds it back on 2,612 customer-days (2,604 to 2,620): a new domain"));
    expect(container.querySelector('s-link[href="/senders"]')).not.toBeNull();
  });

  it("tells a sampled answer from a whole one, and that nobody is kept waiting", async () => {
    const none = { expected: 0, low: 0, high: 0 };
    answer({ [NEXT]: { data: { ...sample<object>(NEXT), share: 0.25, capped_days: none, beaten_days: none, others: 0 } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("Worked out on 25% of the customers, drawn by chance."));
    expect(words(container)).toContain("Nobody is kept waiting by the weekly cap or another campaign.");
    expect(words(container)).toContain("No other campaign is active.");
    expect(words(container)).not.toContain("How much may be sent holds it back");
  });

  it("says what past weeks would have been, and that the campaign caused none of it", async () => {
    answer();
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("none of this was caused by the campaign"));
    expect(words(container)).toContain("66% of the last week's customers can be e-mailed today");
  });

  it("names the products of a mix", async () => {
    const products = [
      { product_no: 1, title: "Milk", targeted: 900, expected: 200.4, bought: 190 },
      { product_no: 2, title: "Honey", targeted: 90, expected: 20.4, bought: 19 },
    ];
    answer({ [PAST]: { data: { ...sample<object>(PAST), products, other_products: 3 } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("Milk 900 200 190 Honey 90 20 19 And 3 other products."));
  });

  it.each([
    ["too_short", "from Feb 3, 2027 on"],
    ["working", "Past weeks are being worked out."],
    ["none", "after the next update of predictions"],
    ["failed", "It could not be worked out."],
  ])("without past weeks says why: %s", async (state, says) => {
    answer({ [PAST]: { data: { ...sample<object>(PAST), state, weeks: [], products: [], first_at: "2027-02-03T15:00:00Z" } } });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain(says));
  });

  it("shows that it loads, and what failed, beside a review that works", async () => {
    answer({ [NEXT]: "never", [PAST]: refused("The store is busy.", null, 503) });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("Past weeks could not be loaded"));
    expect(container.querySelector('[aria-label="Loading the simulation"]')).not.toBeNull();
    expect(words(container)).toContain("Start: 118 people can be mailed, first messages now");
  });

  it("says what the app refused of the tried settings", async () => {
    answer({ [NEXT]: refused("Between 0 and 90 days.", "wait_days") });
    const { container } = open(REVIEW);
    await waitFor(() => expect(words(container)).toContain("Between 0 and 90 days."));
  });

  it("waits for an audience", async () => {
    const asked = answer();
    const { container } = open("/campaigns/cmp_2/edit?step=review");
    await waitFor(() => expect(words(container)).toContain("Choose an audience. Then this shows"));
    expect(asked.some((one) => one.key.includes("simulation") || one.key.includes("before-you-send"))).toBe(false);
  });
});
