import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

/** The shop's recommendations, best first; of one segment when its id is given. */
export function useRecommendations(segmentId?: string) {
  return useQuery({
    queryKey: ["recommendations", segmentId ?? "all"],
    queryFn: async () => {
      const query = segmentId === undefined ? {} : { segment_id: segmentId };
      return unwrap(api.GET("/api/recommendations", { params: { query } }));
    },
  });
}

/** Hides a recommendation for 30 days, on every page. */
export function useDismissRecommendation() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (recommendation_id: string) =>
      unwrap(api.POST("/api/recommendations/{recommendation_id}/dismiss", { params: { path: { recommendation_id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["recommendations"] }),
  });
}

/** Shows a hidden recommendation again. */
export function useRestoreRecommendation() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (recommendation_id: string) =>
      unwrap(api.POST("/api/recommendations/{recommendation_id}/restore", { params: { path: { recommendation_id } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["recommendations"] }),
  });
}
