import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

const AT_REST_MS = 60_000;

/** The key numbers of the published run. */
export function useDashboard() {
  return useQuery({
    queryKey: ["dashboard"],
    queryFn: () => unwrap(api.GET("/api/dashboard")),
    refetchInterval: AT_REST_MS,
  });
}

/** Asks for an import of changes and a refresh, in the background. */
export function useRefreshNow() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.POST("/api/refresh")),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["progress"] }),
  });
}
