import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { Campaign, CampaignPatch, CampaignPreview } from "@/shared/api/types";
import { answer, type Asked, button, enter, field, open, refused, sample, words } from "../server";

const STEP = "/campaigns/cmp_3/edit?step=content";
const SAVE = "PATCH /api/campaigns/cmp_3";
const PREVIEW = "POST /api/campaigns/cmp_3/preview";
type Blocks = Campaign["content"]["blocks"];

async function editor(changes: Parameters<typeof answer>[0] = {}) {
  const asked = answer(changes);
  const { container } = open(STEP);
  await waitFor(() => expect(words(container)).toContain("Add block"));
  return { asked, container };
}

/** The kinds of the blocks that were saved last. */
async function saved(asked: Asked[]): Promise<Blocks> {
  let blocks: Blocks | undefined | null;
  await waitFor(
    () => {
      blocks = (asked.filter((one) => one.key === SAVE).at(-1)?.body as CampaignPatch | undefined)?.content?.blocks;
      expect(blocks).toBeDefined();
    },
    { timeout: 3000 },
  );
  return blocks ?? [];
}

const kinds = (blocks: Blocks) => blocks.map((block) => block.type);

describe("The content", () => {
  it("is a list of blocks, each called by its place and kind", async () => {
    const { container } = await editor();
    const names = [...container.querySelectorAll("section.encore-block")].map((one) => one.getAttribute("aria-label"));
    expect(names).toEqual(["Block 1, text", "Block 2, product", "Block 3, discount"]);
    expect(words(container)).toContain("they can't be taken out");
  });

  it("grows by a block and saves it", async () => {
    const { asked, container } = await editor();
    fireEvent.click(button(container, "Picture"));
    expect(kinds(await saved(asked))).toEqual(["text", "product", "discount", "image"]);
  });

  it("says which blocks it knew, so that another window's are not lost, and then replaces them on purpose", async () => {
    const { asked, container } = await editor({ [SAVE]: refused("Changed in another window.", "content.blocks", 409) });
    fireEvent.click(button(container, "Picture"));
    await waitFor(() => expect(words(container)).toContain("Changed in another window."), { timeout: 3000 });
    const content = () => (asked.filter((one) => one.key === SAVE).at(-1)?.body as CampaignPatch).content;
    expect(kinds(content()?.blocks_before ?? [])).toEqual(["text", "product", "discount"]);
    const other: Blocks = [{ type: "divider" }];
    const draft = sample<Campaign>("GET /api/campaigns/cmp_3");
    const theirs = { ...draft, content: { ...draft.content, blocks: other } };
    const again = answer({ "GET /api/campaigns/cmp_3": { data: theirs }, [SAVE]: refused("Still.", "content.blocks", 409) });
    fireEvent.click(button(container, "Save again"));
    await waitFor(() => expect(words(container)).toContain("Still."));
    await waitFor(() => expect(again.some((one) => one.key === "GET /api/campaigns/cmp_3")).toBe(true));
    fireEvent.click(button(container, "Save again"));
    await waitFor(() => {
      const last = again.filter((one) => one.key === SAVE).at(-1)?.body as CampaignPatch;
      expect(kinds(last.content?.blocks_before ?? [])).toEqual(["divider"]);
    });
  });

  it("is put into another order by buttons that say what they move", async () => {
    const { asked, container } = await editor();
    expect(button(container, "Move up: Block 1, text").hasAttribute("disabled")).toBe(true);
    fireEvent.click(button(container, "Move up: Block 2, product"));
    expect(kinds(await saved(asked))).toEqual(["product", "text", "discount"]);
  });

  it("loses a block, and gets it back where it was", async () => {
    const { asked, container } = await editor();
    fireEvent.click(button(container, "Remove: Block 2, product"));
    await waitFor(() => expect(words(container)).toContain("Product removed."));
    fireEvent.click(button(container, "Undo"));
    expect(kinds(await saved(asked))).toEqual(["text", "product", "discount"]);
    expect(words(container)).not.toContain("Product removed.");
  });

  it("leads a button to the page, a filled cart, or an own address", async () => {
    const { asked, container } = await editor();
    fireEvent.click(button(container, "Button"));
    await waitFor(() => expect(container.querySelectorAll("section.encore-block")).toHaveLength(4));
    const last = container.querySelectorAll("section.encore-block")[3] as Element;
    enter(field(last, "A click leads to"), "url", "change");
    await waitFor(() => expect(words(last)).toContain("Starts with https://"));
    enter(field(last, "Address"), "https://shop.example.com/sale");
    await waitFor(async () =>
      expect((await saved(asked)).at(-1)).toEqual({
        type: "button",
        label: "Have a look",
        to: "url",
        url: "https://shop.example.com/sale",
      }),
    );
  });

  it("says under its field what is wrong with a block", async () => {
    const campaign = sample<Campaign>("GET /api/campaigns/cmp_3");
    campaign.content.blocks.push({ type: "image", url: "http://x", alt: "", href: "", width: 100 });
    campaign.unresolved = [
      { step: "content", field: "blocks.3.url", message: "The web address must start with https://." },
      { step: "content", field: "utm.campaign", message: "This repeats the campaign's internal name." },
    ];
    answer({ "GET /api/campaigns/cmp_3": { data: campaign } });
    const { container } = open(STEP);
    await waitFor(() => expect(words(container)).toContain("Add block"));
    fireEvent.click(button(container, "2. Sender"));
    fireEvent.click(button(container, "5. Content (2 open)"));
    await waitFor(() =>
      expect(field(container, "Address of the picture").getAttribute("error")).toBe(
        "The web address must start with https://.",
      ),
    );
    expect(field(container, "Campaign").getAttribute("error")).toBe("This repeats the campaign's internal name.");
  });

  it("switches the tags of links off and on", async () => {
    const { asked, container } = await editor();
    const box = field(container, "Tag links for your analytics (UTM)") as unknown as { checked: boolean } & Element;
    box.checked = false;
    fireEvent(box, new Event("change", { bubbles: true }));
    await waitFor(() => expect(asked.at(-1)?.body).toEqual({ utm: { enabled: false } }), { timeout: 3000 });
  });
});

describe("The preview", () => {
  it("is shown on a desktop, a phone, in dark mode and as text", async () => {
    const { container } = await editor();
    await waitFor(() => expect(container.querySelector("iframe")).not.toBeNull());
    expect(container.querySelector("iframe")?.getAttribute("srcdoc")).toContain("(prefers-color-scheme:dark)");
    enter(field(container, "Show as"), "dark", "change");
    await waitFor(() => expect(container.querySelector("iframe")?.getAttribute("srcdoc")).toContain("@media all"));
    enter(field(container, "Show as"), "text", "change");
    await waitFor(() => expect(container.querySelector("pre")?.textContent).toContain("Hi Ada,"));
  });

  it("says where a fallback stands", async () => {
    const mail = sample<CampaignPreview>(PREVIEW);
    const { container } = await editor({ [PREVIEW]: { data: { ...mail, fallbacks: ["Customer First Name"] } } });
    await waitFor(() => expect(words(container)).toContain("a fallback stands for: Customer First Name"));
  });

  it("names the block that can't be rendered", async () => {
    const fault = refused("The text is empty.", "content.blocks.0.html");
    const { container } = await editor({ [PREVIEW]: fault });
    await waitFor(() => expect(words(container)).toContain("Block 1, text: The text is empty."));
  });

  it("is made for any member that is looked up, and says so of somebody who is none", async () => {
    const asked = answer({
      [PREVIEW]: () =>
        asked.at(-1)?.body !== undefined && (asked.at(-1)?.body as { customer_no: number | null }).customer_no === null
          ? { data: sample<object>(PREVIEW) }
          : refused("This customer is no member of the audience.", null, 404),
    });
    const { container } = open(STEP);
    await waitFor(() => expect(words(container)).toContain("Find another member"));
    fireEvent.click(button(container, "Find another member"));
    await waitFor(() => expect(words(container)).toContain("Find a customer"));
    enter(field(container, "Find a customer"), "ada@example.com", "change");
    await waitFor(() => button(container, "View as"));
    fireEvent.click(button(container, "View as"));
    await waitFor(() => expect(words(container)).toContain("This customer is no member of the audience."));
    fireEvent.click(button(container, "View as the likeliest buyer"));
    await waitFor(() => expect(container.querySelector("iframe")).not.toBeNull());
  });

  it("goes to the shop's testers, who can be kept", async () => {
    const { asked, container } = await editor();
    await waitFor(() => expect(field(container, "Send a test to").getAttribute("value")).toBe("team@encore-demo.example"));
    const box = field(container, "Keep these addresses for the next test") as unknown as { checked: boolean } & Element;
    box.checked = true;
    fireEvent(box, new Event("change", { bubbles: true }));
    fireEvent.click(button(container, "Send test e-mail"));
    await waitFor(() =>
      expect(asked.find((one) => one.key === "POST /api/campaigns/cmp_3/test")?.body).toEqual({
        addresses: ["team@encore-demo.example"],
        customer_no: 3,
        remember: true,
      }),
    );
  });
});

describe("The look of e-mails", () => {
  it("is saved as chosen, and a refusal stands under its field", async () => {
    const refusal = refused("Say what the logo shows, for example your shop's name.", "logo_alt");
    const asked = answer({ "PATCH /api/settings/brand": refusal });
    const { container } = open("/settings");
    await waitFor(() => expect(words(container)).toContain("Address of your logo"));
    enter(field(container, "Address of your logo"), "https://cdn.example.com/logo.png");
    await waitFor(() => expect(button(container, "Save look").hasAttribute("disabled")).toBe(false));
    fireEvent.click(button(container, "Save look"));
    await waitFor(() => expect(field(container, "What the logo shows").getAttribute("error")).toContain("Say what"));
    expect(asked.at(-1)?.body).toEqual({ logo_url: "https://cdn.example.com/logo.png" });
  });
});
