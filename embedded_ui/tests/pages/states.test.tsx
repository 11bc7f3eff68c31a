import { waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answer, open, refused, sample, words } from "../server";

interface PageStates {
  page: string;
  address: string;
  /** The question without whose answer the page shows nothing. */
  key: string;
  loading: string;
  failed: string;
  empty: { data: unknown; says: string[] };
  full: string[];
}

const NO_RUN = {
  as_of: null,
  run_id: null,
  customers: null,
  buyers: null,
  reachable: null,
  net_sales_30d_minor: null,
  orders_30d: null,
  expected_buyers_30d: null,
  stages: [],
  movers: [],
  health: { last_import: null, last_refresh: null, failed_jobs: 0, running_jobs: 0, missed_refreshes: 0, differences: [], models: [] },
};

const nobody = () => {
  const details = sample<{ statistics: object }>("GET /api/segments/seg_7");
  return {
    ...details,
    state: "empty",
    reason: "No customer is due.",
    statistics: { ...details.statistics, size: 0, reachable: 0, not_reachable: [] },
    probabilities: [],
    expected: null,
  };
};

const PAGES: PageStates[] = [
  {
    page: "Dashboard",
    address: "/",
    key: "GET /api/dashboard",
    loading: "Loading the dashboard",
    failed: "The dashboard could not be loaded",
    empty: { data: NO_RUN, says: ["Encore is waiting for your first import", "From the first order"] },
    full: [
      "Customers 2,469",
      "Buyers 2,401 97.2% have an order",
      "Reachable by e-mail 1,655 67% of customers",
      "$312,045 9,120 orders",
      "Likely buyers, next 30 days 1,803",
      "As of Nov 23, 2026, 7:00 AM",
      "Due for Fluid Milk 1 gal 312 11 5 +6",
      "Repurchase: trained model · Cross-sell: baseline",
      "Repurchase: Good Cross-sell: Fair How good they are",
      "customers: 2,469 here, 2,470 in the store (−1): One customer was merged into another",
      "Remind 207 customers of Fluid Milk 1 gal",
    ],
  },
  {
    page: "Segments",
    address: "/segments",
    key: "GET /api/segments",
    loading: "Loading segments",
    failed: "Segments could not be loaded",
    empty: {
      data: { ...sample<object>("GET /api/segments"), items: [], total: 0, next: null, state: "before_analysis" },
      says: ["Your segments are on the way", "Customers likely to buy a product they have never bought."],
    },
    full: [
      "Due for Fluid Milk 1 gal Bought Fluid Milk 1 gal before",
      "Repurchase 312 207 – 20.3%",
      "Retain customers 1,204",
      "803 +36 61.4%",
      "Income above $100,000 No customer has a known income in this range.",
      "1–7 of 53 segments. As of Nov 23, 2026, 7:00 AM",
    ],
  },
  {
    page: "Segment details",
    address: "/segments/seg_7",
    key: "GET /api/segments/seg_7",
    loading: "Loading the segment",
    failed: "The segment could not be loaded",
    empty: {
      data: nobody(),
      says: ["Nobody is in this segment now", "No customer is due.", "Campaign, sync and download are off"],
    },
    full: [
      "Size 312 12.6% of customers",
      "Reachable by e-mail 207 105 are not",
      "Expected to buy Fluid Milk again 41 33 to 49 within 30 days",
      "Not subscribed 61 · Unsubscribed 32 · No e-mail address 12",
      "Net sales $164,906 20.3% of the shop's",
      "Average order $22.22",
      "Repeat rate 98.1%",
      "6.5 days",
      "Ada Winters ada.winters@example.com Bought Fluid Milk 1 gal 14 times",
      "Customer 11 guest11@example.com",
      "1–3 of 312 members",
      "Campaign: Milk reminder",
    ],
  },
  {
    page: "Segment builder",
    address: "/segments/new",
    key: "GET /api/segments/vocabulary",
    loading: "Loading the segment builder",
    failed: "The segment builder could not be loaded",
    empty: {
      data: sample<object>("GET /api/segments/vocabulary"),
      says: ["Add a condition to see who matches.", "Best customers about to leave"],
    },
    full: ["Start from a template", "One order, due for the second", "141 customers now", "Include a segment"],
  },
  {
    page: "Campaigns",
    address: "/campaigns",
    key: "GET /api/campaigns",
    loading: "Loading campaigns",
    failed: "Campaigns could not be loaded",
    empty: {
      data: { items: [], next: null },
      says: ["Campaigns send by themselves", "nobody gets more than one e-mail in any 168 hours", "goes first"],
    },
    full: [
      "Milk reminder Active Due for Fluid Milk 1 gal 103 171 236",
      "most: Not subscribed to e-mail marketing (93)",
      "Unnamed draft Draft Not chosen 0 0 0",
    ],
  },
  {
    page: "New campaign",
    address: "/campaigns/cmp_3/edit?step=review",
    key: "GET /api/campaigns/cmp_3",
    loading: "Loading the campaign",
    failed: "The campaign could not be loaded",
    empty: {
      data: { ...sample<object>("GET /api/campaigns/cmp_2"), id: "cmp_3" },
      says: ["Not chosen yet", "1. Name (1 open)"],
    },
    full: ["118 people of 312 in the audience", "Start: 118 people can be mailed, first messages now", "Bought too recently: 61"],
  },
  {
    page: "Campaign",
    address: "/campaigns/cmp_1",
    key: "GET /api/campaigns/cmp_1",
    loading: "Loading the campaign",
    failed: "The campaign could not be loaded",
    empty: {
      data: { ...sample<object>("GET /api/campaigns/cmp_3"), id: "cmp_1" },
      says: ["Nothing is sent before you start it.", "Nobody considered yet"],
    },
    full: [
      "312 customers considered",
      "97 + 4 + 14 + 194 + 2 + 1 = 312. Messages sent over time: 103",
      "Customer 3 Chosen Message sent Fluid Milk 1 gal 62%",
      "Customer 8 Skipped Not subscribed to e-mail marketing",
    ],
  },
  {
    page: "Predictions",
    address: "/predictions",
    key: "GET /api/predictions/card",
    loading: "Loading the model card",
    failed: "The model card could not be loaded",
    empty: { data: { card: null }, says: ["No predictions yet", "this page says how good the predictions are"] },
    full: [
      "28,982 repeat purchases were expected and 29,038 came",
      "Weak Cross-sell: the total is right, but single ranges are off by 1.3% on average.",
      "Encore's model Used 0.423 0.762 4.4× 3.5× 34.6% 39.7% 0.0703 0.3%",
      "Best sellers 0.130",
      "Fluid Milk 1 gal 719 665 1,231 0.852",
      "every fourth week from Aug 3, 2026, 3 weeks in all",
      "Came per expected buyer 0.99 1.01 before",
      "Nov 22, 2026, 7:00 AM Good Model 0.421",
      "Orders expected 12,634 12,716 came in the last 30 days",
      "BG/NBD: r 1.127",
    ],
  },
  {
    page: "Senders",
    address: "/senders",
    key: "GET /api/senders",
    loading: "Loading senders",
    failed: "Senders could not be loaded",
    empty: { data: { items: [], next: null }, says: ["Campaigns need an address to send from", "your postal address"] },
    full: [
      "Encore Demo Grocery Verified Default",
      "Encore Demo LLC, 1 Main Street, Cincinnati, OH 45202, United States",
      "Confirmation sent Sends on behalf",
      "It works until Nov 26, 2026, 7:05 AM",
    ],
  },
  {
    page: "Connections",
    address: "/connections",
    key: "GET /api/connections",
    loading: "Loading connections",
    failed: "Connections could not be loaded",
    empty: { data: { items: [] }, says: ["Connections"] },
    full: [
      "Klaviyo Connected Encore Demo Klaviyo",
      "Mailchimp Not connected",
      "Partly in step",
      "Added 10 Updated 4 Unchanged 283 Skipped 12 Failed 3 Removed 7",
      "10 + 4 + 283 + 12 + 3 = 312 members",
      "The vendor refused the address: 3 failed",
    ],
  },
  {
    page: "Settings",
    address: "/settings",
    key: "GET /api/settings/demographics",
    loading: "Loading estimates",
    failed: "Estimates could not be loaded",
    empty: {
      data: {
        estimates: sample<{ estimates: object[] }>("GET /api/settings/demographics").estimates.map((estimate) => ({
          ...estimate,
          enabled: false,
          state: "off",
          coverage: null,
          blocked: "No table of area incomes is loaded on this installation.",
        })),
        income_table: null,
      },
      says: ["Estimate gender from first names", "Off by default", "No table of area incomes is loaded"],
    },
    full: [
      "Estimated 1,498 60.7% of customers",
      "From your own data 801",
      "Unknown 170 6.9% of customers: no name, or an unclear one",
      "Expected to be wrong 0.4%",
      "As of Nov 23, 2026, 1:05 PM",
      "American Community Survey 2018-2022, 30,621 ZIP areas, from ACSDT5Y2022.B19013-Data.csv",
    ],
  },
];

describe.each(PAGES)("$page", ({ address, key, loading, failed, empty, full }) => {
  it("says what it waits for", async () => {
    answer({ [key]: "never" });
    const { container } = open(address);
    await waitFor(() => expect(words(container)).toContain(loading));
  });

  it("says what failed and why, and loads when tried again", async () => {
    const replies: Parameters<typeof answer>[0] = { [key]: refused("The store is busy.", null, 503) };
    answer(replies);
    const { container } = open(address);
    await waitFor(() => expect(words(container)).toContain(failed));
    expect(words(container)).toContain("The store is busy.");
    answer();
    const retry = [...container.querySelectorAll<HTMLElement>("s-button")].find(
      (one) => one.textContent.trim() === "Try again",
    );
    retry?.click();
    await waitFor(() => expect(words(container)).toContain(full[0]));
  });

  it("teaches while there is nothing", async () => {
    answer({ [key]: { data: empty.data } });
    const { container } = open(address);
    for (const text of empty.says) await waitFor(() => expect(words(container)).toContain(text));
  });

  it("shows the API's numbers", async () => {
    answer();
    const { container } = open(address);
    for (const text of full) await waitFor(() => expect(words(container)).toContain(text));
  });
});

describe("The dashboard's health", () => {
  const missed = async (refreshes: number) => {
    const dashboard = sample<{ health: object }>("GET /api/dashboard");
    const health = { ...dashboard.health, missed_refreshes: refreshes };
    answer({ "GET /api/dashboard": { data: { ...dashboard, health } } });
    open("/");
    await waitFor(() => expect(words(document.body)).toContain("Last refresh"));
    return words(document.body);
  };

  it("passes over one refresh that failed", async () => {
    expect(await missed(1)).not.toContain("not being updated");
  });

  it("says from two on that numbers stand still, what is kept and what happens next", async () => {
    const said = await missed(2);
    expect(said).toContain("The last 2 refreshes failed.");
    expect(said).toContain("stays in use; Encore tries again every half hour.");
  });
});
