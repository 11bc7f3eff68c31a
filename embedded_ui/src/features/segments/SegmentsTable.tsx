import type { SegmentRow } from "@/shared/api/types";
import { Sparkline } from "@/shared/charts/Sparkline";
import { age, moment } from "@/shared/format/dates";
import { change, count, percent } from "@/shared/format/numbers";
import { CATEGORY_NAMES, SEGMENT_STATES } from "@/shared/format/words";

interface Props {
  segments: SegmentRow[];
  timezone: string;
}

/** The segments of one page of the list. */
export function SegmentsTable({ segments, timezone }: Props) {
  return (
    <s-table>
      <s-table-header-row>
        <s-table-header listSlot="primary">Segment</s-table-header>
        <s-table-header listSlot="secondary">Category</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Size</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Reachable</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">30-day change</s-table-header>
        <s-table-header listSlot="labeled" format="numeric">Net sales share</s-table-header>
        <s-table-header listSlot="labeled">Updated</s-table-header>
      </s-table-header-row>
      <s-table-body>
        {segments.map((segment) => (
          <Row key={segment.id} segment={segment} timezone={timezone} />
        ))}
      </s-table-body>
    </s-table>
  );
}

function Row({ segment, timezone }: { segment: SegmentRow; timezone: string }) {
  const link = `segment-${segment.id}`;
  return (
    <s-table-row clickDelegate={link}>
      <s-table-cell>
        <div className="encore-name">
          <s-link id={link} href={`/segments/${segment.id}`}>
            {segment.name}
          </s-link>
          <span>{segment.reason ?? segment.definition}</span>
        </div>
      </s-table-cell>
      <s-table-cell>
        <s-stack direction="inline" gap="small-200">
          <s-badge>{CATEGORY_NAMES[segment.category]}</s-badge>
          <StateBadge segment={segment} />
        </s-stack>
      </s-table-cell>
      <s-table-cell>
        <span className="encore-size">
          {count(segment.size)}
          <Sparkline values={segment.sizes} label={`Last ${segment.sizes.length} sizes of ${segment.name}`} />
        </span>
      </s-table-cell>
      <s-table-cell>{count(segment.reachable)}</s-table-cell>
      <s-table-cell>{change(segment.change_30d)}</s-table-cell>
      <s-table-cell>{percent(segment.net_share)}</s-table-cell>
      <s-table-cell>
        <span className="encore-age" title={moment(segment.evaluated_at, timezone)}>{age(segment.evaluated_at, new Date())}</span>
      </s-table-cell>
    </s-table-row>
  );
}

function StateBadge({ segment }: { segment: SegmentRow }) {
  if (segment.state === "ready") return null;
  const tone = segment.state === "failed" ? "critical" : segment.state === "pending" ? "info" : "neutral";
  return <s-badge tone={tone}>{SEGMENT_STATES[segment.state]}</s-badge>;
}
