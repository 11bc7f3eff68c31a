import type { NameEntry, Vocabulary } from "@/shared/api/types";
import { capital } from "@/shared/format/words";
import { asGroup } from "./rule";
import type { Compare, DidLeaf, Filter, Leaf, LifeLeaf, NearLeaf, Node, PredictLeaf, RankLeaf, Value } from "./rule";
import { durationProblem, windowProblem } from "./windows";

/** Operators that stand without a value, and those that take several. */
export const BARE = new Set(["set", "unset", "true", "false"]);
export const LISTS = new Set(["in", "not_in"]);

export const COMPARES: Record<Compare, string> = {
  gte: "at least",
  lte: "at most",
  gt: "more than",
  lt: "less than",
  eq: "exactly",
  ne: "not",
};

export const FUNCTIONS: Record<string, string> = {
  sum: "total",
  avg: "average",
  min: "lowest",
  max: "highest",
  distinct: "number of different",
};

/** The vocabulary's entry of a name, or undefined. */
export function entry(vocabulary: Vocabulary, kind: NameEntry["kind"], name: string): NameEntry | undefined {
  return vocabulary.names.find((one) => one.kind === kind && one.name === name);
}

/** The functions that a measured value takes. */
export function functionsOf(measured: NameEntry | undefined): string[] {
  const named = measured?.choices.filter((choice) => Object.hasOwn(FUNCTIONS, choice)) ?? [];
  if (named.length > 0) return named;
  // Things that are counted rather than summed.
  return /\.(product|type|vendor)$/.test(measured?.name ?? "") ? ["distinct"] : ["sum", "avg", "min", "max"];
}

/** A value to start with for an operator; undefined for operators without one. */
export function startValue(op: string, type: NameEntry["type"] | undefined, choices: string[] = []): Value | undefined {
  if (BARE.has(op)) return undefined;
  if (op === "between") return [0, 0];
  const first = choices[0] ?? "";
  if (LISTS.has(op)) return first === "" ? [] : [first];
  const numeric = type === "number" || type === "money" || type === "share";
  return numeric ? 0 : first;
}

/** What each prediction is about, as the beginning of a sentence. */
const PREDICTIONS: Record<string, string> = {
  buy_again: "Likely to buy a product again",
  buy_new: "Likely to buy a product for the first time",
  value: "Predicted net sales",
  lapse: "Likely to lapse",
  next_order: "Next order expected",
};

/** A prediction in words. */
export function predictionLabel(name: string): string {
  return PREDICTIONS[name] ?? capital(name.replaceAll("_", " "));
}

export interface Choice {
  key: string;
  label: string;
}
export interface ChoiceGroup {
  label: string;
  choices: Choice[];
}

/** Everything that can be added, grouped as a merchant would look for it. Keys are read by newLeaf. */
export function conditionChoices(vocabulary: Vocabulary): ChoiceGroup[] {
  const of = (kind: NameEntry["kind"], prefix: string) =>
    vocabulary.names
      .filter((one) => one.kind === kind)
      .map((one) => ({
        key: `${prefix}:${one.name}`,
        label: kind === "prediction" ? predictionLabel(one.name) : capital(one.label),
      }));
  return [
    { label: "What they did", choices: of("event", "did") },
    {
      label: "How things follow each other",
      choices: [
        { key: "first:", label: "Did something, and then something else" },
        { key: "latest:", label: "How it was the last time" },
        ...of("life", "life"),
      ],
    },
    { label: "What it adds up to", choices: of("measure", "measure") },
    {
      label: "About the customer",
      choices: [
        ...of("attribute", "attr"),
        { key: "rank:", label: "How they rank among others" },
        { key: "near:", label: "Lives near a place" },
      ],
    },
    { label: "Predictions", choices: of("prediction", "predict") },
    {
      label: "Segments and consent",
      choices: [
        { key: "in:", label: "Is in a segment" },
        { key: "moved:", label: "Entered or left a segment" },
        { key: "reachable:email", label: "Can be reached by e-mail" },
        { key: "consent:email", label: "E-mail consent" },
        { key: "consent:sms", label: "SMS consent" },
        { key: "sample:", label: "A random part of all customers" },
      ],
    },
  ].filter((group) => group.choices.length > 0);
}

/** A leaf to start editing from, for a key of conditionChoices. */
export function newLeaf(key: string, vocabulary: Vocabulary): Leaf {
  const cut = key.indexOf(":");
  const name = key.slice(cut + 1);
  switch (key.slice(0, cut)) {
    case "did":
      return { did: name, count: { op: "gte", n: 1 }, during: { last: "90d" } };
    case "measure": {
      const [first = "sum"] = functionsOf(entry(vocabulary, "measure", name));
      return { measure: first, of: name, during: { last: "1y" }, op: "gte", value: "" };
    }
    case "predict":
      return newPrediction(name, vocabulary);
    case "attr":
      return newAttribute(name, vocabulary);
    case "reachable":
      return { reachable: "email" };
    case "consent":
      return { consent: name === "sms" ? "sms" : "email", is: "yes" };
    case "first":
      return { first: { did: "ordered" }, then: { did: "ordered", count: { op: "eq", n: 0 } }, within: "60d" };
    case "latest":
      return { latest: "ordered", has: [] };
    case "life":
      return newLife(name);
    case "rank":
      return { rank: rankable(vocabulary)[0]?.name ?? "spend.net", top_percent: 10 };
    case "near":
      return { near: { lat: "", lon: "", km: 25 } };
    case "moved":
      return { in: "", moved: "entered", during: { last: "30d" } };
    case "sample":
      return { sample: { percent: 10, salt: "a" } };
    default:
      return { in: "" };
  }
}

function newLife(state: string): LifeLeaf {
  if (state === "first_time") return { life: state, event: "ordered", during: { last: "30d" } };
  const during = state === "stopped" ? undefined : ({ last: state === "regular" ? "1y" : "30d" } as const);
  return { life: state, event: "ordered", gap: "90d", ...(during === undefined ? {} : { during }) };
}

/** What customers can be ranked by: numbers, amounts and shares. */
export function rankable(vocabulary: Vocabulary): NameEntry[] {
  return vocabulary.names.filter(
    (one) => one.kind === "attribute" && (one.type === "number" || one.type === "money" || one.type === "share"),
  );
}

function newPrediction(name: string, vocabulary: Vocabulary): Leaf {
  if (name === "next_order") return { predict: name, during: { next: "30d" } };
  const horizon = vocabulary.horizons[name]?.[0];
  const base = { predict: name, ...(horizon === undefined ? {} : { horizon }), op: "gte" as const };
  if (!needsProduct(name)) return { ...base, value: name === "value" ? "" : 0.5 };
  return { ...base, product: vocabulary.products[0]?.product_id ?? "", value: name === "buy_new" ? 0.01 : 0.1 };
}

function newAttribute(name: string, vocabulary: Vocabulary): Leaf {
  const known = entry(vocabulary, "attribute", name);
  if (known?.type === "date") return { attr: name, during: { last: "30d" } };
  const op = known?.operators[0] ?? "is";
  const value = startValue(op, known?.type, known?.choices);
  return value === undefined ? { attr: name, op } : { attr: name, op, value };
}

/** Whether a prediction is about one product. */
export function needsProduct(prediction: string): boolean {
  return prediction === "buy_again" || prediction === "buy_new";
}

/** A prediction turned to one product, or to any product of a type. */
export function about(leaf: PredictLeaf, kind: string, vocabulary: Vocabulary): PredictLeaf {
  const rest = { ...leaf };
  delete rest.product;
  delete rest.product_type;
  if (kind === "type") return { ...rest, product_type: vocabulary.predicted_types[0] ?? "" };
  return { ...rest, product: vocabulary.products[0]?.product_id ?? "" };
}

/** What is missing or wrong in a leaf, in words; null when it can be counted. */
export function leafProblem(leaf: Leaf): string | null {
  if ("in" in leaf) return leaf.in === "" ? "Choose a segment." : windowProblem(leaf.during);
  if ("first" in leaf) return didProblem(leaf.first) ?? didProblem(leaf.then) ?? durationProblem(leaf.within);
  if ("latest" in leaf) {
    if (leaf.has.length === 0) return "Say how it was the last time: add a detail.";
    return filtersProblem(leaf.has) ?? filtersProblem(leaf.where);
  }
  if ("life" in leaf) return (leaf.gap === undefined ? null : durationProblem(leaf.gap)) ?? windowProblem(leaf.during);
  if ("near" in leaf) return nearProblem(leaf.near);
  if ("rank" in leaf) return rankProblem(leaf);
  if ("sample" in leaf) return sampleProblem(leaf.sample);
  if ("did" in leaf) return didProblem(leaf);
  if ("measure" in leaf) {
    return leaf.value === "" ? "Enter a number." : (windowProblem(leaf.during) ?? filtersProblem(leaf.where));
  }
  if ("predict" in leaf) {
    if (needsProduct(leaf.predict) && !leaf.product && !leaf.product_type) return "Choose a product.";
    return leaf.value === "" ? "Enter a number." : windowProblem(leaf.during);
  }
  if ("attr" in leaf) return leaf.during === undefined ? valueProblem(leaf.op, leaf.value) : windowProblem(leaf.during);
  return null;
}

function didProblem(leaf: DidLeaf): string | null {
  return windowProblem(leaf.during) ?? filtersProblem(leaf.where);
}

function nearProblem({ lat, lon, km }: NearLeaf["near"]): string | null {
  if (lat === "" || Math.abs(lat) > 90) return "Enter a latitude between -90 and 90.";
  if (lon === "" || Math.abs(lon) > 180) return "Enter a longitude between -180 and 180.";
  return km === "" || km <= 0 ? "Enter a distance." : null;
}

function rankProblem(leaf: RankLeaf): string | null {
  const percent = leaf.top_percent ?? "";
  if (leaf.quintile !== undefined) {
    if (leaf.quintile.length === 0) return "Choose at least one fifth.";
  } else if (percent === "" || percent <= 0 || percent > 100) return "Enter a percentage up to 100.";
  return leaf.among === undefined ? null : nodeProblem(leaf.among);
}

/** What is missing or wrong anywhere in a tree, or null. */
function nodeProblem(node: Node): string | null {
  const inner = asGroup(node);
  if (inner === null) return leafProblem(node as Leaf);
  if (inner.nodes.length === 0) return "Add a condition to the group.";
  return inner.nodes.map(nodeProblem).find((problem) => problem !== null) ?? null;
}

function sampleProblem(sample: { percent: number | ""; salt: string }): string | null {
  if (sample.percent === "" || sample.percent <= 0 || sample.percent > 100) return "Enter a percentage up to 100.";
  return sample.salt === "" ? "Give the sample a name." : null;
}

function filtersProblem(filters: Filter[] | undefined): string | null {
  return filters?.map((filter) => valueProblem(filter.op, filter.value)).find((problem) => problem !== null) ?? null;
}

function valueProblem(op: string | undefined, value: Value | undefined): string | null {
  if (op === undefined) return "Choose how to compare.";
  if (BARE.has(op)) return null;
  if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) return "Enter a value.";
  if (op === "between" && Array.isArray(value) && Number(value[0]) > Number(value[1])) return "The lowest comes first.";
  return null;
}
