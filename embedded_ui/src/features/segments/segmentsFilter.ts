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
  categories: Category[];
  mode: "include" | "exclude";
  search: string;
  sort: Sort;
  order: "asc" | "desc";
}

/** Reads the filter of an address; anything unknown is ignored. */
export function readFilter(address: URLSearchParams): Filter {
  const named = (address.get("categories") ?? "").split(",");
  const sort = address.get("sort");
  return {
    categories: CATEGORIES.filter((category) => named.includes(category)),
    mode: address.get("mode") === "exclude" ? "exclude" : "include",
    search: address.get("search") ?? "",
    sort: sort !== null && Object.hasOwn(SORTS, sort) ? (sort as Sort) : "size",
    order: address.get("order") === "asc" ? "asc" : "desc",
  };
}

/** The address of a filter, without what is as it is anyway. */
export function writeFilter(filter: Filter): URLSearchParams {
  const address = new URLSearchParams();
  if (filter.categories.length > 0) address.set("categories", filter.categories.join(","));
  if (filter.mode === "exclude") address.set("mode", "exclude");
  if (filter.search !== "") address.set("search", filter.search);
  if (filter.sort !== "size") address.set("sort", filter.sort);
  if (filter.order !== "desc") address.set("order", filter.order);
  return address;
}

/** The API's question for a filter. No category chosen means all, in either mode. */
export function toQuery(filter: Filter, cursor: string | undefined): SegmentQuery {
  return {
    ...(filter.categories.length === 0
      ? {}
      : { [filter.mode === "include" ? "category" : "exclude"]: filter.categories }),
    ...(filter.search === "" ? {} : { search: filter.search }),
    sort: filter.sort,
    order: filter.order,
    ...(cursor === undefined ? {} : { cursor }),
    limit: 50,
  };
}

/** Adds or takes away one category. */
export function toggle(filter: Filter, category: Category): Filter {
  const chosen = filter.categories.includes(category);
  const categories = CATEGORIES.filter((one) =>
    one === category ? !chosen : filter.categories.includes(one),
  );
  return { ...filter, categories };
}
