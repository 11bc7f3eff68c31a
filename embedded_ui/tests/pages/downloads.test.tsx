import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import type { SegmentExport } from "@/shared/api/types";
import { answer, type Asked, button, enter, field, open, refused, sample, words } from "../server";

const COUNT = "POST /api/segments/seg_7/exports/count";
const MAKE = "POST /api/segments/seg_7/exports";
const LOG = "GET /api/segments/seg_7/exports";
const SCHEDULES = "GET /api/segments/seg_7/export-schedules";
const ADD = "POST /api/segments/seg_7/export-schedules";

async function panel(changes: Parameters<typeof answer>[0] = {}) {
  const asked = answer(changes);
  const { container, router } = open("/segments/seg_7?panel=download");
  await waitFor(() => expect(words(container)).toContain("Download members"));
  await waitFor(() => expect(words(container)).toContain("Made on a schedule"));
  const section = container.querySelector<HTMLElement>('s-section[heading="Download members"]');
  if (section === null) throw new Error("no panel");
  return { asked, router, section };
}

function bodies(asked: Asked[], key: string): Record<string, unknown>[] {
  return asked.filter((one) => one.key === key).map((one) => one.body as Record<string, unknown>);
}

/** What a choice list does when someone picks: sets its values, then tells. */
function pick(section: Element, value: string) {
  const list = section.querySelector<HTMLElement & { values: string[] }>("s-choice-list");
  if (list === null) throw new Error("no choices");
  list.values = [value];
  fireEvent(list, new Event("change", { bubbles: true }));
}

function tick(section: Element, label: string, checked: boolean) {
  const box = field(section, label) as unknown as HTMLElement & { checked: boolean };
  box.checked = checked;
  fireEvent(box, new Event("change", { bubbles: true }));
}

describe("The download panel", () => {
  it("says before the file is made what will be in it and what the platform says to it", async () => {
    const { section } = await panel();
    await waitFor(() => expect(words(section)).toContain("207 rows of 312 members"));
    expect(words(section)).toContain("105 left out: not reachable");
    expect(words(section)).toContain("TikTok needs at least 1,000 people in a list; this file has 207.");
  });

  it("of a large segment says that it counts while the file is made", async () => {
    const counted = sample<Record<string, unknown>>(COUNT);
    const { section } = await panel({ [COUNT]: { data: { ...counted, exact: false } } });
    await waitFor(() => expect(words(section)).toContain("At most 207 rows of 312 members"));
  });

  it("asks with the usual choices of each format", async () => {
    const { asked, section } = await panel();
    for (const format of ["google", "tiktok", "pinterest", "meta"]) pick(section, format);
    await waitFor(() => expect(bodies(asked, COUNT).at(-1)?.format).toBe("meta"));
    const seen = bodies(asked, COUNT).map((one) => [one.format, one.hashed, one.include_unsubscribed].join(" "));
    expect(seen).toEqual([
      "plain false true",
      "google true false",
      "tiktok false false",
      "pinterest false false",
      "meta false false",
    ]);
  });

  it("warns of opening Google's unhashed file in a spreadsheet", async () => {
    const { section } = await panel();
    pick(section, "google");
    await waitFor(() => expect(words(section)).toContain("country and zip stay readable"));
    expect(words(section)).not.toContain("Do not open this file in a spreadsheet");
    tick(section, "Hash e-mail, phone and names (SHA-256)", false);
    await waitFor(() => expect(words(section)).toContain("Do not open this file in a spreadsheet"));
  });

  it("filters by country, and asks nothing until one is named", async () => {
    const { asked, section } = await panel();
    enter(field(section, "Countries"), "without", "change");
    await waitFor(() => expect(words(section)).toContain("Name at least one country."));
    expect(button(section, "Download").getAttribute("disabled")).not.toBeNull();
    tick(section, "EU, EEA and United Kingdom", true);
    enter(field(section, "Other countries"), "us, Canada, ca");
    await waitFor(() =>
      expect(bodies(asked, COUNT).at(-1)).toMatchObject({ countries_mode: "without", countries: ["EEA_UK", "US", "CA"] }),
    );
  });

  it("offers a value column to Meta alone", async () => {
    const { asked, section } = await panel();
    expect(words(section)).not.toContain("Add a column with each customer's value");
    pick(section, "meta");
    await waitFor(() => expect(words(section)).toContain("Add a column with each customer's value"));
    tick(section, "Add a column with each customer's value", true);
    await waitFor(() => expect(bodies(asked, COUNT).at(-1)).toMatchObject({ format: "meta", with_value: true }));
  });

  it("of a file that takes long says that one may leave, and shows how far it is", async () => {
    const made = sample<SegmentExport>(MAKE);
    const { section } = await panel({ [MAKE]: { data: { ...made, state: "preparing", rows: 0, looked_at: 0 } } });
    fireEvent.click(button(section, "Download"));
    await waitFor(() => expect(words(section)).toContain("The file is being made You may leave this page."));
    expect(words(section)).toContain("44.9% done");
  });

  it("says why a file was not made", async () => {
    const { section } = await panel({ [MAKE]: refused("The segment has no members to download.", null, 409) });
    fireEvent.click(button(section, "Download"));
    await waitFor(() => expect(words(section)).toContain("The segment has no members to download."));
  });
});

describe("The panel's address", () => {
  it("opens it again after a reload, until it is closed", async () => {
    const { router, section } = await panel({ [LOG]: "never" });
    expect(router.state.location.search).toBe("?panel=download");
    fireEvent.click(button(section, "Close"));
    await waitFor(() => expect(router.state.location.search).toBe(""));
  });
});

describe("The log of files", () => {
  it("shows those on their way, ready, failed and no longer kept", async () => {
    const { section } = await panel();
    await waitFor(() => expect(words(section)).toContain("44.9% done"));
    const rows = [...section.querySelectorAll("s-table-row")].map(words);
    expect(rows[0]).toContain("Google, hashed");
    expect(rows[1]).toMatch(/TikTok, hashed, without EU, EEA and UK 180 312 Schedule .*Save file/);
    expect(rows[2]).toContain("Not made: There are no predictions yet");
    expect(rows[3]).toMatch(/Plain 312 312 Command line No longer kept/);
  });

  it("is asked for again while a file is made, and no more once it is ready", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const log = sample<{ items: SegmentExport[] }>(LOG);
    let times = 0;
    const { section } = await panel({
      [LOG]: () => {
        times += 1;
        const ready = { ...log.items[0], state: "ready", rows: 205, can_be_fetched: true };
        return { data: { items: times < 3 ? log.items : [ready, ...log.items.slice(1)] } };
      },
    });
    await vi.advanceTimersByTimeAsync(6000);
    await waitFor(() => expect(words(section)).toContain("Save due_for_milk-google.csv"));
    const then = times;
    await vi.advanceTimersByTimeAsync(6000);
    expect(times).toBe(then);
    vi.useRealTimers();
  });
});

describe("Schedules", () => {
  it("say what they make, when, and where it goes", async () => {
    const { section } = await panel();
    await waitFor(() => expect(words(section)).toContain("Every Monday at 6:00 AM: TikTok, hashed, without EU, EEA and UK"));
    expect(words(section)).toContain("Can be saved here for 24 hours. Next: Nov 30, 2026");
  });

  it("say why the last file was not made, or why they stopped", async () => {
    const { items } = sample<{ items: object[] }>(SCHEDULES);
    const { section } = await panel({
      [SCHEDULES]: {
        data: {
          folder: false,
          items: [
            { ...items[0], problem: "The segment has no members to download." },
            { ...items[0], id: 2, state: "stopped", reason: "Its segment was deleted." },
          ],
        },
      },
    });
    await waitFor(() => expect(words(section)).toContain("The last one was not made: The segment has no members"));
    expect(words(section)).toContain("Stopped");
    expect(words(section)).toContain("Its segment was deleted.");
  });

  it("are made of the choices above", async () => {
    const { asked, section } = await panel();
    pick(section, "pinterest");
    fireEvent.click(button(section, "Make it every day or week"));
    await waitFor(() => expect(words(section)).toContain("As chosen above: Pinterest."));
    enter(field(section, "How often"), "4", "change");
    enter(field(section, "At"), "17", "change");
    enter(field(section, "Where to"), "file", "change");
    fireEvent.click(button(section, "Save schedule"));
    await waitFor(() => expect(bodies(asked, ADD)).toHaveLength(1));
    expect(bodies(asked, ADD)[0]).toMatchObject({ format: "pinterest", every: "week", weekday: 4, hour: 17, destination: "file" });
    await waitFor(() => expect(words(section)).toContain("Make it every day or week"));
  });

  it("offer no folder where none is configured", async () => {
    const { section } = await panel({ [SCHEDULES]: { data: { items: [], folder: false } } });
    fireEvent.click(button(section, "Make it every day or week"));
    await waitFor(() => expect(words(section)).toContain("Save schedule"));
    expect(words(section)).not.toContain("Where to");
  });

  it("can be paused and removed", async () => {
    const { asked, section } = await panel();
    const name = "Every Monday at 6:00 AM: TikTok, hashed, without EU, EEA and UK";
    await waitFor(() => expect(words(section)).toContain(name));
    fireEvent.click(button(section, `Pause: ${name}`));
    await waitFor(() => expect(bodies(asked, "PATCH /api/segments/seg_7/export-schedules/1")).toEqual([{ state: "paused" }]));
    fireEvent.click(button(section, `Remove: ${name}`));
    await waitFor(() => expect(bodies(asked, "DELETE /api/segments/seg_7/export-schedules/1")).toHaveLength(1));
  });
});
