/** The rule grammar as JSON: what the app saves, counts and prints. Money is in minor units. */

export type Compare = "eq" | "ne" | "gt" | "gte" | "lt" | "lte";
export type Scalar = string | number;
export type Value = Scalar | Scalar[];

export type Window =
  | { last: string }
  | { next: string }
  | { from: string; to: string }
  | { before: string }
  | { since: string }
  | { ago: [string, string] }
  | { calendar: string }
  | { ever: true }
  | { anniversary: { next: string } };

export interface Filter {
  attr: string;
  op: string;
  value?: Value;
}

export interface AttrLeaf {
  attr: string;
  op?: string;
  value?: Value;
  missing?: "match" | "skip";
  during?: Window;
}
export interface DidLeaf {
  did: string;
  where?: Filter[];
  count?: { op: Compare; n: number };
  during?: Window;
}
export interface MeasureLeaf {
  measure: string;
  of: string;
  where?: Filter[];
  during?: Window;
  op: Compare;
  value: number | "";
}
export interface SequenceLeaf {
  first: DidLeaf;
  then: DidLeaf;
  within: string;
}
export interface LatestLeaf {
  latest: string;
  where?: Filter[];
  has: Filter[];
}
export interface LifeLeaf {
  life: string;
  event: string;
  gap?: string;
  during?: Window;
}
export interface PredictLeaf {
  predict: string;
  /** About a product, or about any of a type. */
  product?: string;
  product_type?: string;
  horizon?: string;
  op?: Compare;
  value?: number | "";
  during?: Window;
}
export interface MemberLeaf {
  in: string;
  moved?: string;
  during?: Window;
}
export interface NearLeaf {
  near: { lat: number | ""; lon: number | ""; km: number | "" };
}
export interface RankLeaf {
  rank: string;
  top_percent?: number | "";
  quintile?: number[];
  among?: Node;
}
export interface ConsentLeaf {
  consent: "email" | "sms";
  is: "yes" | "no" | "pending";
}
export interface ReachableLeaf {
  reachable: "email";
}
export interface SampleLeaf {
  sample: { percent: number | ""; salt: string };
}

export type Leaf =
  | AttrLeaf
  | DidLeaf
  | MeasureLeaf
  | SequenceLeaf
  | LatestLeaf
  | LifeLeaf
  | PredictLeaf
  | MemberLeaf
  | ConsentLeaf
  | ReachableLeaf
  | NearLeaf
  | SampleLeaf
  | RankLeaf;

export type GroupKind = "all" | "any" | "none";
export type Group = { all: Node[] } | { any: Node[] } | { none: Node[] };
export type Node = Group | Leaf;

export interface Rule {
  v: 1;
  match: Node;
}

export const GROUP_KINDS: readonly GroupKind[] = ["all", "any", "none"];

/** The kind of a group and its children, or null for a leaf. */
export function asGroup(node: Node): { kind: GroupKind; nodes: Node[] } | null {
  if ("all" in node) return { kind: "all", nodes: node.all };
  if ("any" in node) return { kind: "any", nodes: node.any };
  if ("none" in node) return { kind: "none", nodes: node.none };
  return null;
}

/** A group of a kind. */
export function group(kind: GroupKind, nodes: Node[]): Group {
  if (kind === "all") return { all: nodes };
  return kind === "any" ? { any: nodes } : { none: nodes };
}
