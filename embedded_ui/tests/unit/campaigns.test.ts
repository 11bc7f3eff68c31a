import { describe, expect, it } from "vitest";
import { ApiError } from "@/shared/api/client";
import type { Campaign, CampaignCounts } from "@/shared/api/types";
import { bracketed, toHtml, toText } from "@/features/campaigns/content/bodyText";
import { standings } from "@/features/campaigns/campaignState";
import { mergePatches, withPatch } from "@/features/campaigns/patches";
import { fieldMessages, openItems, otherMessages, readStep } from "@/features/campaigns/steps";
import { type Block, blockMessages, blockOf, moved, put, without } from "@/features/campaigns/content/blocks";
import { splitAddresses } from "@/features/campaigns/content/TestEmail";
import { sample } from "../server";

const UNRESOLVED: Campaign["unresolved"] = [
  { step: "name", field: "name", message: "Give the campaign a name." },
  { step: "content", field: "subject", message: "A subject is missing." },
  { step: "content", field: "blocks", message: "[Frist Name] is no placeholder." },
  { step: "content", field: "blocks", message: "Another one." },
];

describe("A step's messages", () => {
  it("stay silent until the merchant has been there", () => {
    expect(fieldMessages("content", UNRESOLVED, null, false)).toEqual({});
  });
  it("then stand at the step's own fields, the first for each", () => {
    expect(fieldMessages("content", UNRESOLVED, null, true)).toEqual({
      subject: "A subject is missing.",
      blocks: "[Frist Name] is no placeholder.",
    });
  });
  it("show a refused save at its field at once", () => {
    const taken = new ApiError(409, "conflict", "Another campaign has this name.", "name");
    expect(fieldMessages("name", [], taken, false)).toEqual({ name: "Another campaign has this name." });
    const days = new ApiError(422, "invalid", "At least 7 days.", "timing.every_days");
    expect(fieldMessages("timing", [], days, false)).toEqual({ every_days: "At least 7 days." });
    expect(fieldMessages("name", [], days, false)).toEqual({});
  });
  it("that belong to no field on screen are not lost", () => {
    expect(otherMessages({ subject: "a", image: "b" }, ["subject"])).toEqual(["b"]);
  });
  it("are counted per step", () => {
    expect([openItems(UNRESOLVED, "content"), openItems(UNRESOLVED, "timing")]).toEqual([3, 0]);
  });
});

describe("The step in the address", () => {
  it("is the first when none or nonsense is named", () => {
    expect([readStep(null), readStep("nonsense"), readStep("review")]).toEqual(["name", "name", "review"]);
  });
});

describe("Edits that wait to be saved", () => {
  it("merge field by field inside a part", () => {
    const merged = mergePatches(
      { name: "a", content: { subject: "one" } },
      { content: { preview_text: "two" }, timing: { wait_days: 3 } },
    );
    expect(merged).toEqual({ name: "a", content: { subject: "one", preview_text: "two" }, timing: { wait_days: 3 } });
  });
  it("let the later one win", () => {
    expect(mergePatches({ content: { subject: "one" } }, { content: { subject: "two" } })).toEqual({
      content: { subject: "two" },
    });
  });
  it("take an audience whole: a segment of before does not stay under automatic", () => {
    expect(mergePatches({ audience: { type: "segment", segment_id: "seg_1" } }, { audience: { type: "automatic" } })).toEqual({
      audience: { type: "automatic" },
    });
  });
  it("show over what is saved", () => {
    const campaign = sample<Campaign>("GET /api/campaigns/cmp_1");
    const shown = withPatch(campaign, { name: "New", timing: { wait_days: 3 }, sender_id: null });
    expect([shown.name, shown.timing.wait_days, shown.timing.every_days, shown.sender_id]).toEqual(["New", 3, 21, null]);
    expect(shown.content).toEqual(campaign.content);
  });
});

describe("The text of a mail", () => {
  it("is paragraphs, and comes back the same", () => {
    const html = "<p>Hi [Customer First Name],</p><p>two &amp; three<br>four &lt;5</p>";
    const text = toText(html);
    expect(text).toBe("Hi [Customer First Name],\n\ntwo & three\nfour <5");
    expect(toHtml(text ?? "")).toBe(html);
  });
  it("is left as HTML when it says more than paragraphs", () => {
    expect(toText("<p>See <a href='x'>this</a></p>")).toBeNull();
  });

  it("hold bold words and links as they are typed", () => {
    const text = "Hi **you**,\n\nsee [our page](https://shop.example.com/?a=1&b=2) or [Customer First Name]";
    const html =
      '<p>Hi <b>you</b>,</p><p>see <a href="https://shop.example.com/?a=1&amp;b=2">our page</a> or [Customer First Name]</p>';
    expect(toHtml(text)).toBe(html);
    expect(toText(html)).toBe(text);
    expect(toHtml("[x](javascript:alert(1)) **a** <b>")).toBe("<p>[x](javascript:alert(1)) <b>a</b> &lt;b&gt;</p>");
  });
  it("shows placeholders in brackets", () => {
    expect([bracketed("Recommended Product"), bracketed("[Recommended Product]")]).toEqual([
      "[Recommended Product]",
      "[Recommended Product]",
    ]);
  });
});

describe("Where a campaign's candidates stand", () => {
  it("adds up to all of them", () => {
    const { counts } = sample<{ counts: CampaignCounts }>("GET /api/campaigns/cmp_1");
    expect(standings(counts).reduce((sum, part) => sum + part.count, 0)).toBe(counts.candidates);
  });
});

describe("Test addresses", () => {
  it("are split at commas, semicolons and spaces, each once", () => {
    expect(splitAddresses(" a@x.com, b@x.com;a@x.com\nc@x.com ")).toEqual(["a@x.com", "b@x.com", "c@x.com"]);
  });
});

describe("Blocks", () => {
  const [one, two, three] = ["a", "b", "c"].map((html): Block => ({ type: "text", html })) as [Block, Block, Block];

  it("move, go and come back", () => {
    expect(moved([one, two, three], 2, 0)).toEqual([three, one, two]);
    expect(moved([one, two, three], 0, 2)).toEqual([two, three, one]);
    expect(put(without([one, two, three], 1), 1, two)).toEqual([one, two, three]);
  });

  it("get the messages that name their place, and are found by a refusal", () => {
    expect(blockMessages({ subject: "x", "blocks.1.url": "y", "blocks.11.url": "z" }, 1)).toEqual({ url: "y" });
    expect([blockOf("content.blocks.12.html"), blockOf("content.subject"), blockOf(null)]).toEqual([12, null, null]);
  });

  it("are named by a refused save", () => {
    const refusal = new ApiError(422, "invalid", "Too long.", "content.blocks.2.html");
    expect(fieldMessages("content", [], refusal, false)).toEqual({ "blocks.2.html": "Too long." });
  });
});
