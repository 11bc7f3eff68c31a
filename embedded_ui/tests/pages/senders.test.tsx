import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answer, button, open, sample, words } from "../server";

const STOPPED = {
  ...sample<object>("GET /api/deliverability"),
  level: "stop",
  stop: { at: "2026-11-22T09:00:00Z", kind: "complaints", sent: 1000, hard_bounces: 2, complaints: 4, limit: 0.003 },
};

describe("A sender", () => {
  it("shows what DNS says, the record to set, and how much may go out today", async () => {
    answer();
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("SPF set DKIM set DMARC missing"));
    expect(words(container)).toContain("_dmarc.encore-demo.example");
    expect(words(container)).toContain("v=DMARC1; p=none");
    expect(words(container)).not.toContain("v=spf1 include:mail.encore.example ~all");
    expect(words(container)).toContain("412 of 2,000 messages");
    expect(words(container)).toContain("After a day that uses three quarters of the limit: 4,000 messages a day.");
  });

  it("has its domain checked again", async () => {
    const asked = answer();
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("Check DNS again"));
    fireEvent.click(button(container, "Check DNS again"));
    await waitFor(() => expect(asked.some((one) => one.key === "POST /api/deliverability/senders/snd_1/check")).toBe(true));
  });
});

describe("Sending", () => {
  it("says in red why it is stopped, and goes on when a person says so", async () => {
    answer({ "GET /api/deliverability": { data: STOPPED } });
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("4 recipients of 1,000 messages called it spam, 0.40%."));
    expect(container.querySelector('s-banner[tone="critical"]')?.getAttribute("heading")).toBe("Sending is stopped");
    fireEvent.click(button(container, "I have looked into it: send again"));
    await waitFor(() => expect(container.querySelector('s-banner[tone="critical"]')).toBeNull());
  });

  it("shows how each mailbox provider takes the mail", async () => {
    answer();
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("Outlook, Hotmail, Live 640 31 (4.8%) 3 (0.5%) 0 88 (13.8%)"));
  });

  it("lists who is not mailed any more, with the evidence", async () => {
    answer();
    const { container } = open("/senders");
    await waitFor(() => expect(words(container)).toContain("ada.winters@example.com Bounced for good"));
    expect(words(container)).toContain("Permanent, General, 5.1.1");
    expect(words(container)).toContain("2,140 messages in the last 7 days: 9 hard bounces (0.42%), 1 complaint (0.05%).");
  });
});
