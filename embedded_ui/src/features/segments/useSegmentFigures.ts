import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import { everySegment } from "@/shared/api/segments";
import type { SegmentDetails } from "@/shared/api/types";

/** How two or three segments overlap. The answer before stays while the next is on its way. */
export function useOverlap(ids: string[]) {
  return useQuery({
    queryKey: ["segments", "overlap", ids],
    queryFn: () => unwrap(api.GET("/api/segments/overlap", { params: { query: { ids: ids.join(",") } } })),
    placeholderData: keepPreviousData,
  });
}

/** What the members buy more than all customers do. */
export function useAffinity({ id, evaluated_at }: SegmentDetails) {
  return useQuery({
    queryKey: ["segment", id, "affinity", evaluated_at],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}/affinity", { params: { path: { segment_id: id } } })),
  });
}

/** The segment's last 90 days. */
export function useTrend({ id, evaluated_at }: SegmentDetails) {
  return useQuery({
    queryKey: ["segment", id, "trend", evaluated_at],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}/trend", { params: { path: { segment_id: id } } })),
  });
}

/** Days between the members' purchases. */
export function useGaps({ id, evaluated_at }: SegmentDetails) {
  return useQuery({
    queryKey: ["segment", id, "gaps", evaluated_at],
    queryFn: () => unwrap(api.GET("/api/segments/{segment_id}/gaps", { params: { path: { segment_id: id } } })),
  });
}

/** All segments with members, by name, to choose one to compare with. */
export function useOthers(enabled: boolean) {
  return useQuery({
    queryKey: ["segments", "others"],
    queryFn: () => everySegment({ include_empty: false, sort: "name", order: "asc" }),
    enabled,
  });
}
