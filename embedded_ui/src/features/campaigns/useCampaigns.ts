import { keepPreviousData, type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { paths } from "@/shared/api/schema";
import { everySegment } from "@/shared/api/segments";
import type { Campaign } from "@/shared/api/types";

const WHILE_SENDING_MS = 10_000;

export type DecisionQuery = NonNullable<
  paths["/api/campaigns/{campaign_id}/decisions"]["get"]["parameters"]["query"]
>;
type NewCampaign = paths["/api/campaigns"]["post"]["requestBody"]["content"]["application/json"];

const at = (campaign_id: string) => ({ params: { path: { campaign_id } } });

/** Shows a campaign as a change left it. A question on its way may have been asked before: its answer is dropped. */
export async function keepCampaign(queries: QueryClient, campaign: Campaign): Promise<void> {
  await queries.cancelQueries({ queryKey: ["campaign", campaign.id], exact: true });
  queries.setQueryData(["campaign", campaign.id], campaign);
}

/** The shop's campaigns, newest first; asked for again while one sends. */
export function useCampaigns() {
  return useQuery({
    queryKey: ["campaigns"],
    queryFn: async () => (await unwrap(api.GET("/api/campaigns"))).items,
    refetchInterval: (query) =>
      query.state.data?.some((campaign) => campaign.state === "active") === true ? WHILE_SENDING_MS : false,
  });
}

/** One campaign; asked for again while it sends. */
export function useCampaign(campaign_id: string) {
  return useQuery({
    queryKey: ["campaign", campaign_id],
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}", at(campaign_id))),
    refetchInterval: (query) => (query.state.data?.state === "active" ? WHILE_SENDING_MS : false),
  });
}

/** What the campaign's messages in line wait for; asked for again while it sends. */
export function useWaiting(campaign: Campaign) {
  return useQuery({
    queryKey: ["campaign", campaign.id, "waiting"],
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}/waiting", at(campaign.id))),
    refetchInterval: campaign.state === "active" ? WHILE_SENDING_MS : false,
  });
}

/** A new draft: empty, or prefilled. */
export function useCreateCampaign() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: NewCampaign) => unwrap(api.POST("/api/campaigns", { body })),
    onSuccess: async (made) => {
      queries.setQueryData(["campaign", made.id], made);
      await queries.invalidateQueries({ queryKey: ["campaigns"] });
    },
  });
}

/** A draft that says the same as another campaign. */
export function useCloneCampaign(campaign_id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/clone", at(campaign_id))),
    onSuccess: async (made) => {
      queries.setQueryData(["campaign", made.id], made);
      await queries.invalidateQueries({ queryKey: ["campaigns"] });
    },
  });
}

/** Start, pause, resume, end, delete, and take a deletion back. Each answer is shown at once. */
export function useCampaignActions(campaign_id: string) {
  const queries = useQueryClient();
  const everywhere = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["campaigns"] }),
      queries.invalidateQueries({ queryKey: ["recommendations"] }),
    ]);
  const onSuccess = async (campaign: Campaign) => {
    await keepCampaign(queries, campaign);
    await everywhere();
  };
  return {
    activate: useMutation({
      mutationFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/activate", at(campaign_id))),
      onSuccess,
    }),
    pause: useMutation({
      mutationFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/pause", at(campaign_id))),
      onSuccess,
    }),
    resume: useMutation({
      mutationFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/resume", at(campaign_id))),
      onSuccess,
    }),
    end: useMutation({
      mutationFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/end", at(campaign_id))),
      onSuccess,
    }),
    remove: useMutation({
      mutationFn: () => unwrap(api.DELETE("/api/campaigns/{campaign_id}", at(campaign_id))),
      onSuccess: everywhere,
    }),
    restore: useMutation({
      mutationFn: () => unwrap(api.POST("/api/campaigns/{campaign_id}/restore", at(campaign_id))),
      onSuccess,
    }),
  };
}

/** What activation would do now. Asked for anew on every visit: it names the number of people. */
export function usePreflight(campaign: Campaign) {
  return useQuery({
    queryKey: ["campaign", campaign.id, "preflight", campaign.updated_at],
    queryFn: () => unwrap(api.GET("/api/campaigns/{campaign_id}/preflight", at(campaign.id))),
    staleTime: 0,
  });
}

/** The message that one member would get, from the renderer that sends. */
export function useCampaignPreview(campaign: Campaign, customer_no: number | null) {
  return useQuery({
    queryKey: ["campaign", campaign.id, "preview", campaign.updated_at, customer_no],
    queryFn: () =>
      unwrap(api.POST("/api/campaigns/{campaign_id}/preview", { ...at(campaign.id), body: { customer_no } })),
    placeholderData: keepPreviousData,
    retry: false,
  });
}

/** Mails a test; it counts nowhere. */
export function useSendTest(campaign_id: string) {
  return useMutation({
    mutationFn: (body: { addresses: string[]; customer_no: number | null; remember: boolean }) =>
      unwrap(api.POST("/api/campaigns/{campaign_id}/test", { ...at(campaign_id), body })),
  });
}

/** A page of the decision diary. */
export function useDecisions(campaign_id: string, query: DecisionQuery) {
  return useQuery({
    queryKey: ["campaign", campaign_id, "decisions", query],
    queryFn: () =>
      unwrap(
        api.GET("/api/campaigns/{campaign_id}/decisions", { params: { path: { campaign_id }, query } }),
      ),
    placeholderData: keepPreviousData,
  });
}

/** Segments that a campaign can address: product segments first, the merchant's own after them. */
export function useAudienceSegments() {
  return useQuery({
    queryKey: ["segments", "audiences"],
    queryFn: async () => {
      const query = {
        category: ["repurchase", "cross_sell", "custom"] as ("repurchase" | "cross_sell" | "custom")[],
        include_empty: false,
        sort: "expected_buyers",
      } as const;
      return everySegment(query);
    },
  });
}
