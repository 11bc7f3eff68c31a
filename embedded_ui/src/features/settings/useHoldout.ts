import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

const KEY = ["settings", "holdout"];

/** How many customers no campaign mails. */
export function useHoldout() {
  return useQuery({ queryKey: KEY, queryFn: () => unwrap(api.GET("/api/settings/holdout")) });
}

/** Changes it from the next decision on. */
export function useChangeHoldout() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (percent: number) => unwrap(api.PATCH("/api/settings/holdout", { body: { percent } })),
    onSuccess: (answer) => queries.setQueryData(KEY, answer),
  });
}
