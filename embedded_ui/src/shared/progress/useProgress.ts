import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api, unwrap } from "@/shared/api/client";

const WHILE_WORKING_MS = 2000;
const AT_REST_MS = 60_000;

/** What a refresh never changes: the shop's own settings, and the progress that is watched here. */
const UNTOUCHED: ReadonlySet<unknown> = new Set(["shop", "progress"]);

/** Where the import and the refresh are. */
export function useProgress() {
  return useQuery({
    queryKey: ["progress"],
    queryFn: () => unwrap(api.GET("/api/progress")),
    refetchInterval: (query) => (query.state.data?.running === true ? WHILE_WORKING_MS : AT_REST_MS),
  });
}

/** When an import or a refresh ends, asks anew for everything shown from before. Mounted once, around all pages. */
export function useFreshNumbers(): void {
  const queries = useQueryClient();
  const { data } = useProgress();
  const running = data?.running === true;
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && !running) {
      void queries.invalidateQueries({ predicate: (query) => !UNTOUCHED.has(query.queryKey[0]) });
    }
    wasRunning.current = running;
  }, [running, queries]);
}
