import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api, unwrap } from "@/shared/api/client";

const WHILE_WORKING_MS = 2000;
const AT_REST_MS = 60_000;

/** The key numbers of the published run. */
export function useDashboard() {
  return useQuery({
    queryKey: ["dashboard"],
    queryFn: () => unwrap(api.GET("/api/dashboard")),
    refetchInterval: AT_REST_MS,
  });
}

/** Where the import and the refresh are. When they end, everything shown from before is asked for anew. */
export function useProgress() {
  const queries = useQueryClient();
  const progress = useQuery({
    queryKey: ["progress"],
    queryFn: () => unwrap(api.GET("/api/progress")),
    refetchInterval: (query) => (query.state.data?.running === true ? WHILE_WORKING_MS : AT_REST_MS),
  });
  const running = progress.data?.running === true;
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && !running) {
      void queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "progress" });
    }
    wasRunning.current = running;
  }, [running, queries]);
  return progress;
}

/** Asks for an import of changes and a refresh, in the background. */
export function useRefreshNow() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.POST("/api/refresh")),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["progress"] }),
  });
}
