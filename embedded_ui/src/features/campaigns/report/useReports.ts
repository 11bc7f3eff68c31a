import { useMutation, useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

const AT_REST_MS = 60_000;

/** What one campaign added, and what followed it. Read from stored figures. */
export function useCampaignReport(campaign_id: string) {
  return useQuery({
    queryKey: ["campaign", campaign_id, "report"],
    queryFn: () =>
      unwrap(api.GET("/api/campaigns/{campaign_id}/report", { params: { path: { campaign_id } } })),
    refetchInterval: AT_REST_MS,
  });
}

/** What the list shows beside each campaign, and sends per day. */
export function useCampaignResults() {
  return useQuery({
    queryKey: ["campaign-results"],
    queryFn: () => unwrap(api.GET("/api/campaign-results")),
    refetchInterval: AT_REST_MS,
  });
}

/** Measures all campaigns again, in the background. */
export function useMeasureAgain() {
  return useMutation({ mutationFn: () => unwrap(api.POST("/api/campaign-results/refresh")) });
}
