import { fireEvent, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import type { UploadCheck, UploadReport } from "@/shared/api/types";
import { answer, button, enter, field, later, open, refused, sample, words } from "../server";

const CHECK = "POST /api/segments/uploads/check";
const UPLOAD = "POST /api/segments/uploads";

async function chosen(changes: Parameters<typeof answer>[0] = {}, address = "/segments/upload") {
  const asked = answer(changes);
  const { container } = open(address);
  await waitFor(() => expect(words(container)).toContain("Choose a CSV file"));
  const zone = container.querySelector<HTMLElement & { files: File[] }>("s-drop-zone");
  if (zone === null) throw new Error("no place for a file");
  Object.defineProperty(zone, "files", { value: [new File(["Email\na@x.com\n"], "summer_guests.csv")] });
  fireEvent(zone, new Event("change", { bubbles: true }));
  return { asked, container };
}

async function mapped(changes: Parameters<typeof answer>[0] = {}, address?: string) {
  const found = await chosen(changes, address);
  await waitFor(() => expect(words(found.container)).toContain("Match the file to your customers"));
  return found;
}

function pick(container: Element, value: string) {
  const list = container.querySelector<HTMLElement & { values: string[] }>("s-choice-list");
  if (list === null) throw new Error("no choices");
  list.values = [value];
  fireEvent(list, new Event("change", { bubbles: true }));
}

describe("An uploaded list", () => {
  it("is matched by the column that was found, under the file's name", async () => {
    const { asked, container } = await mapped();
    const check = sample<UploadCheck>(CHECK);
    expect(field(container, "Name of the list").getAttribute("value")).toBe("summer guests");
    expect(field(container, "Column that tells who it is").getAttribute("value")).toBe(check.column);
    fireEvent.click(button(container, `Make a list from ${check.rows.toLocaleString("en-US")} rows`));
    await waitFor(() => expect(words(container)).toContain("Not matched"));
    const sent = asked.find((one) => one.key === UPLOAD)?.body;
    for (const part of ["summer guests", "replace", check.column ?? ""]) expect(sent).toContain(part);
  });

  it("says what became of each row, and that the four numbers add up", async () => {
    const { container } = await mapped();
    const report = sample<UploadReport>(UPLOAD);
    fireEvent.click(button(container, `Make a list from ${sample<UploadCheck>(CHECK).rows.toLocaleString("en-US")} rows`));
    await waitFor(() => expect(words(container)).toContain("Download row report"));
    const { matched: yes, unmatched, duplicate, invalid, rows } = report;
    expect(yes + unmatched + duplicate + invalid).toBe(rows);
    expect(words(container)).toContain(`= ${rows.toLocaleString("en-US")} rows`);
  });

  it("can be replaced, added to, or taken from", async () => {
    const { asked, container } = await mapped({}, "/segments/upload?segment=seg_7");
    expect(button(container, "Replace the list")).toBeDefined();
    pick(container, "add");
    await waitFor(() => expect(button(container, "Add to the list")).toBeDefined());
    pick(container, "remove");
    await waitFor(() => expect(button(container, "Remove from the list")).toBeDefined());
    fireEvent.click(button(container, "Remove from the list"));
    await waitFor(() => expect(asked.find((one) => one.key === UPLOAD)?.body).toContain("remove"));
    expect(asked.find((one) => one.key === UPLOAD)?.body).toContain("seg_7");
  });

  it("says what takes the time while rows are matched", async () => {
    const { reply, come } = later();
    const { container } = await mapped({ [UPLOAD]: () => reply });
    const rows = sample<UploadCheck>(CHECK).rows.toLocaleString("en-US");
    fireEvent.click(button(container, `Make a list from ${rows} rows`));
    await waitFor(() => expect(words(container)).toContain(`looking up ${rows} rows among your customers`));
    come({ data: sample<UploadReport>(UPLOAD) });
    await waitFor(() => expect(words(container)).toContain("Not matched"));
  });

  it("asks for the column if none was found", async () => {
    const check = { ...sample<UploadCheck>(CHECK), column: null, identifier: null };
    const { container } = await mapped({ [CHECK]: { data: check } });
    const make = button(container, `Make a list from ${check.rows.toLocaleString("en-US")} rows`);
    expect(make.hasAttribute("disabled")).toBe(true);
    enter(field(container, "Column that tells who it is"), check.columns[0]?.header ?? "", "change");
    await waitFor(() => expect(make.hasAttribute("disabled")).toBe(false));
  });

  it("from a file that is none is refused in words", async () => {
    const { container } = await chosen({ [CHECK]: refused("This is an image, not a CSV file.", "file") });
    await waitFor(() => expect(words(container)).toContain("This is an image, not a CSV file."));
  });
});
