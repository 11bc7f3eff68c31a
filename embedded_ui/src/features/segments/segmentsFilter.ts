import type { Category } from "@/shared/api/types";
import { CATEGORIES } from "@/shared/format/words";
import type { SegmentQuery } from "./useSegments";

export type Sort = NonNullable<SegmentQuery["sort"]>;

export const SORTS: Record<Sort, string> = {
  size: "Size",
  name: "Name",
  reachable: "Reachable",
  change: "30-day change",
  net_share: "Share of net sales",
  expected_buyers: "Expected buyers",
  evaluated_at: "Updated",
};

/** What the segments list shows. It lives in the address, so that a view can be bookmarked and shared. */
export interface Filter {
  /** Only these categories; none = all. */
  include: Category[];
  /** Never these. A category is in one of both at most. */
  exclude: Category[];
  search: string;
  sort: Sort;
  order: "asc" | "desc";
}

/** What a category's chip says. */
export type ChipState = "any" | "include" | "exclude";

/** Reads the filter of an address; anything unknown is ignored. */
export function readFilter(address: URLSearchParams): Filter {
  const named = (parameter: string) => {
    const names = (address.get(parameter) ?? "").split(",");
    return CATEGORIES.filter((category) => names.includes(category));
  };
  const include = named("categories");
  const sort = address.get("sort");
  return {
    include,
    exclude: named("not").filter((category) => !include.includes(category)),
    search: address.get("search") ?? "",
    sort: sort !== null && Object.hasOwn(SORTS, sort) ? (sort as Sort) : "size",
    order: address.get("order") === "asc" ? "asc" : "desc",
  };
}

/** The address of a filter, without what is as it is anyway. */
export function writeFilter(filter: Filter): URLSearchParams {
  const address = new URLSearchParams();
  if (filter.include.length > 0) address.set("categories", filter.include.join(","));
  if (filter.exclude.length > 0) address.set("not", filter.exclude.join(","));
  if (filter.search !== "") address.set("search", filter.search);
  if (filter.sort !== "size") address.set("sort", filter.sort);
  if (filter.order !== "desc") address.set("order", filter.order);
  return address;
}

/** The API's question for a filter. No category included means all. */
export function toQuery(filter: Filter, cursor: string | undefined): SegmentQuery {
  return {
    ...(filter.include.length === 0 ? {} : { category: filter.include }),
    ...(filter.exclude.length === 0 ? {} : { exclude: filter.exclude }),
    ...(filter.search === "" ? {} : { search: filter.search }),
    sort: filter.sort,
    order: filter.order,
    ...(cursor === undefined ? {} : { cursor }),
    limit: 50,
  };
}

/** Where a category's chip stands. */
export function chipState(filter: Filter, category: Category): ChipState {
  if (filter.include.includes(category)) return "include";
  return filter.exclude.includes(category) ? "exclude" : "any";
}

const AFTER: Record<ChipState, ChipState> = { any: "include", include: "exclude", exclude: "any" };

/** Presses a category's chip: any, only this, not this, any again. */
export function press(filter: Filter, category: Category): Filter {
  const next = AFTER[chipState(filter, category)];
  const having = (chosen: Category[], has: boolean) =>
    CATEGORIES.filter((one) => (one === category ? has : chosen.includes(one)));
  return {
    ...filter,
    include: having(filter.include, next === "include"),
    exclude: having(filter.exclude, next === "exclude"),
  };
}
