import { afterEach, describe, expect, it, vi } from "vitest";
import { followLinks } from "@/app/shopifyNavigation";
import { chipState, press, readFilter, toQuery, writeFilter } from "@/features/segments/segmentsFilter";
import { CATEGORIES } from "@/shared/format/words";
import { toRequest } from "@/features/connections/NewSyncForm";
import { nameOf } from "@/features/uploads/MappingForm";
import { api, ApiError, explain, fieldError, refusal, unwrap } from "@/shared/api/client";
import { everySegment } from "@/shared/api/segments";
import { shouldRetry } from "@/shared/api/queries";

const ask = () => unwrap(api.GET("/api/campaigns"));
const change = () => unwrap(api.POST("/api/campaigns", { body: {} }));

describe("A refused request", () => {
  const body = { error: { code: "conflict", message: "The name is taken.", field: "name" } };
  it("speaks in the app's words, at the app's field", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json(body, { status: 409 })));
    await expect(ask()).rejects.toMatchObject({ status: 409, code: "conflict", message: "The name is taken." });
    expect(fieldError(refusal(409, body, "POST"), "name")).toBe("The name is taken.");
    expect(fieldError(refusal(409, body, "POST"), "rule")).toBeUndefined();
  });
  it("is not asked again, but a failing server and a lost connection are, twice", () => {
    expect(shouldRetry(0, new ApiError(422, "invalid", "", null))).toBe(false);
    expect(shouldRetry(0, new ApiError(503, "busy", "", null))).toBe(true);
    expect(shouldRetry(1, new ApiError(0, "offline", "", null))).toBe(true);
    expect(shouldRetry(2, new ApiError(503, "busy", "", null))).toBe(false);
  });
});

describe("An answer that does not arrive", () => {
  const broken = () =>
    new ReadableStream({
      start: (stream) => stream.error(new TypeError("terminated")),
    });
  const ways: [string, () => Promise<Response>][] = [
    ["lost on the way", () => Promise.reject(new TypeError("Failed to fetch"))],
    ["broken off", () => Promise.resolve(new Response(broken()))],
    ["replaced by a proxy", () => Promise.resolve(new Response("<html>", { status: 502 }))],
    ["replaced by a page", () => Promise.resolve(new Response("<html>"))],
  ];
  it.each(ways)("(%s) leaves open whether a change was saved", async (_, way) => {
    vi.stubGlobal("fetch", way);
    const told = await change().catch(explain);
    expect(told).toContain("It may have been saved. Reload to see.");
    expect(told).not.toContain("Nothing was changed");
  });
  it.each(ways)("(%s) has changed nothing when nothing was to be changed", async (_, way) => {
    vi.stubGlobal("fetch", way);
    expect(await ask().catch(explain)).toContain("Nothing was changed.");
  });
});

describe("All segments of a choice", () => {
  it("come from as many pages as there are", async () => {
    const answers = [
      { items: [{ id: "seg_1" }], next: "c2", total: 2 },
      { items: [{ id: "seg_2" }], next: null, total: 2 },
    ];
    const asked: (string | null)[] = [];
    vi.stubGlobal("fetch", (request: Request) => {
      asked.push(new URL(request.url).searchParams.get("cursor"));
      return Promise.resolve(Response.json(answers[asked.length - 1]));
    });
    expect((await everySegment({ sort: "name" })).map((one) => one.id)).toEqual(["seg_1", "seg_2"]);
    expect(asked).toEqual([null, "c2"]);
  });
});

describe("The segments' filter", () => {
  it("lives in the address and comes back from it", () => {
    const address = new URLSearchParams("categories=retain,custom&not=behavioral&search=milk&sort=name&order=asc");
    const filter = readFilter(address);
    expect(filter).toEqual({
      include: CATEGORIES.filter((one) => ["retain", "custom"].includes(one)),
      exclude: ["behavioral"],
      search: "milk",
      sort: "name",
      order: "asc",
    });
    expect(readFilter(writeFilter(filter))).toEqual(filter);
  });
  it("ignores what it does not know, and a category both shown and hidden is shown", () => {
    expect(readFilter(new URLSearchParams("categories=nonsense,retain&not=retain,x&sort=toString"))).toEqual({
      include: ["retain"],
      exclude: [],
      search: "",
      sort: "size",
      order: "desc",
    });
  });
  it("asks for all when no category is chosen, and for both kinds of choice at once", () => {
    const none = readFilter(new URLSearchParams());
    expect(toQuery(none, undefined)).toEqual({ sort: "size", order: "desc", limit: 50 });
    const both = press(press(press(none, "retain"), "custom"), "custom");
    expect(toQuery(both, "c2")).toMatchObject({ category: ["retain"], exclude: ["custom"], cursor: "c2" });
  });
  it("walks a chip from any to only, to not, and back", () => {
    const any = readFilter(new URLSearchParams());
    const only = press(any, "retain");
    const not = press(only, "retain");
    expect([any, only, not].map((filter) => chipState(filter, "retain"))).toEqual(["any", "include", "exclude"]);
    expect(press(not, "retain")).toEqual(any);
  });
});

describe("A new sync", () => {
  const draft = {
    segment: "seg_1",
    connection: "con_1",
    target: "new",
    name: " Milk due ",
    container: "",
    schedule: "manual" as const,
    transactional: false,
  };
  it("names the list to be made", () => {
    expect(toRequest(draft, false)).toMatchObject({ target: { name: "Milk due" }, without_consent: "skip" });
  });
  it("waits for the audience that a tag lives in", () => {
    expect(toRequest(draft, true)).toBeNull();
    expect(toRequest({ ...draft, container: "aud" }, true)).toMatchObject({ target: { container_id: "aud" } });
  });
  it("takes an existing list by its id", () => {
    expect(toRequest({ ...draft, target: "L1" }, false)).toMatchObject({ target: { id: "L1" } });
  });
});

describe("An uploaded list", () => {
  it("is named after its file", () => {
    expect(nameOf("summer_guests.2026.csv")).toBe("summer guests.2026");
  });
});

describe("Links", () => {
  let stop: () => void = () => {};
  afterEach(() => {
    stop();
    document.body.innerHTML = "";
  });
  const follow = () => {
    const go = vi.fn<(path: string) => void>();
    stop = followLinks(go);
    return go;
  };
  const click = (html: string, init: MouseEventInit = {}) => {
    document.body.innerHTML = html;
    const event = new MouseEvent("click", { bubbles: true, cancelable: true, ...init });
    document.body.firstElementChild?.dispatchEvent(event);
    return event;
  };

  it("inside the app change the page without a reload", () => {
    const go = follow();
    expect(click('<s-link href="/segments/seg_7">x</s-link>').defaultPrevented).toBe(true);
    expect(go).toHaveBeenCalledExactlyOnceWith("/segments/seg_7");
  });
  it.each([
    '<a href="https://example.com/">x</a>',
    '<a href="//example.com/">x</a>',
    '<s-link href="/file" target="_blank">x</s-link>',
    '<s-button href="/campaigns/new" disabled="">x</s-button>',
  ])("that lead elsewhere are left alone: %s", (html) => {
    const go = follow();
    click(html);
    expect(go).not.toHaveBeenCalled();
  });
  it("are left to the browser when a key asks for a new tab", () => {
    const go = follow();
    click('<s-link href="/segments">x</s-link>', { ctrlKey: true });
    expect(go).not.toHaveBeenCalled();
  });
  it("of the admin's navigation are followed, and once though told twice", () => {
    const go = follow();
    go.mockImplementation((path) => window.history.pushState(null, "", path));
    document.body.innerHTML = '<s-link href="/senders">x</s-link>';
    const link = document.body.firstElementChild;
    link?.dispatchEvent(new Event("shopify:navigate", { bubbles: true }));
    link?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    expect(go).toHaveBeenCalledExactlyOnceWith("/senders");
    window.history.pushState(null, "", "/");
  });
});
