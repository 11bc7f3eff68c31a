import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";
import type { BrandPatch } from "@/shared/api/types";

const KEY = ["settings", "brand"];

/** The colours and the logo of the shop's messages. */
export function useBrand() {
  return useQuery({ queryKey: KEY, queryFn: () => unwrap(api.GET("/api/settings/brand")) });
}

/** Changes them; previews that were made before look different now. */
export function useChangeBrand() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: BrandPatch) => unwrap(api.PATCH("/api/settings/brand", { body })),
    onSuccess: async (answer) => {
      queries.setQueryData(KEY, answer);
      await queries.invalidateQueries({ queryKey: ["campaign"] });
    },
  });
}
