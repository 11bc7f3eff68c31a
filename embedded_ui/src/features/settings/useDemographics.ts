import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { DemographicsPatch } from "@/shared/api/types";

const KEY = ["settings", "demographics"];
const WHILE_COMPUTING_MS = 2000;
const AFTER_A_FAILURE_MS = 10_000; // the next refresh may mend it

/** Which estimates are on and what they came to. Asked for again while one is computed. */
export function useDemographics() {
  return useQuery({
    queryKey: KEY,
    queryFn: () => unwrap(api.GET("/api/settings/demographics")),
    refetchInterval: (query) => {
      const states = query.state.data?.estimates.map((estimate) => estimate.state) ?? [];
      if (states.includes("computing")) return WHILE_COMPUTING_MS;
      return states.includes("failed") ? AFTER_A_FAILURE_MS : false;
    },
  });
}

/** Turns estimates on or off. Segments change at once when one goes, so they are asked for anew. */
export function useChangeDemographics() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: DemographicsPatch) => unwrap(api.PATCH("/api/settings/demographics", { body })),
    onSuccess: async (answer) => {
      queries.setQueryData(KEY, answer);
      await Promise.all(
        ["segments", "segment", "progress"].map((noun) => queries.invalidateQueries({ queryKey: [noun] })),
      );
    },
  });
}

/** Asks for a refresh again after one failed. */
export function useRefreshAgain() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.POST("/api/refresh")),
    onSuccess: () => Promise.all([KEY, ["progress"]].map((queryKey) => queries.invalidateQueries({ queryKey }))),
  });
}
