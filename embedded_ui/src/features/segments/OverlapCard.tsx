import type { SegmentOverlap } from "@/shared/api/types";
import { ChartCard } from "@/shared/charts/ChartCard";
import { count, counted, percent } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import { useOverlap } from "./useSegmentFigures";

export const MOST_COMPARED = 3;
const LETTERS = ["A", "B", "C"];

type Region = SegmentOverlap["regions"][number];

/** Whom two or three segments share: every region with its size. */
export function OverlapCard({ ids }: { ids: string[] }) {
  const overlap = useOverlap(ids);
  if (overlap.data === undefined) {
    return (
      <s-section heading="Overlap">
        <Loaded query={overlap} noun="the overlap" lines={4}>
          {() => null}
        </Loaded>
      </s-section>
    );
  }
  return (
    <Loaded query={overlap} noun="the overlap">
      {(found) => <Card found={found} />}
    </Loaded>
  );
}

function Card({ found }: { found: SegmentOverlap }) {
  const rows = found.regions.map((region) => [said(region, found), region.size, region.reachable]);
  return (
    <ChartCard
      heading="Overlap"
      caption={`${counted(found.together, "customer")} in at least one of them, ${count(found.together_reachable)} reachable by e-mail. Each customer counts in one row.`}
      columns={["Customers in", "Size", "Reachable by e-mail"]}
      rows={rows}
      file="overlap"
    >
      <s-stack gap="base">
        <Regions found={found} />
        <s-stack gap="small-200">
          {found.segments.map((segment, index) => (
            <s-text key={segment.id} color="subdued">
              {LETTERS[index]}: <s-link href={`/segments/${segment.id}`}>{segment.name}</s-link>, {count(segment.size)},{" "}
              {count(segment.reachable)} reachable
            </s-text>
          ))}
        </s-stack>
      </s-stack>
    </ChartCard>
  );
}

/** Dots say which segments a row is in; the bar and the number how many customers that are. */
function Regions({ found }: { found: SegmentOverlap }) {
  const most = Math.max(1, ...found.regions.map((region) => region.size));
  const columns = { gridTemplateColumns: `repeat(${found.segments.length}, 22px) 1fr auto` };
  return (
    <div className="encore-overlap" style={columns} role="table" aria-label="Customers by the segments they are in">
      {found.segments.map((segment, index) => (
        <span key={segment.id} className="encore-letter" title={segment.name} aria-hidden="true">
          {LETTERS[index]}
        </span>
      ))}
      <span aria-hidden="true" />
      <span aria-hidden="true" />
      {found.regions.map((region) => (
        <div key={region.segments.join()} role="row">
          <span role="cell" className="encore-hidden">{said(region, found)}</span>
          {found.segments.map((segment) => (
            <span key={segment.id} className="encore-dot" data-in={region.segments.includes(segment.id)} aria-hidden="true" />
          ))}
          <span className="encore-bar" aria-hidden="true">
            {region.size > 0 && <span style={{ width: `${(region.size / most) * 100}%` }} />}
          </span>
          <span role="cell">
            {count(region.size)}
            {found.together > 0 && ` · ${percent(region.size / found.together)}`}
          </span>
        </div>
      ))}
    </div>
  );
}

/** “A” and “B”, not “C”. */
function said(region: Region, found: SegmentOverlap): string {
  const named = (inside: boolean) =>
    found.segments.filter((one) => region.segments.includes(one.id) === inside).map((one) => `“${one.name}”`);
  const outside = named(false);
  return `${named(true).join(" and ")}${outside.length === 0 ? "" : `, not ${outside.join(" or ")}`}`;
}
