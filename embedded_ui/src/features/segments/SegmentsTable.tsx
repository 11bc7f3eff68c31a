import type { SegmentRow } from "@/shared/api/types";
import { Sparkline } from "@/shared/charts/Sparkline";
import { age, moment } from "@/shared/format/dates";
import { change, count, percent } from "@/shared/format/numbers";
import { CATEGORY_NAMES, SEGMENT_STATES } from "@/shared/format/words";

interface Props {
  segments: SegmentRow[];
  timezone: string;
  /** Chosen to be compared. */
  chosen: string[];
  /** Whether one more may be chosen. */
  full: boolean;
  choose: (segment: SegmentRow, chosen: boolean) => void;
}

/** The segments of one page of the list. */
export function SegmentsTable({ segments, timezone, chosen, full, choose }: Props) {
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
          <Row
            key={segment.id}
            segment={segment}
            timezone={timezone}
            chosen={chosen.includes(segment.id)}
            full={full}
            choose={(is) => choose(segment, is)}
          />
        ))}
      </s-table-body>
    </s-table>
  );
}

interface RowProps {
  segment: SegmentRow;
  timezone: string;
  chosen: boolean;
  full: boolean;
  choose: (chosen: boolean) => void;
}

function Row({ segment, timezone, chosen, full, choose }: RowProps) {
  const link = `segment-${segment.id}`;
  // The numbers are of the last evaluation; while the next runs, or after one that failed, they are old.
  const old = segment.state === "pending" || segment.state === "failed";
  const number = old ? "encore-old" : undefined;
  return (
    <s-table-row clickDelegate={link}>
      <s-table-cell>
        <div className="encore-chosen">
          <s-checkbox
            accessibilityLabel={`Compare ${segment.name}`}
            checked={chosen}
            disabled={segment.size === 0 || (full && !chosen)}
            onChange={(event) => choose(event.currentTarget.checked)}
          />
          <div className="encore-name">
            <s-link id={link} href={`/segments/${segment.id}`}>
              {segment.name}
            </s-link>
            <span>{segment.reason ?? segment.definition}</span>
          </div>
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
          <span className={number}>{count(segment.size)}</span>
          <Sparkline values={segment.sizes} label={`Sizes of the last ${segment.sizes.length} days of ${segment.name}`} />
        </span>
      </s-table-cell>
      <s-table-cell><span className={number}>{count(segment.reachable)}</span></s-table-cell>
      <s-table-cell><span className={number}>{change(segment.change_30d)}</span></s-table-cell>
      <s-table-cell><span className={number}>{percent(segment.net_share)}</span></s-table-cell>
      <s-table-cell>
        <span className="encore-age" title={moment(segment.evaluated_at, timezone)}>{age(segment.evaluated_at, new Date())}</span>
      </s-table-cell>
    </s-table-row>
  );
}

function StateBadge({ segment }: { segment: SegmentRow }) {
  if (segment.state === "ready") return null;
  if (segment.state === "pending") {
    return (
      <>
        <s-spinner size="base" accessibilityLabel={`Working out ${segment.name}`} />
        <s-badge tone="info">{SEGMENT_STATES.pending}</s-badge>
      </>
    );
  }
  const tone = segment.state === "failed" ? "critical" : "neutral";
  return <s-badge tone={tone}>{SEGMENT_STATES[segment.state]}</s-badge>;
}
