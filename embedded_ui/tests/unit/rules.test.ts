import { describe, expect, it } from "vitest";
import type { Vocabulary } from "@/shared/api/types";
import { depth, edit, type Editor, hasEmptyGroup, leafPaths, start, toRule } from "@/features/rules/draft";
import { about, conditionChoices, leafProblem, newLeaf } from "@/features/rules/leaves";
import { countsByLeaf, leafAt } from "@/features/rules/places";
import type { Leaf, Rule } from "@/features/rules/rule";
import { incompleteness } from "@/features/rules/SegmentForm";
import { kindOf, readDuration, windowProblem } from "@/features/rules/windows";
import { sample } from "../server";

const RULE: Rule = {
  v: 1,
  match: {
    all: [
      { did: "ordered", count: { op: "gte", n: 2 }, during: { last: "1y" } },
      { none: [{ in: "seg_4" }, { any: [{ reachable: "email" }, { attr: "country", op: "in", value: ["DE", "FR"] }] }] },
    ],
  },
};
const vocabulary = sample<Vocabulary>("GET /api/segments/vocabulary");

function idOf(editor: Editor, path: string): number {
  const found = leafPaths(editor.root).find((leaf) => leaf.path === path);
  if (found === undefined) throw new Error(path);
  return found.draft.id;
}

describe("The rule being edited", () => {
  it("gives back the rule it started with", () => {
    expect(toRule(start(RULE).root)).toEqual(RULE);
  });
  it("puts a group around a bare condition", () => {
    expect(toRule(start({ v: 1, match: { in: "seg_1" } }).root).match).toEqual({ all: [{ in: "seg_1" }] });
  });
  it("names each condition's place as the app does", () => {
    expect(leafPaths(start(RULE).root).map((leaf) => leaf.path)).toEqual([
      "match.all[0]",
      "match.all[1].none[0]",
      "match.all[1].none[1].any[0]",
      "match.all[1].none[1].any[1]",
    ]);
    expect(depth(start(RULE).root)).toBe(3);
  });
  it("adds, changes and removes conditions without touching the others", () => {
    let editor = start(RULE);
    editor = edit(editor, { do: "add_leaf", to: editor.root.id, leaf: { reachable: "email" } });
    const id = idOf(editor, "match.all[0]");
    editor = edit(editor, { do: "change_leaf", id, leaf: { did: "ordered" }, field: "op" });
    editor = edit(editor, { do: "remove", id: idOf(editor, "match.all[1].none[0]") });
    expect(toRule(editor.root).match).toEqual({
      all: [
        { did: "ordered" },
        { none: [{ any: [{ reachable: "email" }, { attr: "country", op: "in", value: ["DE", "FR"] }] }] },
        { reachable: "email" },
      ],
    });
  });
  it("changes how a group joins", () => {
    const editor = start(RULE);
    expect(toRule(edit(editor, { do: "set_kind", id: editor.root.id, kind: "any" }).root).match).toHaveProperty("any");
  });
  it("never removes its root", () => {
    const editor = start(RULE);
    expect(edit(editor, { do: "remove", id: editor.root.id })).toBe(editor);
  });
  it("gives every node a number of its own, also after putting in another rule", () => {
    let editor = edit(start(RULE), { do: "replace", rule: RULE });
    editor = edit(editor, { do: "add_group", to: editor.root.id, kind: "none", leaves: [{ in: "" }, { in: "" }] });
    const ids = leafPaths(editor.root).map((leaf) => leaf.draft.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => id < editor.nextId)).toBe(true);
  });
});

describe("Undo", () => {
  const typed = (editor: Editor, id: number, percent: number, field = "percent") =>
    edit(editor, { do: "change_leaf", id, leaf: { sample: { percent, salt: "a" } }, field });

  it("takes back one edit at a time, down to the start", () => {
    const first = start();
    let editor = edit(first, { do: "add_leaf", to: first.root.id, leaf: { reachable: "email" } });
    editor = edit(editor, { do: "add_group", to: first.root.id, kind: "any" });
    editor = edit(editor, { do: "undo" });
    expect(leafPaths(editor.root)).toHaveLength(1);
    editor = edit(edit(editor, { do: "undo" }), { do: "undo" });
    expect(editor.root).toEqual(first.root);
  });
  it("takes typing in one field as one edit", () => {
    const empty = start();
    let editor = edit(empty, { do: "add_leaf", to: empty.root.id, leaf: { sample: { percent: 1, salt: "a" } } });
    const id = idOf(editor, "match.all[0]");
    editor = typed(typed(typed(editor, id, 12), id, 125), id, 12.5);
    editor = edit(editor, { do: "undo" });
    expect(toRule(editor.root).match).toEqual({ all: [{ sample: { percent: 1, salt: "a" } }] });
  });
  it("takes typing in two fields as two edits", () => {
    const empty = start();
    let editor = edit(empty, { do: "add_leaf", to: empty.root.id, leaf: { sample: { percent: 1, salt: "a" } } });
    const id = idOf(editor, "match.all[0]");
    editor = edit(typed(typed(editor, id, 2), id, 3, "salt"), { do: "undo" });
    expect(toRule(editor.root).match).toEqual({ all: [{ sample: { percent: 2, salt: "a" } }] });
  });
});

describe("A condition just added", () => {
  it("is offered for every name that rules may use", () => {
    const keys = conditionChoices(vocabulary).flatMap((group) => group.choices.map((choice) => choice.key));
    expect(keys).toContain("did:ordered");
    expect(keys).toContain("measure:ordered.net");
    expect(keys).toContain("attr:spend.net");
    expect(keys).toContain("predict:buy_again");
    expect(keys).toContain("in:");
  });
  it("starts as a condition of the grammar", () => {
    expect(newLeaf("did:ordered", vocabulary)).toEqual({ did: "ordered", count: { op: "gte", n: 1 }, during: { last: "90d" } });
    expect(newLeaf("predict:buy_new", vocabulary)).toEqual({ predict: "buy_new", horizon: "30d", op: "gte", product: "9001", value: 0.01 });
    expect(newLeaf("predict:next_order", vocabulary)).toEqual({ predict: "next_order", during: { next: "30d" } });
    expect(newLeaf("attr:created", vocabulary)).toEqual({ attr: "created", during: { last: "30d" } });
    expect(newLeaf("attr:country", vocabulary)).toEqual({ attr: "country", op: "is", value: "US" });
    expect(newLeaf("measure:ordered.product", vocabulary)).toMatchObject({ measure: "distinct", of: "ordered.product" });
  });
});

describe("A chance to buy", () => {
  const leaf = { predict: "buy_again", product: "9001", op: "gte", value: 0.1 } as const;
  it("is about one product or about any of a type, never both", () => {
    const ofType = about(leaf, "type", vocabulary);
    expect(ofType).toEqual({ predict: "buy_again", product_type: "Coffee", op: "gte", value: 0.1 });
    expect(about(ofType, "product", vocabulary)).toEqual(leaf);
    expect(leafProblem(ofType)).toBeNull();
  });
});

describe("A condition", () => {
  it.each<[string, Leaf, string | null]>([
    ["a segment not chosen", { in: "" }, "Choose a segment."],
    ["an empty value", { attr: "country", op: "is", value: "" }, "Enter a value."],
    ["an empty list", { attr: "country", op: "in", value: [] }, "Enter a value."],
    ["bounds in the wrong order", { attr: "orders.count", op: "between", value: [5, 2] }, "The lowest comes first."],
    ["no value where none is needed", { attr: "country", op: "unset" }, null],
    ["a zero", { attr: "orders.count", op: "is", value: 0 }, null],
    ["a duration without a number", { did: "ordered", during: { last: "d" } }, "Say how many days, weeks, months or years."],
    ["a product not chosen", { predict: "buy_again", product: "", op: "gte", value: 0.1 }, "Choose a product."],
    ["a detail without a value", { did: "ordered", where: [{ attr: "product.type", op: "is", value: "" }] }, "Enter a value."],
    ["a percentage above 100", { sample: { percent: 101, salt: "a" } }, "Enter a percentage up to 100."],
    ["nothing to choose", { reachable: "email" }, null],
  ])("with %s says so", (_, leaf, problem) => {
    expect(leafProblem(leaf)).toBe(problem);
  });
});

describe("A rule", () => {
  it("is not counted while it is empty or a group of it is", () => {
    expect(incompleteness(start().root, vocabulary)).toBe("Add a condition to see who matches.");
    const empty = start(RULE);
    const grouped = edit(empty, { do: "add_group", to: empty.root.id, kind: "any" });
    expect(hasEmptyGroup(grouped.root)).toBe(true);
    expect(incompleteness(grouped.root, vocabulary)).toContain("A group is empty");
    expect(incompleteness(start(RULE).root, vocabulary)).toBeNull();
  });
});

describe("The app's objection", () => {
  const { root } = start(RULE);
  it("goes to the condition that it names", () => {
    expect(leafAt(root, "rule.match.all[1].none[0].in")).toBe(idOf(start(RULE), "match.all[1].none[0]"));
    expect(leafAt(root, "match.all[0]")).toBe(idOf(start(RULE), "match.all[0]"));
  });
  it("goes nowhere when no condition is meant", () => {
    expect(leafAt(root, "name")).toBeNull();
    expect(leafAt(root, "match.all[1]")).toBeNull();
  });
  it("tells the second condition from the eleventh", () => {
    const many = start({ v: 1, match: { all: Array.from({ length: 12 }, (_, n) => ({ in: `seg_${n + 1}` })) } });
    expect(leafAt(many.root, "match.all[10].in")).toBe(idOf(many, "match.all[10]"));
    expect(leafAt(many.root, "match.all[1].in")).toBe(idOf(many, "match.all[1]"));
  });
});

describe("The app's counts", () => {
  it("stand at their conditions", () => {
    const editor = start(RULE);
    const counts = countsByLeaf(editor.root, [
      { path: "match.all[0]", sentence: "", count: 1204, missing: 0, remaining: 1204 },
      { path: "match.all[1].none[0]", sentence: "", count: 7, missing: 0, remaining: null },
    ]);
    expect(counts.get(idOf(editor, "match.all[0]"))).toBe("1,204 customers alone · 1,204 left after it");
    expect(counts.get(idOf(editor, "match.all[1].none[0]"))).toBe("7 customers alone");
  });
});

describe("A window", () => {
  it("is recognised by its keys", () => {
    expect(kindOf(undefined)).toBe("ever");
    expect(kindOf({ ago: ["60d", "30d"] })).toBe("ago");
    expect(kindOf({ from: "2026-01-01", to: "2026-02-01" })).toBe("between");
  });
  it("keeps its unit while the number is being typed", () => {
    expect(readDuration("30d")).toEqual({ n: "30", unit: "d" });
    expect(readDuration("mo")).toEqual({ n: "", unit: "mo" });
  });
  it("says when its dates are the wrong way round", () => {
    expect(windowProblem({ from: "2026-02-01", to: "2026-01-01" })).toBe("The first date comes first.");
    expect(windowProblem({ calendar: "this_month" })).toBeNull();
  });
});
