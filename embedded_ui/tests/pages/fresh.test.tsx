import { act, fireEvent, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { answer, button, enter, field, later, open, refused, type Reply, sample, words } from "../server";

/** Longer than the pages' pause between two questions. */
const A_WHILE = { timeout: 10_000 };

/** Answers with each in turn, then with the last one. */
function oneAfterTheOther(...replies: Reply[]): () => Reply {
  let next = 0;
  return () => replies[Math.min(next++, replies.length - 1)] as Reply;
}

describe("What is worked out", () => {
  it("shows on the segment's page as soon as it is there", async () => {
    const details = sample<{ statistics: object }>("GET /api/segments/seg_7");
    const pending = { ...details, state: "pending", statistics: { ...details.statistics, size: 0 } };
    answer({ "GET /api/segments/seg_7": oneAfterTheOther({ data: pending }, { data: details }) });
    const { container } = open("/segments/seg_7");
    await waitFor(() => expect(words(container)).toContain("This segment is being worked out"));
    await waitFor(() => expect(words(container)).toContain("1–3 of 312 members"), A_WHILE);
  });

  it("shows in the list of segments as soon as it is there", async () => {
    const list = sample<{ items: object[] }>("GET /api/segments");
    const pending = { ...list, items: list.items.map((one) => ({ ...one, state: "pending", reason: "In a moment." })) };
    answer({ "GET /api/segments": oneAfterTheOther({ data: pending }, { data: list }) });
    const { container } = open("/segments");
    await waitFor(() => expect(words(container)).toContain("In a moment."));
    await waitFor(() => expect(words(container)).not.toContain("In a moment."), A_WHILE);
  });

  it("by a refresh is asked for on every page when the refresh ends, but for the shop itself", async () => {
    const rest = sample<object>("GET /api/progress");
    const asked = answer({
      "GET /api/progress": oneAfterTheOther({ data: { ...rest, phase: "refreshing", running: true } }, { data: rest }),
    });
    const { container } = open("/segments");
    await waitFor(() => expect(words(container)).toContain("of 53 segments"));
    const times = (key: string) => asked.filter((one) => one.key === key).length;
    await waitFor(() => expect(times("GET /api/segments")).toBe(2), A_WHILE);
    expect(times("GET /api/shop")).toBe(1);
  });
});

describe("The shop", () => {
  it("that can't be asked for again leaves the page as it is", async () => {
    let reply: Reply = { data: sample("GET /api/shop") };
    answer({ "GET /api/shop": () => reply });
    const { container, queries } = open("/segments");
    await waitFor(() => expect(words(container)).toContain("of 53 segments"));
    reply = "lost";
    await act(async () => {
      await queries.invalidateQueries({ queryKey: ["shop"] });
      // The page hears of an answer in the next turn of the event loop.
      await new Promise((resolve) => setTimeout(resolve));
    });
    expect(queries.getQueryState(["shop"])?.status).toBe("error");
    expect(words(container)).toContain("of 53 segments");
  });
});

describe("A saved edit", () => {
  it("is not undone by an answer to a question from before", async () => {
    const before = sample<object>("GET /api/campaigns/cmp_2");
    const old = later();
    let asked = 0;
    answer({
      "GET /api/campaigns/cmp_2": () => (asked++ === 0 ? { data: before } : old.reply),
      "PATCH /api/campaigns/cmp_2": { data: { ...before, name: "Milk, again" } },
    });
    const { container, queries } = open("/campaigns/cmp_2/edit");
    await waitFor(() => expect(words(container)).toContain("Campaign name"));
    const asking = queries.refetchQueries({ queryKey: ["campaign", "cmp_2"], exact: true });
    await waitFor(() => expect(asked).toBe(2));
    enter(field(container, "Campaign name"), "Milk, again");
    await waitFor(() => expect(words(container)).toContain("Saving…"));
    await waitFor(() => expect(words(container)).toContain("All changes saved"));
    old.come({ data: before });
    await asking;
    expect(queries.getQueryData(["campaign", "cmp_2"])).toMatchObject({ name: "Milk, again" });
  });

  it("comes before the start, and a refused one prevents it", async () => {
    const saved = later();
    const asked = answer({ "PATCH /api/campaigns/cmp_3": () => saved.reply });
    const { container } = open("/campaigns/cmp_3/edit");
    await waitFor(() => expect(words(container)).toContain("Campaign name"));
    enter(field(container, "Campaign name"), "Milk reminder");
    fireEvent.click(button(container, "7. Review"));
    await waitFor(() => expect(words(container)).toContain("Start: 118 people can be mailed, first messages now"));
    fireEvent.click(button(container, "Start: 118 people can be mailed, first messages now"));
    saved.come(refused("Another campaign has this name.", "name", 409));
    await waitFor(() => expect(words(container)).toContain("The last change is not saved"));
    expect(button(container, "Start: 118 people can be mailed, first messages now").hasAttribute("disabled")).toBe(true);
    expect(asked.some((one) => one.key === "POST /api/campaigns/cmp_3/activate")).toBe(false);
  });
});

describe("A rule's date", () => {
  afterEach(() => {
    vi.useRealTimers();
  });
  it("begins with the shop's day, not the day in Greenwich", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2026-11-24T03:00:00Z") });
    answer();
    const { container } = open("/segments/seg_21/edit");
    await waitFor(() => expect(words(container)).toContain("Customers 58"));
    enter(field(container, "When"), "since", "change");
    await waitFor(() => expect(field(container, "Date").getAttribute("value")).toBe("2026-11-23"));
  });
});
