import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { paths } from "@/shared/api/schema";
import type { DiscountPlanPatch } from "@/shared/api/types";

type NewCode =
  paths["/api/campaigns/{campaign_id}/discount/code"]["post"]["requestBody"]["content"]["application/json"];

const at = (campaign_id: string) => ({ params: { path: { campaign_id } } });
const keyOf = (campaignId: string) => ["campaign", campaignId, "discount"];

/** What Encore may give away in a campaign, and how it stands. */
export function useDiscount(campaignId: string) {
  return useQuery({
    queryKey: keyOf(campaignId),
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}/discount", at(campaignId))),
  });
}

/** Saves what Encore may give away; the campaign's own open items follow. */
export function useChangeDiscount(campaignId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: DiscountPlanPatch) =>
      unwrap(api.PATCH("/api/campaigns/{campaign_id}/discount", { ...at(campaignId), body })),
    onSuccess: async (answer) => {
      queries.setQueryData(keyOf(campaignId), answer);
      await queries.invalidateQueries({ queryKey: ["campaign", campaignId], exact: true });
    },
  });
}

/** Asks Shopify about a code; nothing is saved. */
export function useCheckCode(campaignId: string) {
  return useMutation({
    mutationFn: (code: string) =>
      unwrap(api.POST("/api/campaigns/{campaign_id}/discount/check", { ...at(campaignId), body: { code } })),
  });
}

/** Makes a code in Shopify and uses it in the campaign. */
export function useCreateCode(campaignId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: NewCode) =>
      unwrap(api.POST("/api/campaigns/{campaign_id}/discount/code", { ...at(campaignId), body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["campaign", campaignId] }),
  });
}

/** What discounts cost and brought. */
export function useDiscountFigures(campaignId: string) {
  return useQuery({
    queryKey: [...keyOf(campaignId), "figures"],
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}/discount/figures", at(campaignId))),
  });
}

/** What Shopify's marketing pages have of a campaign. */
export function useMarketing(campaignId: string) {
  return useQuery({
    queryKey: ["campaign", campaignId, "marketing"],
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}/marketing", at(campaignId))),
  });
}
