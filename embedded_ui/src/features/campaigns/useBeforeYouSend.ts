import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { Campaign, SimulationRequest } from "@/shared/api/types";

const at = (campaign_id: string) => ({ params: { path: { campaign_id } } });
const WHILE_WORKING_MS = 10_000;

/** Whom the campaign would have targeted in the last twelve months; asked for again while weeks are worked out. */
export function useLookBack(campaign: Campaign) {
  return useQuery({
    queryKey: ["campaign", campaign.id, "look-back", campaign.updated_at],
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}/before-you-send", at(campaign.id))),
    refetchInterval: (query) => (query.state.data?.state === "working" ? WHILE_WORKING_MS : false),
  });
}

/** What the campaign will do under these settings. Saves nothing, so asking is reading. */
export function useSimulation(campaign: Campaign, whatIf: SimulationRequest) {
  return useQuery({
    queryKey: ["campaign", campaign.id, "simulation", campaign.updated_at, whatIf],
    queryFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/simulation", { ...at(campaign.id), body: whatIf })),
    placeholderData: keepPreviousData,
    retry: false,
  });
}
