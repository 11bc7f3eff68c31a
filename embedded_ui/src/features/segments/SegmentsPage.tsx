import { useState } from "react";
import { useSearchParams } from "react-router";
import type { SegmentList, SegmentRow } from "@/shared/api/types";
import { asOf } from "@/shared/format/dates";
import { count } from "@/shared/format/numbers";
import { Pager } from "@/shared/paging/Pager";
import { usePaging } from "@/shared/paging/usePaging";
import { Loaded } from "@/shared/states/Loaded";
import { BeforeAnalysis, CustomTemplates, NothingMatches } from "./EmptySegments";
import { MOST_COMPARED, OverlapCard } from "./OverlapCard";
import { type Filter, readFilter, toQuery, writeFilter } from "./segmentsFilter";
import { SegmentsFilterBar } from "./SegmentsFilterBar";
import { SegmentsTable } from "./SegmentsTable";
import { useSegments } from "./useSegments";

const PAGE = 50;

/** Lists the shop's segments. */
export function SegmentsPage() {
  const [address, setAddress] = useSearchParams();
  const filter = readFilter(address);
  const paging = usePaging(writeFilter(filter).toString());
  const segments = useSegments(toQuery(filter, paging.cursor));
  const setFilter = (next: Filter) => setAddress(writeFilter(next), { replace: true });
  return (
    <s-page heading="Segments" inlineSize="large">
      <s-button slot="primary-action" variant="primary" href="/segments/new">
        New segment
      </s-button>
      <s-button slot="secondary-actions" variant="secondary" href="/segments/upload">
        Upload list
      </s-button>
      <Loaded query={segments} noun="segments" lines={8}>
        {(list) =>
          list.state === "before_analysis" ? (
            <BeforeAnalysis />
          ) : (
            <FullList list={list} filter={filter} setFilter={setFilter} paging={paging} />
          )
        }
      </Loaded>
    </s-page>
  );
}

interface FullListProps {
  list: SegmentList;
  filter: Filter;
  setFilter: (filter: Filter) => void;
  paging: ReturnType<typeof usePaging>;
}

function FullList({ list, filter, setFilter, paging }: FullListProps) {
  const first = (paging.page - 1) * PAGE + 1;
  const noCustom = list.categories.every((one) => one.category !== "custom" || one.count === 0);
  const [chosen, setChosen] = useState<SegmentRow[]>([]);
  const [compared, setCompared] = useState<string[]>([]);
  const choose = (segment: SegmentRow, is: boolean) =>
    setChosen(is ? [...chosen, segment] : chosen.filter((one) => one.id !== segment.id));
  const summary =
    list.total === 0
      ? "No segments"
      : `${count(first)}–${count(first + list.items.length - 1)} of ${count(list.total)} segments. ${asOf(list.evaluated_at, list.timezone)}.`;
  return (
    <s-stack gap="base">
      {compared.length > 1 && <OverlapCard ids={compared} />}
      <s-section padding="none" accessibilityLabel="Segments">
        <SegmentsFilterBar filter={filter} setFilter={setFilter} counts={list.categories} />
        <CompareBar
          chosen={chosen}
          compare={() => setCompared(chosen.map((one) => one.id))}
          clear={() => {
            setChosen([]);
            setCompared([]);
          }}
        />
        {list.items.length === 0 ? (
          <NothingMatches clear={() => setFilter({ ...filter, include: [], exclude: [], search: "" })} />
        ) : (
          <SegmentsTable
            segments={list.items}
            timezone={list.timezone}
            chosen={chosen.map((one) => one.id)}
            full={chosen.length >= MOST_COMPARED}
            choose={choose}
          />
        )}
        <Pager summary={summary} hasPrevious={paging.hasPrevious} next={list.next} forward={paging.forward} back={paging.back} />
      </s-section>
      {noCustom && filter.search === "" && <CustomTemplates />}
    </s-stack>
  );
}

interface CompareBarProps {
  chosen: SegmentRow[];
  compare: () => void;
  clear: () => void;
}

/** Always there, so that choosing a row moves nothing. */
function CompareBar({ chosen, compare, clear }: CompareBarProps) {
  const [only] = chosen;
  const said =
    only === undefined
      ? "Tick two or three segments to see whom they share."
      : chosen.length === 1
        ? `“${only.name}” chosen; tick one or two more.`
        : `${chosen.length} of at most ${MOST_COMPARED} chosen.`;
  return (
    <s-box paddingInline="base" paddingBlockEnd="base">
      <s-stack direction="inline" gap="small" alignItems="center">
        <s-button disabled={chosen.length < 2} onClick={compare}>Compare</s-button>
        <s-button variant="tertiary" disabled={chosen.length === 0} onClick={clear}>Clear choice</s-button>
        <s-text color="subdued">{said}</s-text>
      </s-stack>
    </s-box>
  );
}
