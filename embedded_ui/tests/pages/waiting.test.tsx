import { fireEvent, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { waitingWords } from "@/features/campaigns/WaitingSection";
import type { RecommendationList, SendingStatus, WaitingMessages } from "@/shared/api/types";
import { answer, button, open, sample, words } from "../server";

type Group = WaitingMessages["groups"][number];

const NOW = new Date("2026-11-23T12:00:00Z");
const ZONE = "America/New_York";
const STOPPED = {
  ...sample<SendingStatus>("GET /api/deliverability"),
  level: "stop",
  stop: { at: "2026-11-22T09:00:00Z", kind: "complaints", sent: 1000, hard_bounces: 2, complaints: 4, limit: 0.003 },
};

function said(group: Partial<Group> & Pick<Group, "why">): string {
  return waitingWords({ count: 93, until: null, limit: null, too_late: 0, ...group }, NOW, ZONE);
}

afterEach(() => vi.unstubAllGlobals());

describe("What messages wait for", () => {
  it("is said with the limit and when they go", () => {
    const midnight = "2026-11-24T05:00:00Z";
    expect(said({ why: "warm_up", limit: 1000, until: midnight })).toBe(
      "93 wait: today's limit of 1,000 while your domain warms up is used up; they go from tomorrow 12:00 AM on.",
    );
    expect(said({ why: "hourly", limit: 100, until: "2026-11-23T13:00:00Z", count: 1 })).toBe(
      "1 waits: your limit of 100 an hour is used up; it goes from today 8:00 AM on.",
    );
    expect(said({ why: "code", count: 12 })).toBe(
      "12 wait for their discount code; Encore looks again every few minutes.",
    );
    expect(said({ why: "locked" })).toBe("93 wait: sending is locked until whoever runs Encore unlocks it.");
    expect(said({ why: "locked", until: midnight })).toBe(
      "93 wait: sending is locked; they go from tomorrow 12:00 AM on.",
    );
  });

  it("says of how many it will be too late", () => {
    expect(said({ why: "stopped", too_late: 5 })).toContain("For 5 of them that is too late: whom they are for is decided anew.");
    expect(said({ why: "stopped", too_late: 93 })).toContain("By then that is too late");
  });

  it("stands on the campaign's page and adds up", async () => {
    answer();
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("4 messages in line"));
    expect(words(container)).toContain("3 wait: today's limit of 1,000 while your domain warms up is used up");
    expect(words(container)).toContain("1 is next.");
    expect(words(container)).toContain("3 + 1 = 4.");
  });

  it("takes no room while nothing waits", async () => {
    const data = { ...sample<WaitingMessages>("GET /api/campaigns/cmp_1/waiting"), count: 0, groups: [] };
    const asked = answer({ "GET /api/campaigns/cmp_1/waiting": { data } });
    const { container } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("Who is held out"));
    expect(asked.some((one) => one.key === "GET /api/campaigns/cmp_1/waiting")).toBe(true);
    expect(words(container)).not.toContain("in line");
  });
});

describe("Sending that is stopped or locked", () => {
  it.each(["/", "/campaigns", "/campaigns/cmp_1"])("is said on %s, with the way to where it is released", async (path) => {
    answer({ "GET /api/deliverability": { data: STOPPED } });
    const { container } = open(path);
    await waitFor(() => expect(words(container)).toContain("4 recipients of 1,000 messages called it spam, 0.40%."));
    expect(button(container, "Look into it under Senders").getAttribute("href")).toBe("/senders");
  });

  it.each(["/", "/campaigns", "/campaigns/cmp_1", "/senders"])("by a restore is said on %s", async (path) => {
    const lock = { why: "the store belongs to another installation, or is a copy of its store", until: null };
    answer({ "GET /api/deliverability": { data: { ...sample<SendingStatus>("GET /api/deliverability"), lock } } });
    const { container } = open(path);
    await waitFor(() => expect(words(container)).toContain("Sending is locked"));
    expect(words(container)).toContain("the store belongs to another installation");
    expect(words(container)).toContain("encore unlock-sending");
  });
});

describe("The list before the start", () => {
  it("has the domain checked right there, and is read again", async () => {
    const asked = answer();
    const { container } = open("/campaigns/cmp_3/edit?step=review");
    await waitFor(() => expect(words(container)).toContain("have not all been seen yet"));
    fireEvent.click(button(container, "Check now"));
    const times = (key: string) => asked.filter((one) => one.key === key).length;
    await waitFor(() => expect(times("POST /api/deliverability/senders/snd_1/check")).toBe(1));
    await waitFor(() => expect(times("GET /api/campaigns/cmp_3/preflight")).toBe(2));
  });
});

describe("A deleted campaign", () => {
  it("comes back by the toast, also when its page was left", async () => {
    const show = vi.fn<(message: string, options?: { onAction?: () => void }) => void>();
    vi.stubGlobal("shopify", { toast: { show } });
    const asked = answer({ "DELETE /api/campaigns/cmp_1": { data: null } });
    const { container, router } = open("/campaigns/cmp_1");
    await waitFor(() => expect(words(container)).toContain("Who is held out"));
    fireEvent.click(button(container, "Delete"));
    await waitFor(() => expect(words(container)).toContain("Delete “Milk reminder”?"));
    fireEvent.click(button(container, "Delete campaign"));
    await waitFor(() => expect(router.state.location.pathname).toBe("/campaigns"));
    expect(show).toHaveBeenCalledWith("Campaign deleted", expect.objectContaining({ action: "Undo" }));
    show.mock.calls[0]?.[1]?.onAction?.();
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/campaigns/cmp_1/restore")).toBe(true));
    await waitFor(() => expect(show).toHaveBeenLastCalledWith("The campaign is back", {}));
  });
});

describe("A campaign that chooses by itself", () => {
  const none = { ...sample<RecommendationList>("GET /api/recommendations"), items: [] };

  it("is named where no campaign is recommended", async () => {
    answer({ "GET /api/recommendations": { data: { ...none, automatic_campaign: "Best for everybody" } } });
    const { container } = open("/campaigns");
    await waitFor(() =>
      expect(words(container)).toContain("No campaign is recommended while “Best for everybody” is active"),
    );
  });

  it("is not spoken of while there is none", async () => {
    answer({ "GET /api/recommendations": { data: none } });
    const { container } = open("/campaigns");
    await waitFor(() => expect(words(container)).toContain("Campaigns"));
    expect(words(container)).not.toContain("No campaign is recommended");
  });
});
