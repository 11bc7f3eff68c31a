import { api, unwrap } from "./client";
import type { paths } from "./schema";
import type { SegmentRow } from "./types";

type Filter = Omit<NonNullable<paths["/api/segments"]["get"]["parameters"]["query"]>, "cursor" | "limit">;

const MOST_AT_ONCE = 200;

/** The segments of a filter from all pages, for a choice in which none may be missing. */
export async function everySegment(filter: Filter): Promise<SegmentRow[]> {
  const found: SegmentRow[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { ...filter, limit: MOST_AT_ONCE, ...(cursor === undefined ? {} : { cursor }) };
    const page = await unwrap(api.GET("/api/segments", { params: { query } }));
    found.push(...page.items);
    cursor = page.next ?? null;
  }
  return found;
}
