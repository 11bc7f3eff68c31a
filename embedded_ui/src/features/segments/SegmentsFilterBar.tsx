import { useEffect, useState } from "react";
import type { SegmentList } from "@/shared/api/types";
import { count } from "@/shared/format/numbers";
import { CATEGORIES, CATEGORY_NAMES } from "@/shared/format/words";
import { type Filter, SORTS, type Sort, toggle } from "./segmentsFilter";

interface Props {
  filter: Filter;
  setFilter: (filter: Filter) => void;
  counts: SegmentList["categories"];
}

const SEARCH_PAUSE_MS = 300;

/** Category chips with include or exclude, search, and the order of the list. */
export function SegmentsFilterBar({ filter, setFilter, counts }: Props) {
  const of = (category: string) => counts.find((one) => one.category === category)?.count ?? 0;
  return (
    <s-box padding="base">
      <s-stack gap="base">
        <s-stack direction="inline" gap="small-200" alignItems="center">
          <s-select
            label="Categories"
            labelAccessibilityVisibility="exclusive"
            value={filter.mode}
            onChange={(event) =>
              setFilter({ ...filter, mode: event.currentTarget.value === "exclude" ? "exclude" : "include" })
            }
          >
            <s-option value="include">Show only</s-option>
            <s-option value="exclude">Hide</s-option>
          </s-select>
          {CATEGORIES.map((category) => {
            const chosen = filter.categories.includes(category);
            return (
              <s-clickable-chip
                key={category}
                color={chosen ? "strong" : "base"}
                accessibilityLabel={`${CATEGORY_NAMES[category]}, ${of(category)} segments${chosen ? ", chosen" : ""}`}
                onClick={() => setFilter(toggle(filter, category))}
              >
                {CATEGORY_NAMES[category]} {count(of(category))}
              </s-clickable-chip>
            );
          })}
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
