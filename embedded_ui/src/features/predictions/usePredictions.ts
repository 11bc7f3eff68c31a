import { useQuery } from "@tanstack/react-query";
import { api, unwrap } from "@/shared/api/client";

const WHILE_WORKING_MS = 3000;
const AT_REST_MS = 60_000;

/** What the newest predictions are worth. */
export function useModelCard() {
  return useQuery({
    queryKey: ["predictions", "card"],
    queryFn: () => unwrap(api.GET("/api/predictions/card")),
    refetchInterval: AT_REST_MS,
  });
}

/** What predictions of past weeks came to; asked more often while it is computed. */
export function useBacktest() {
  return useQuery({
    queryKey: ["predictions", "backtest"],
    queryFn: () => unwrap(api.GET("/api/predictions/backtest")),
    refetchInterval: (query) => (query.state.data?.state === "working" ? WHILE_WORKING_MS : AT_REST_MS),
  });
}

/** What was promised of all product segments, and what came; asked more often while past months are worked out. */
export function useShopReceipts() {
  return useQuery({
    queryKey: ["predictions", "receipts"],
    queryFn: () => unwrap(api.GET("/api/receipts")),
    refetchInterval: (query) => (query.state.data?.look_back.state === "running" ? WHILE_WORKING_MS : AT_REST_MS),
  });
}
