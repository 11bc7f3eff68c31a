import { useEffect, useState } from "react";
import type { SegmentList } from "@/shared/api/types";
import { count } from "@/shared/format/numbers";
import { CATEGORIES, CATEGORY_NAMES } from "@/shared/format/words";
import { type ChipState, chipState, type Filter, press, SORTS, type Sort } from "./segmentsFilter";

interface Props {
  filter: Filter;
  setFilter: (filter: Filter) => void;
  counts: SegmentList["categories"];
}

const SEARCH_PAUSE_MS = 300;
const SHOWN: Record<ChipState, string> = { any: "", include: "Only ", exclude: "Not " };
const SAID: Record<ChipState, string> = { any: "", include: ", shown only", exclude: ", hidden" };

/** Category chips (press once to show only these, twice to hide, again for neither), search, and the order. */
export function SegmentsFilterBar({ filter, setFilter, counts }: Props) {
  const chosen = filter.include.length + filter.exclude.length > 0;
  const of = (category: string) => counts.find((one) => one.category === category)?.count ?? 0;
  return (
    <s-box padding="base">
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          {CATEGORIES.map((category) => {
            const state = chipState(filter, category);
            return (
              <s-clickable-chip
                key={category}
                color={state === "any" ? "base" : "strong"}
                accessibilityLabel={`${CATEGORY_NAMES[category]}, ${of(category)} segments${SAID[state]}`}
                onClick={() => setFilter(press(filter, category))}
              >
                {SHOWN[state]}
                {CATEGORY_NAMES[category]} {count(of(category))}
              </s-clickable-chip>
            );
          })}
          {chosen && (
            <s-button variant="tertiary" onClick={() => setFilter({ ...filter, include: [], exclude: [] })}>
              All categories
            </s-button>
          )}
        </s-stack>
        <div className="encore-fields">
          <Search value={filter.search} onSearch={(search) => setFilter({ ...filter, search })} />
          <s-select
            label="Sort by"
            value={filter.sort}
            onChange={(event) => setFilter({ ...filter, sort: event.currentTarget.value as Sort })}
          >
            {Object.entries(SORTS).map(([sort, name]) => (
              <s-option key={sort} value={sort}>
                {name}
              </s-option>
            ))}
          </s-select>
          <s-select
            label="Order"
            value={filter.order}
            onChange={(event) =>
              setFilter({ ...filter, order: event.currentTarget.value === "asc" ? "asc" : "desc" })
            }
          >
            <s-option value="desc">Highest first</s-option>
            <s-option value="asc">Lowest first</s-option>
          </s-select>
        </div>
      </s-stack>
    </s-box>
  );
}

function Search({ value, onSearch }: { value: string; onSearch: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => {
    if (typed === value) return undefined;
    const timer = setTimeout(() => onSearch(typed), SEARCH_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, value, onSearch]);
  return (
    <s-search-field
      label="Search"
      placeholder="Name or definition"
      value={typed}
      onInput={(event) => setTyped(event.currentTarget.value)}
    />
  );
}
