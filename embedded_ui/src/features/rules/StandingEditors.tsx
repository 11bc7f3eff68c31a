import type { ReactNode } from "react";
import type { Vocabulary } from "@/shared/api/types";
import { capital } from "@/shared/format/words";
import { NumberInput } from "./inputs";
import { rankable } from "./leaves";
import { SegmentSelect } from "./OtherEditors";
import type { NearLeaf, Node, RankLeaf } from "./rule";

interface Props<L> {
  leaf: L;
  onChange: (leaf: L, field: string) => void;
}

/** Within a distance of a point. */
export function NearEditor({ leaf, onChange }: Props<NearLeaf>) {
  const { near } = leaf;
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <NumberInput label="Within" value={near.km} suffix="km" onChange={(km) => onChange({ near: { ...near, km } }, "km")} />
        <NumberInput label="Latitude" value={near.lat} suffix="°" onChange={(lat) => onChange({ near: { ...near, lat } }, "lat")} />
        <NumberInput label="Longitude" value={near.lon} suffix="°" onChange={(lon) => onChange({ near: { ...near, lon } }, "lon")} />
      </div>
      <s-text color="subdued">
        Shopify gives the coordinates of most addresses; Encore keeps them to about a kilometre. West and south are negative.
      </s-text>
    </s-stack>
  );
}

const FIFTHS: Record<number, string> = { 5: "highest fifth", 4: "fourth fifth", 3: "middle fifth", 2: "second fifth", 1: "lowest fifth" };

interface RankProps extends Props<RankLeaf> {
  segments: { id: string; name: string }[];
  vocabulary: Vocabulary;
  /** Edits conditions of their own, among whose members is ranked. */
  own: (among: Node, onChange: (among: Node) => void) => ReactNode;
}

/** How high a customer stands among others. */
export function RankEditor({ leaf, segments, vocabulary, own, onChange }: RankProps) {
  const rest = { rank: leaf.rank, ...(leaf.among === undefined ? {} : { among: leaf.among }) };
  const how = (chosen: string) => {
    onChange(chosen === "top" ? { ...rest, top_percent: 10 } : { ...rest, quintile: [5] }, "how");
  };
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <s-select label="Ranked by" value={leaf.rank} onChange={(event) => onChange({ ...leaf, rank: event.currentTarget.value }, "rank")}>
          {rankable(vocabulary).map((one) => (
            <s-option key={one.name} value={one.name}>
              {capital(one.label)}
            </s-option>
          ))}
        </s-select>
        <s-select label="They are in" value={leaf.quintile === undefined ? "top" : "fifths"} onChange={(event) => how(event.currentTarget.value)}>
          <s-option value="top">the top percent</s-option>
          <s-option value="fifths">some of five equal parts</s-option>
        </s-select>
        {leaf.quintile === undefined && (
          <NumberInput label="Top" value={leaf.top_percent ?? ""} suffix="%" onChange={(top_percent) => onChange({ ...rest, top_percent }, "top")} />
        )}
      </div>
      {leaf.quintile !== undefined && (
        <Fifths chosen={leaf.quintile} onChange={(quintile) => onChange({ ...rest, quintile }, "quintile")} />
      )}
      <AmongInput among={leaf.among} segments={segments} own={own} onChange={(among) => onChange(withAmong(leaf, among), "among")} />
    </s-stack>
  );
}

function withAmong(leaf: RankLeaf, among: Node | undefined): RankLeaf {
  const rest = { ...leaf };
  delete rest.among;
  return among === undefined ? rest : { ...rest, among };
}

function Fifths({ chosen, onChange }: { chosen: number[]; onChange: (chosen: number[]) => void }) {
  return (
    <s-choice-list
      label="Parts"
      multiple
      values={chosen.map(String)}
      onChange={(event) => onChange(event.currentTarget.values.map(Number).sort())}
    >
      {Object.entries(FIFTHS)
        .reverse()
        .map(([fifth, words]) => (
          <s-choice key={fifth} value={fifth}>
            {words}
          </s-choice>
        ))}
    </s-choice-list>
  );
}

const AMONG: { key: string; label: string; node: Node | undefined }[] = [
  { key: "ordered", label: "customers with an order", node: undefined },
  { key: "reachable", label: "customers who can be reached by e-mail", node: { reachable: "email" } },
  { key: "segment", label: "members of a segment", node: { in: "" } },
  { key: "own", label: "customers of conditions of their own", node: { all: [{ did: "ordered" }] } },
];

function amongKey(among: Node | undefined): string {
  if (among === undefined) return "ordered";
  if ("reachable" in among) return "reachable";
  return "in" in among && among.moved === undefined ? "segment" : "own";
}

interface AmongProps {
  among: Node | undefined;
  segments: { id: string; name: string }[];
  own: RankProps["own"];
  onChange: (among: Node | undefined) => void;
}

function AmongInput({ among, segments, own, onChange }: AmongProps) {
  const key = amongKey(among);
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <s-select label="Among" value={key} onChange={(event) => onChange(AMONG.find((one) => one.key === event.currentTarget.value)?.node)}>
          {AMONG.map((one) => (
            <s-option key={one.key} value={one.key}>
              {one.label}
            </s-option>
          ))}
        </s-select>
        {among !== undefined && key === "segment" && "in" in among && (
          <SegmentSelect label="Segment" value={among.in} segments={segments} onChange={(chosen) => onChange({ in: chosen })} />
        )}
      </div>
      {among !== undefined && key === "own" && own(among, onChange)}
    </s-stack>
  );
}
